"""What a page needs of the session: scopes, claims, and how and when the user signed in (OpenID Connect Core §3.1.2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from authwright.protocol.http import Json
from authwright.relying_party.errors import Forbidden, LoginRequired

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty
    from authwright.relying_party.sessions import SignedIn

STEP_UP = "authwright.step_up"
"""The item in which a session keeps what its sign-in was asked for."""
PATIENCE = timedelta(minutes=5)
"""How long a sign-in that brought less than was asked for counts as the provider's last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRequirement:
    """All of `scopes`, one of `acr_values`, a sign-in no more than `max_age` seconds ago, and all of `claims`.

    A claim is met by an equal value, or by a list that holds it. What is empty is not asked for.
    """

    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None
    claims: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_age is not None and self.max_age < 0:
            raise ValueError("max_age is negative")
        if any(not value or len(value.split()) != 1 for value in (*self.acr_values, *self.scopes)):
            raise ValueError("acr values and scopes are single words")

    def check(
        self, party: "RelyingParty | None", signed_in: "SignedIn | None", *, strict: bool = False
    ) -> None:
        """Raises LoginRequired where signing in (again) may help, and Forbidden where it will not.

        `party` None: nobody is signed in, and with which of several providers is still to be chosen. `strict`: somebody
        else compares the age, without our leeway.
        """
        # 1. Somebody, and somebody whom the claims let in: no sign-in changes what the provider says of a user.
        if signed_in is None or party is None:
            raise self._login(party, None)
        for name, wanted in self.claims.items():
            held = signed_in.claims.get(name)
            if held != wanted and not (isinstance(held, list) and wanted in held):
                raise Forbidden("claims")

        # 2. What a sign-in can bring. One that was asked for it a moment ago and did not bring it will not next time.
        granted = signed_in.data.scope
        lacks_scope = not set(self.scopes).issubset(granted)
        lacks_acr = bool(self.acr_values) and signed_in.data.acr not in self.acr_values
        if lacks_scope and self._was_asked(party, signed_in, "scopes", self.scopes):
            raise Forbidden("scope")
        if lacks_acr and self._was_asked(party, signed_in, "acr_values", self.acr_values):
            raise Forbidden("acr")
        if lacks_scope or lacks_acr or self._is_stale(party, signed_in, strict):
            raise self._login(party, signed_in)

    def _is_stale(self, party: "RelyingParty", signed_in: "SignedIn", strict: bool) -> bool:
        if self.max_age is None:
            return False
        if signed_in.data.auth_time is None:
            return True
        age = party.clock().timestamp() - signed_in.data.auth_time
        if strict and _asked(signed_in).get("max_age") != self.max_age:
            return age > self.max_age
        # With the leeway of the callback, which checks the same: what it has let in must not be sent away again.
        return age > self.max_age + party.client.leeway.total_seconds()

    def _was_asked(
        self, party: "RelyingParty", signed_in: "SignedIn", name: str, values: tuple[str, ...]
    ) -> bool:
        before = _asked(signed_in).get(name)
        if not isinstance(before, list) or not set(values).issubset(before):
            return False
        return party.clock() - signed_in.record.created_at < PATIENCE

    def _login(self, party: "RelyingParty | None", signed_in: "SignedIn | None") -> LoginRequired:
        granted = () if signed_in is None else signed_in.data.scope
        asked = {
            "scopes": [] if party is None else list(self.scopes),
            "acr_values": list(self.acr_values),
            "max_age": self.max_age,
        }
        # Each provider has scopes of its own to add to: what is missing after the sign-in is asked for then.
        scopes = () if party is None else tuple(dict.fromkeys((*party.client.scopes, *granted, *self.scopes)))
        return LoginRequired(
            max_age=self.max_age,
            scopes=(scopes or None) if self.scopes else None,
            acr_values=self.acr_values or None,
            items={STEP_UP: asked} if any(value not in ([], None) for value in asked.values()) else None,
            provider=(party.name or None) if party is not None and signed_in is not None else None,
        )


def _asked(signed_in: "SignedIn") -> Mapping[str, Json]:
    asked = signed_in.properties.get(STEP_UP)
    return asked if isinstance(asked, dict) else {}
