"""A framework's connection as we see it: its ASGI scope, turned into an `HttpRequest`; and answers it understands.

No framework is imported here. Where Starlette (and with it FastAPI) is loaded already, its own types are used, so
that its dependency injection recognises a parameter and its routes return our answers.
"""

import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any, Protocol
from urllib.parse import quote

from authwright.asgi.types import Scope, Send
from authwright.protocol.http import Headers, HttpRequest, HttpResponse

# RFC 3986 §3.3: what a path may hold as it is; "%" is left out, for a path that came decoded.
_PATH_SAFE = "/:@!$&'()*+,;=-._~"


class Connection(Protocol):
    """What Starlette's Request and WebSocket are, and any other object with an ASGI scope."""

    @property
    def scope(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Scoped:
    scope: Any


def connection_of(given: "Connection | Scope") -> Connection:
    """`given`, or an ASGI scope as a connection: what an application without a framework has."""
    return _Scoped(given) if isinstance(given, MutableMapping) else given


def full_path(scope: Scope) -> str:
    """The path as the outside world sees it, percent-encoding and all, the mount's prefix in it exactly once."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"], safe=_PATH_SAFE)
    root = scope.get("root_path", "").rstrip("/")
    if not root:
        return path
    # Servers differ on whether the prefix of a proxy or a mount is part of the path, and on how it is spelled there.
    prefix = quote(root, safe=_PATH_SAFE)
    for spelling in (prefix, root):
        if path == spelling or path.startswith(spelling + "/"):
            return path
    return prefix + path


def to_request(scope: Scope, body: bytes = b"") -> HttpRequest:
    """The request of an http or websocket scope, without its body unless given."""
    client = scope.get("client")
    return HttpRequest(
        method=scope.get("method", "GET"),
        path=full_path(scope),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=Headers(scope["headers"]),
        body=body,
        peer=client[0] if client else None,
    )


def request_of(given: "HttpRequest | Connection") -> HttpRequest:
    """`given`, or the request of the framework's object it is."""
    return given if isinstance(given, HttpRequest) else to_request(given.scope)


async def send_response(response: HttpResponse, method: str, send: Send) -> None:
    """`response` as ASGI messages."""
    headers = [field for field in response.headers.lines if field[0] != b"content-length"]
    if response.status >= 200 and response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


def framework_response(response: HttpResponse) -> Any:
    """`response` as Starlette's own type where Starlette is loaded, else as it is."""
    module = sys.modules.get("starlette.responses")
    if module is None:
        return response
    answer = module.Response(content=response.body, status_code=response.status)
    # Set-Cookie may stand there several times, which a mapping of headers cannot say.
    length = (b"content-length", b"%d" % len(response.body))
    answer.raw_headers = [*response.headers.lines, length]
    return answer


def connection_signature() -> Signature:
    """The signature of a dependency that takes the connection, in the framework's own words where there are any."""
    module = sys.modules.get("starlette.requests")
    annotation = Connection if module is None else module.HTTPConnection
    return Signature([Parameter("connection", Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)])
