"""The signed-in user, as the application sees one."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from authwright.protocol.http import Json
from authwright.relying_party.api_calls import UserApi
from authwright.relying_party.errors import NoAccessToken


@dataclass(frozen=True, slots=True)
class User:
    """Who signed in. `(iss, sub)` is the identity: an e-mail address is not (OpenID Connect Core §5.7)."""

    iss: str
    sub: str
    claims: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)
    """JSON-typed, as the provider gave them."""
    tokens: Callable[[], Awaitable[str]] | None = field(default=None, repr=False, compare=False)
    calls: Callable[[str], UserApi] | None = field(default=None, repr=False, compare=False)

    def __getitem__(self, name: str) -> Json:
        """A claim. Raises KeyError when the user has no such claim."""
        return self.claims[name]

    def __contains__(self, name: object) -> bool:
        return name in self.claims

    def __iter__(self) -> Iterator[str]:
        return iter(self.claims)

    def get(self, name: str, default: Json = None) -> Json:
        """A claim, or `default`."""
        return self.claims.get(name, default)

    async def access_token(self) -> str:
        """An access token that is fresh now, refreshed if need be, once however many ask.

        Raises SessionEnded when the provider ended the session, NoAccessToken when there is none to be had,
        RemoteFault when the provider cannot be reached; the session stays.
        """
        if self.tokens is None:
            raise NoAccessToken("this user does not come from a session")
        return await self.tokens()

    def http(self, base_url: str) -> UserApi:
        """An API to call for the user, with a fresh access token: `async with user.http(url) as api: …`.

        The token is refreshed and proven as it needs. Raises ValueError for a URL that is neither https nor on loopback,
        NoAccessToken for a user who does not come from a session.
        """
        if self.calls is None:
            raise NoAccessToken("this user does not come from a session")
        return self.calls(base_url)

    # What Starlette's `request.user` has.

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The `name` claim, or the subject."""
        name = self.claims.get("name")
        return name if isinstance(name, str) and name else self.sub

    @property
    def identity(self) -> str:
        """The subject."""
        return self.sub


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody is signed in: what `request.user` is then."""

    @property
    def is_authenticated(self) -> bool:
        """False."""
        return False

    @property
    def display_name(self) -> str:
        """Empty."""
        return ""

    @property
    def identity(self) -> str:
        """Empty."""
        return ""
