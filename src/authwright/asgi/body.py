"""The body of a request, read whole and never beyond a limit (RFC 9110 §8.6, §15.5.14)."""

from authwright.asgi.types import Message, Receive, Scope
from authwright.protocol.errors import InvalidRequest


class Disconnected(Exception):
    """The peer went away before its request was complete."""


class BodyTooLarge(Exception):
    """More than the limit; `read` is what had arrived, `more` says whether the server holds more."""

    def __init__(self, read: bytes, *, more: bool) -> None:
        super().__init__("the body is too large")
        self.read = read
        self.more = more


def check_declared_length(scope: Scope, limit: int) -> None:
    """Refuse by Content-Length, before a byte is read. Raises BodyTooLarge or InvalidRequest."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # RFC 9110 §8.6: digits only; the length check keeps int() from reading a novel.
            if not value.isdigit():
                raise InvalidRequest("The 'Content-Length' header is not valid.")
            if len(value) > 19 or int(value) > limit:
                raise BodyTooLarge(b"", more=True)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body, at most `limit` bytes. Raises BodyTooLarge or Disconnected."""
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise BodyTooLarge(body, more=False)
        return body
    return await _read_on(receive, body, limit)


async def _read_on(receive: Receive, first: bytes, limit: int) -> bytes:
    body = bytearray(first)
    more = True
    while more:
        if len(body) > limit:
            raise BodyTooLarge(bytes(body), more=True)
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > limit:
        raise BodyTooLarge(bytes(body), more=False)
    return bytes(body)


def replay(read: bytes, receive: Receive, *, more: bool = False) -> Receive:
    """A `receive` that first gives what was read already, then goes on with the server's own."""
    first: list[Message] = [{"type": "http.request", "body": read, "more_body": more}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
