"""Who acts for whom: the `act` and `may_act` claims (RFC 8693 §4.1, §4.4).

A chain is read into plain identities and written from them, so that nothing else of a token travels inside it.
"""

from collections.abc import Mapping, Sequence

import msgspec

from authwright.protocol.http import Json

MAX_ACTORS = 5
"""How many may have acted one after the other."""

_MEMBERS = ("sub", "iss", "client_id")


class ActRejected(Exception):
    """The chain cannot be, or not become, part of a token; `reason` is a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of one who acts. At least one of `sub` and `client_id` is there."""

    sub: str = ""
    iss: str = ""
    """Empty = this provider."""
    client_id: str = ""

    def same_as(self, other: "Actor") -> bool:
        """Whether both are one and the same: by subject where both have one, else by client."""
        if self.iss != other.iss:
            return False
        return self.sub == other.sub if self.sub and other.sub else self._name() == other._name()

    def _name(self) -> str:
        return self.client_id or self.sub


def read_chain(act: Json, *, issuer: str, ours: str) -> tuple[Actor, ...]:
    """The actors of an `act` claim, the current one first. Raises ActRejected unless it is an object all the way down.

    `issuer` is who said so, and whose the actors without an `iss` are; `ours` is this provider's. That an actor of ours
    acts now is nobody else's to say.
    """
    chain: list[Actor] = []
    level: Json = act
    while level is not None:
        if not isinstance(level, Mapping):
            raise ActRejected("not_an_object")
        if len(chain) == MAX_ACTORS:
            raise ActRejected("too_deep")
        given = {name: level[name] for name in _MEMBERS if name in level}
        if any(not isinstance(value, str) or not value for value in given.values()):
            raise ActRejected("not_an_identity")
        iss = given.get("iss", issuer)
        actor = Actor(**{**given, "iss": "" if iss == ours else iss})
        if not actor.sub and not actor.client_id:
            raise ActRejected("not_an_identity")
        chain.append(actor)
        if "act" in level and level["act"] is None:
            raise ActRejected("not_an_object")
        level = level.get("act")
    if chain and not chain[0].iss and issuer != ours:
        # RFC 8693 §4.1: the outermost is whom access is decided by; that one of ours acts is shown by its own token.
        raise ActRejected("not_theirs_to_name")
    return tuple(chain)


def write_chain(chain: Sequence[Actor]) -> Mapping[str, Json] | None:
    """The `act` claim for the actors, the current one outermost; None for nobody."""
    act: dict[str, Json] | None = None
    for actor in reversed(chain):
        level: dict[str, Json] = {name: getattr(actor, name) for name in _MEMBERS if getattr(actor, name)}
        if act is not None:
            level["act"] = act
        act = level
    return act


def extend_chain(chain: tuple[Actor, ...], actor: Actor, subject: Actor) -> tuple[Actor, ...]:
    """The chain with a new current actor. Raises ActRejected for a loop, a chain too long, or who acts for itself."""
    if actor.same_as(subject):
        raise ActRejected("acts_for_itself")
    if any(actor.same_as(earlier) for earlier in chain):
        raise ActRejected("loop")
    if len(chain) >= MAX_ACTORS:
        raise ActRejected("too_deep")
    return (actor, *chain)


def may_act(claim: Json, actor: Actor, *, issuer: str, ours: str) -> bool:
    """Whether the `may_act` of a token names the actor, by every member it has (RFC 8693 §4.4).

    `issuer` is who issued the token; without an `iss` of its own the claim speaks of theirs.
    """
    if not isinstance(claim, Mapping) or not claim.keys() <= frozenset(_MEMBERS):
        return False
    if not ("sub" in claim or "client_id" in claim):
        return False
    wanted = {"iss": issuer, **claim}
    named = {"sub": actor.sub, "client_id": actor.client_id, "iss": actor.iss or ours}
    return all(isinstance(value, str) and value and value == named[name] for name, value in wanted.items())
