"""Answers in a framework's own words, for those that take nothing else from a route.

No framework is imported here: one that a route belongs to is loaded already.
"""

import sys
from typing import Any

from authwright.asgi.connection import Connection, framework_response
from authwright.asgi.reply import STAND_IN
from authwright.asgi.visitor import SCOPE_KEY, Visitor
from authwright.protocol.http import HttpResponse


def answer_with(answer: HttpResponse | Exception, connection: Connection) -> Any:
    """What a route returns so that the browser gets `answer`, or what it stands for; None where it has to raise it.

    Django and Quart would log an exception of ours as their own fault, and have no place for several Set-Cookie: what
    they get is empty, and the middleware puts the answer in its place.
    """
    visitor = connection.scope.get(SCOPE_KEY)
    if isinstance(visitor, Visitor):
        visitor.answer = answer
        empty = _empty(connection)
        if empty is not None:
            return empty
    return framework_response(answer) if isinstance(answer, HttpResponse) else None


def _empty(connection: Connection) -> Any:
    # `__class__` sees through Quart's proxy, `type()` does not.
    roots = {kind.__module__.partition(".")[0] for kind in connection.__class__.__mro__}
    headers = {STAND_IN.decode("ascii"): "1"}
    if "django" in roots:
        return sys.modules["django.http"].HttpResponse(status=204, headers=headers)
    if "quart" in roots:
        return sys.modules["quart"].Response(b"", status=204, headers=headers)
    return None
