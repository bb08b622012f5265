"""A dependency that takes either a session or an access token: one route for pages and for programs."""

from inspect import Signature

from authwright.asgi.connection import Connection, connection_of, connection_signature, to_request
from authwright.asgi.resource_server import RequiredToken
from authwright.asgi.types import Scope
from authwright.asgi.visitor import RequiredUser
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest
from authwright.protocol.userinfo import parse_bearer_token
from authwright.relying_party.errors import LoginRequired
from authwright.relying_party.user import User
from authwright.resource_server.access_token import AccessToken


class LoginOrTokenRequired(LoginRequired):
    """As LoginRequired; a program is told besides how to send a token."""

    def __init__(self, login: LoginRequired, challenge: str) -> None:
        super().__init__(
            return_to=login.return_to,
            prompt=login.prompt,
            max_age=login.max_age,
            scopes=login.scopes,
            acr_values=login.acr_values,
            items=login.items,
            provider=login.provider,
        )
        self.challenge: str = challenge


class UserOrToken:
    """The signed-in user, or the access token where the request carries one.

    A token decides alone: a bad one is refused, whoever is signed in. Raises what the two raise.
    """

    def __init__(self, user: RequiredUser, token: RequiredToken) -> None:
        self._user = user
        self._token = token

    @property
    def __signature__(self) -> Signature:
        return connection_signature()

    async def __call__(self, connection: Connection | Scope, *_: object) -> User | AccessToken:
        """One of the two. Further arguments are ignored."""
        connection = connection_of(connection)
        if _carries_token(to_request(connection.scope)):
            return await self._token(connection)
        try:
            return await self._user(connection)
        except LoginRequired as login:
            raise LoginOrTokenRequired(login, self._token.refusal().www_authenticate or "Bearer") from None


def _carries_token(request: HttpRequest) -> bool:
    try:
        return parse_bearer_token(request) is not None
    except InvalidRequest:
        # Something like a token is there, and the guard will say what is wrong with it.
        return True
