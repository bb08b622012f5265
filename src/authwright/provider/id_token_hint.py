"""`id_token_hint`: an ID token of ours, shown back to us (OpenID Connect Core §3.1.2.1, RP-Initiated Logout 1.0 §2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from authwright.crypto.jwt import JwtRejected, verify_jwt
from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import Json
from authwright.provider.events import ProviderEvents
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokenHint:
    """What a genuine ID token of ours says."""

    subject: str
    audiences: tuple[str, ...]
    session_id: str | None


class IdTokenHints:
    """Reads hints."""

    __slots__ = ("_events", "_settings", "_signing")

    def __init__(self, signing: Signing, settings: Settings, events: ProviderEvents | None = None) -> None:
        self._events = events
        self._signing = signing
        self._settings = settings

    async def read(self, token: str) -> IdTokenHint:
        """The hint. Raises InvalidRequest unless we signed it as an ID token.

        An expired one is as good: it says who signed in, not that they may do anything (RP-Initiated Logout 1.0 §4).
        """
        said = await self._own_form(token)
        if said is None:
            keys = await self._signing.verification_keys()
            try:
                # RFC 8725 §3.11: the typ keeps an access token (at+jwt) from passing for an ID token.
                verified = verify_jwt(token, keys, algorithms=self._settings.algorithms, types=("jwt", ""))
            except JwtRejected as rejected:
                raise _not_valid(rejected.reason) from None
            said = verified.claims
        try:
            claims = msgspec.convert(said, _Claims)
        except msgspec.ValidationError:
            raise _not_valid("claims") from None
        if claims.iss != self._settings.issuer:
            raise _not_valid("iss")
        audiences = (claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud)
        if not audiences:
            raise _not_valid("aud")
        return IdTokenHint(subject=claims.sub, audiences=audiences, session_id=claims.sid)

    async def _own_form(self, token: str) -> Mapping[str, Json] | None:
        """The claims of an ID token in a form of the application's own; None for one in ours."""
        if self._events is None or "deserialize_identity_token" not in self._events.wanted:
            return None
        said: Mapping[str, Json] | None = await self._events.ask(
            "deserialize_identity_token", InvalidRequest, token
        )
        return said


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    sid: str | None = None


def _not_valid(reason: str) -> InvalidRequest:
    return InvalidRequest("The id_token_hint is not valid.", detail=f"id_token_hint.{reason}")
