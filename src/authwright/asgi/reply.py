"""An application's reply, watched on its way out by a middleware that may have to answer in its place."""

from authwright.asgi.types import Message, Send

STAND_IN = b"authwright-stand-in"
"""The header field of a reply that only stands where ours belongs."""


class Reply:
    """The application's messages, but for those that are not meant for the browser.

    A 500 is held back: some frameworks send one for the very exception they raise on. So is a reply that stands in.
    """

    __slots__ = ("_held", "_send", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self.started: bool = False

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if self._held or (starts and _is_to_be_held(message)):
            self._held.append(message)
            return
        self.started = self.started or starts
        await self._send(message)

    @property
    def held(self) -> bool:
        """Whether a reply is held back."""
        return bool(self._held)

    async def flush(self) -> None:
        for message in self._held:
            await self._send(message)


def _is_to_be_held(message: Message) -> bool:
    return message["status"] == 500 or any(
        bytes(name).lower() == STAND_IN for name, _ in message.get("headers", ())
    )
