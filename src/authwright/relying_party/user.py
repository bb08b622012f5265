"""The signed-in user, as the application sees one."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from authwright.protocol.http import Json
from authwright.relying_party.errors import NoAccessToken


@dataclass(frozen=True, slots=True)
class User:
    """Who signed in. `(iss, sub)` is the identity: an e-mail address is not (OpenID Connect Core §5.7)."""

    iss: str
    sub: str
    claims: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)
    """JSON-typed, as the provider gave them."""
    tokens: Callable[[], Awaitable[str]] | None = field(default=None, repr=False, compare=False)

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
