"""An application's reply, watched on its way out by a middleware that may have to answer in its place."""

from authwright.asgi.types import Message, Send


class Reply:
    """The application's messages. A 500 is held back: some frameworks send one for the very exception they raise on."""

    __slots__ = ("_held", "_send", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self.started = False

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if self._held or (starts and message["status"] == 500):
            self._held.append(message)
            return
        self.started = self.started or starts
        await self._send(message)

    async def flush(self) -> None:
        for message in self._held:
            await self._send(message)
