"""A decorator for routes of frameworks without dependencies: Starlette, Quart, Django."""

import asyncio
import sys
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from authwright.asgi.connection import Connection
from authwright.asgi.frameworks import answer_with
from authwright.asgi.visitor import OURS, RequiredUser

R = TypeVar("R", bound=Callable[..., Any])


def login_required(required: RequiredUser) -> Callable[[R], R]:
    """Decorator: the route is for users that `required` lets in.

    The route becomes an async one. What it raises of ours is answered as well: LoginRequired, Forbidden, SessionEnded.
    """

    def decorate(route: R) -> R:
        @wraps(route)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            connection = _connection(args, kwargs)
            try:
                await required(connection)
                if iscoroutinefunction(route):
                    return await route(*args, **kwargs)
                # As Starlette and Django do it: a route that is not async may block, but not everybody else.
                return await asyncio.to_thread(route, *args, **kwargs)
            except OURS as refusal:
                answer = answer_with(refusal, connection)
                if answer is None:
                    raise
                return answer

        return cast("R", guarded)

    return decorate


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Connection:
    """The request among the arguments, after a `self` perhaps; Quart's routes have none, and its request is global."""
    for argument in (*args[:2], *kwargs.values()):
        if isinstance(getattr(argument, "scope", None), dict):
            return cast("Connection", argument)
    quart = sys.modules.get("quart")
    if quart is not None and quart.has_request_context():
        return cast("Connection", quart.request)
    raise TypeError("login_required: none of the arguments is a request with an ASGI scope")
