"""Our own tokens as subject and actor tokens (RFC 8693 §3): access tokens of either format, refresh and ID tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from authwright.crypto.handles import Handles
from authwright.crypto.jwt import JwtRejected, check_claims, verify_jwt
from authwright.protocol.errors import InvalidGrant, InvalidToken
from authwright.protocol.exchange import ACCESS_TOKEN, REFRESH_TOKEN
from authwright.protocol.http import Json
from authwright.provider.events import ProviderEvents
from authwright.provider.exchanged import ORIGIN_GRANT
from authwright.provider.minting import Minting
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.provider.stored_tickets import find_access_token, find_stored
from authwright.provider.subject_tokens import SubjectTokenRejected, ValidatedToken
from authwright.stores.protocols import SessionStore, TicketStore
from authwright.ticket import Confirmation, StoredTicket, TokenKind

Request = AuthenticatedTokenRequest[Any]

MAY_ACT = "may_act"


class LocalTokens:
    """Finds tokens of our store. What is known of them is in their tickets; the text itself says nothing."""

    def __init__(
        self,
        *,
        tickets: TicketStore,
        handles: Handles,
        minting: Minting,
        events: ProviderEvents | None = None,
    ) -> None:
        self._tickets = tickets
        self._handles = handles
        self._minting = minting
        self._events = events

    async def access_token(self, request: Request, value: str) -> ValidatedToken:
        """A live access token of either format. Raises SubjectTokenRejected."""
        try:
            found = await find_access_token(self._tickets, self._handles, value, self._events)
        except (InvalidToken, InvalidGrant):
            raise SubjectTokenRejected("refused_by_event") from None
        return self._live(request, found)

    async def refresh_token(self, request: Request, value: str) -> ValidatedToken:
        """A live refresh token that was never used. Raises SubjectTokenRejected."""
        try:
            found = await find_stored(
                self._tickets, self._handles, TokenKind.REFRESH_TOKEN, value, self._events
            )
        except (InvalidToken, InvalidGrant):
            raise SubjectTokenRejected("refused_by_event") from None
        validated = self._live(request, found)
        # A refresh token is for the client it was given to and for nobody else (RFC 6749 §10.4).
        if validated.issued_to != request.client.client_id:
            raise SubjectTokenRejected("other_clients_refresh_token")
        return validated

    def _live(self, request: Request, found: StoredTicket | None) -> ValidatedToken:
        if found is None:
            # Nobody issued it, or its grant is revoked.
            raise SubjectTokenRejected("unknown")
        if found.used_at is not None:
            raise SubjectTokenRejected("revoked")
        if found.expired(request.now):
            raise SubjectTokenRejected("expired")
        ticket = found.ticket
        if ticket.confidential and not request.authentication.confidential:
            raise SubjectTokenRejected("confidential")
        return ValidatedToken(
            issuer=request.issuer,
            subject=ticket.subject if ticket.subject is not None else ticket.client_id,
            of_client=ticket.subject is None,
            issued_to=ticket.client_id,
            audiences=self._minting.audience(ticket),
            scopes=ticket.scopes,
            expires_at=found.expires_at,
            auth_time=ticket.auth_time,
            acr=ticket.acr,
            amr=ticket.amr,
            session_id=ticket.session_id,
            act=ticket.act,
            may_act=ticket.claims.get(MAY_ACT),
            confirmation=ticket.confirmation,
            record=found,
            resources=ticket.resources,
        )


class AccessTokens:
    """`access_token`: ours, and nobody else's (RFC 8693 §3)."""

    token_type: ClassVar[str] = ACCESS_TOKEN

    def __init__(self, tokens: LocalTokens) -> None:
        self._tokens = tokens

    async def validate(self, request: Request, token: str) -> ValidatedToken:
        return await self._tokens.access_token(request, token)


class RefreshTokens:
    """`refresh_token`: ours, of the client that asks."""

    token_type: ClassVar[str] = REFRESH_TOKEN

    def __init__(self, tokens: LocalTokens) -> None:
        self._tokens = tokens

    async def validate(self, request: Request, token: str) -> ValidatedToken:
        return await self._tokens.refresh_token(request, token)


class LocalIdTokens:
    """ID tokens that we signed and that are still of their time; they have no record, so their session speaks for them."""

    def __init__(self, *, settings: Settings, signing: Signing, sessions: SessionStore) -> None:
        self._settings = settings
        self._signing = signing
        self._sessions = sessions

    async def validate(self, request: Request, token: str) -> ValidatedToken:
        """What the ID token says. Raises SubjectTokenRejected."""
        keys = await self._signing.verification_keys()
        try:
            # RFC 8725 §3.11: the typ keeps an access token (at+jwt) from passing for an ID token.
            claims = verify_jwt(token, keys, algorithms=self._settings.algorithms, types=("jwt",)).claims
            check_claims(
                claims,
                issuer=self._settings.issuer,
                audience=None,
                now=request.now,
                required=("sub", "aud", "iat"),
            )
        except JwtRejected as rejected:
            raise SubjectTokenRejected(rejected.reason) from None
        if ORIGIN_GRANT in claims:
            # It has no scopes and no record, so what it was made from would bound and revoke nothing any more.
            raise SubjectTokenRejected("exchanged")
        session_id = text_of(claims, "sid")
        if session_id is not None:
            session = await self._sessions.find(session_id)
            if session is None or session.expires_at < request.now:
                raise SubjectTokenRejected("signed_out")
        return said_by(claims, session_id=session_id)


def said_by(claims: Mapping[str, Json], *, session_id: str | None = None) -> ValidatedToken:
    """What a verified JWT about a user says; `check_claims` has passed it."""
    audience = claims["aud"]
    audiences = (audience,) if isinstance(audience, str) else tuple(audience)
    amr = claims.get("amr")
    return ValidatedToken(
        issuer=claims["iss"],
        subject=claims["sub"],
        # RFC 9068 §2.2, OpenID Connect Core §2: who it was issued to, by the claim that says so first.
        issued_to=text_of(claims, "client_id")
        or text_of(claims, "azp")
        or (audiences[0] if len(audiences) == 1 else None),
        audiences=audiences,
        expires_at=datetime.fromtimestamp(float(claims["exp"]), UTC),
        auth_time=_moment(claims.get("auth_time")),
        acr=text_of(claims, "acr"),
        amr=tuple(method for method in amr if isinstance(method, str)) if isinstance(amr, list) else (),
        session_id=session_id,
        act=claims.get("act"),
        may_act=claims.get(MAY_ACT),
        confirmation=_bound_to(claims.get("cnf")),
    )


def _bound_to(cnf: Json) -> Confirmation | None:
    """The key a JWT is bound to (RFC 7800 §3.1). One we could not check a proof of makes the token useless here."""
    if cnf is None:
        return None
    if not isinstance(cnf, dict) or not cnf or not cnf.keys() <= {"jkt", "x5t#S256"}:
        raise SubjectTokenRejected("cnf")
    if any(not isinstance(value, str) or not value for value in cnf.values()):
        raise SubjectTokenRejected("cnf")
    return Confirmation(jkt=cnf.get("jkt"), x5t_s256=cnf.get("x5t#S256"))


def text_of(claims: Mapping[str, Json], name: str) -> str | None:
    """The claim where it is a text with something in it."""
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _moment(value: Json) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**11:
        return None
    return datetime.fromtimestamp(value, UTC)
