"""Which claims a user has: built once from small steps, run on every sign-in, in the order they were written.

Claims stay what JSON made them: lists are lists, booleans are booleans, names are never changed behind one's back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from authwright.protocol.http import Json

Step: TypeAlias = Callable[[dict[str, Json], Mapping[str, Json]], dict[str, Json]]
"""From the claims so far and the UserInfo answer to the claims after it; must change neither."""

PROTOCOL_ONLY = (
    "nonce", "aud", "azp", "acr", "iss", "iat", "nbf", "exp", "at_hash", "c_hash", "s_hash", "jti", "sid", "ipaddr",
    "platf", "ver", "_claim_names", "_claim_sources",
)  # fmt: skip
"""Claims of the token or the sign-in rather than of the user. Issuer and `sid` are kept with the session.

The last two speak of claims that somebody else vouches for (OpenID Connect Core §5.6.2); nobody has verified them.
"""


@dataclass(frozen=True, slots=True)
class Claims:
    """A list of steps. Each method gives a new list with one step more.

    They start from the ID token's claims. `Claims()` has no steps; `default_claims()` is what a relying party uses.
    """

    steps: tuple[Step, ...] = ()

    def drop(self, *names: str) -> "Claims":
        """Without these claims."""
        dropped = frozenset(names)
        return self._with(
            lambda claims, _: {name: value for name, value in claims.items() if name not in dropped}
        )

    def unique(self, name: str, key: str | None = None) -> "Claims":
        """`name` from the member `key` of UserInfo, unless the user has the claim: the ID token's value wins."""
        member = key or name

        def step(claims: dict[str, Json], info: Mapping[str, Json]) -> dict[str, Json]:
            if name in claims or _empty(info.get(member)):
                return claims
            return {**claims, name: info[member]}

        return self._with(step)

    def map(self, name: str, key: str | None = None) -> "Claims":
        """`name` from the member `key` of UserInfo; a value the user has already makes a list of both."""
        member = key or name
        return self._with(lambda claims, info: _added(claims, name, info.get(member)))

    def sub_key(self, name: str, key: str, member: str) -> "Claims":
        """`name` from a member of an object in UserInfo."""

        def step(claims: dict[str, Json], info: Mapping[str, Json]) -> dict[str, Json]:
            held = info.get(key)
            return _added(claims, name, held.get(member) if isinstance(held, Mapping) else None)

        return self._with(step)

    def custom(self, name: str, resolve: Callable[[Mapping[str, Json]], Json]) -> "Claims":
        """`name` from a function of the UserInfo answer; None and empty add nothing."""
        return self._with(lambda claims, info: _added(claims, name, resolve(info)))

    def map_all(self, *, but: tuple[str, ...] = ()) -> "Claims":
        """Every member of UserInfo the user has no claim for, except `but`."""
        excepted = frozenset(but)

        def step(claims: dict[str, Json], info: Mapping[str, Json]) -> dict[str, Json]:
            new = {
                name: value
                for name, value in info.items()
                if name not in claims and name not in excepted and not _empty(value)
            }
            return {**claims, **new}

        return self._with(step)

    def run(self, claims: Mapping[str, Json], user_information: Mapping[str, Json]) -> dict[str, Json]:
        """The claims after all steps; `sub` is always the ID token's."""
        result = dict(claims)
        for step in self.steps:
            result = step(result, user_information)
        if "sub" in claims:
            result["sub"] = claims["sub"]
        return result

    def _with(self, step: Step) -> "Claims":
        return replace(self, steps=(*self.steps, step))


def default_claims() -> Claims:
    """The user's claims of the ID token, and what UserInfo adds to them."""
    return Claims().drop(*PROTOCOL_ONLY).map_all(but=PROTOCOL_ONLY)


def _empty(value: Json) -> bool:
    return value is None or value in ("", [], {})


def _added(claims: dict[str, Json], name: str, value: Json) -> dict[str, Json]:
    if _empty(value):
        return claims
    if name not in claims:
        return {**claims, name: value}
    held = claims[name] if isinstance(claims[name], list) else [claims[name]]
    more = [item for item in (value if isinstance(value, list) else [value]) if item not in held]
    return {**claims, name: [*held, *more]} if more else claims
