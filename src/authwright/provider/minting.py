"""Minting: from a ticket to the values that stand for it. Signs and draws random values; writes nothing.

An opaque value is random; its record is found by a keyed digest. A JWT access token (RFC 9068) is recorded too, by the
digest of its whole text, so that introspection and revocation see it.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from authwright.crypto.handles import Handles, random_id
from authwright.crypto.jwt import half_hash, sign_jwt
from authwright.protocol.errors import InvalidGrant
from authwright.protocol.http import Json
from authwright.protocol.id_token import PROTOCOL_CLAIMS, build_id_token
from authwright.protocol.scopes import format_scope
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.provider.stored_tickets import JWT_LABEL
from authwright.records import Client
from authwright.ticket import NOTHING, CodeBinding, StoredTicket, Ticket, TokenKind

ACCESS_TOKEN_TYPE = "at+jwt"
ID_TOKEN_TYPE = "JWT"


ROTATION = "refresh_rotation"
"""Where a ticket carries its `Rotation`."""


class Rotation(msgspec.Struct, frozen=True):
    """The refresh token that is being rotated, from the grant to the minting of what follows it."""

    value: str
    successor: StoredTicket | None = None
    """What followed it already, when this is a retry inside the grace window."""

    def __repr__(self) -> str:
        return "Rotation(…)"


class Minted(msgspec.Struct, frozen=True):
    """A value that was made, and the record that must be stored for it to work; ID tokens have none."""

    kind: TokenKind
    value: str
    expires_in: int | None
    """Seconds; None = does not expire."""
    record: StoredTicket | None

    def __repr__(self) -> str:
        return f"Minted({self.kind.value})"


class Minting:
    """The four kinds of value a provider makes. `ticket` is always the whole decision; nothing is asked twice."""

    def __init__(self, *, settings: Settings, handles: Handles, signing: Signing) -> None:
        self._settings = settings
        self._handles = handles
        self._signing = signing
        self._scopes_of = {resource.uri: frozenset(resource.scopes) for resource in settings.resources}

    async def authorization_code(
        self, ticket: Ticket, binding: CodeBinding, client: Client, now: datetime
    ) -> Minted:
        """A code for the authorization response (RFC 6749 §4.1.2)."""
        value, digest = self._handles.mint(TokenKind.AUTHORIZATION_CODE)
        expires_at = self._expiry(TokenKind.AUTHORIZATION_CODE, ticket, client, now)
        record = StoredTicket(
            kind=TokenKind.AUTHORIZATION_CODE,
            digest=digest,
            ticket=at_rest(ticket),
            issued_at=now,
            expires_at=expires_at,
            binding=binding,
        )
        return Minted(TokenKind.AUTHORIZATION_CODE, value, seconds_until(expires_at, now), record)

    async def access_token(self, ticket: Ticket, client: Client, grant_type: str, now: datetime) -> Minted:
        """An access token in the client's format, for the scopes and resources of `ticket`."""
        expires_at = self._expiry(TokenKind.ACCESS_TOKEN, ticket, client, now)
        if client.access_token_format == "opaque":
            value, digest = self._handles.mint(TokenKind.ACCESS_TOKEN)
        else:
            key = await self._signing.key(self._settings.algorithms[0])
            value = sign_jwt(key, self._access_token_claims(ticket, now, expires_at), typ=ACCESS_TOKEN_TYPE)
            digest = self._handles.digest_of(JWT_LABEL, value)
        record = StoredTicket(
            kind=TokenKind.ACCESS_TOKEN,
            digest=digest,
            ticket=at_rest(ticket),
            issued_at=now,
            expires_at=expires_at,
            parent=ticket.redeems.digest if ticket.redeems is not None else None,
            origin_grant=grant_type,
        )
        return Minted(TokenKind.ACCESS_TOKEN, value, seconds_until(expires_at, now), record)

    async def refresh_token(self, ticket: Ticket, client: Client, grant_type: str, now: datetime) -> Minted:
        """A refresh token that keeps all of `ticket`; what a rotated one is followed by is fixed by its value."""
        rotation = ticket.carry.get(ROTATION)
        if isinstance(rotation, Rotation):
            value, digest = self._handles.successor(TokenKind.REFRESH_TOKEN, rotation.value)
            if rotation.successor is not None:
                # RFC 9700 §4.14.2: a retry gets the successor it missed, so that the family does not fork.
                if not hmac.compare_digest(digest, rotation.successor.digest):
                    raise InvalidGrant(
                        "The specified refresh token is invalid.", detail="refresh.grace_rekeyed"
                    )
                left = seconds_until(rotation.successor.expires_at, now)
                return Minted(TokenKind.REFRESH_TOKEN, value, left, None)
        else:
            value, digest = self._handles.mint(TokenKind.REFRESH_TOKEN)
        expires_at = self._expiry(TokenKind.REFRESH_TOKEN, ticket, client, now)
        record = StoredTicket(
            kind=TokenKind.REFRESH_TOKEN,
            digest=digest,
            ticket=at_rest(ticket),
            issued_at=now,
            expires_at=expires_at,
            parent=ticket.redeems.digest if ticket.redeems is not None else None,
            origin_grant=grant_type,
        )
        return Minted(TokenKind.REFRESH_TOKEN, value, seconds_until(expires_at, now), record)

    async def id_token(
        self, ticket: Ticket, client: Client, now: datetime, *, access_token: str | None, nonce: str | None
    ) -> Minted:
        """An ID token for the ticket's subject. Raises ValueError when it has none."""
        if ticket.subject is None:
            raise ValueError("an ID token needs a subject")
        algorithm = client.id_token_signed_response_alg or self._settings.algorithms[0]
        key = await self._signing.key(algorithm)
        expires_at = self._expiry(TokenKind.ID_TOKEN, ticket, client, now) or now + self._settings.lifetime(
            TokenKind.ID_TOKEN
        )
        claims = build_id_token(
            issuer=self._settings.issuer,
            subject=ticket.subject,
            client_id=ticket.client_id,
            issued_at=now,
            expires_at=expires_at,
            auth_time=ticket.auth_time,
            nonce=nonce,
            acr=ticket.acr,
            amr=ticket.amr,
            session_id=ticket.session_id,
            at_hash=half_hash(algorithm, access_token) if access_token is not None else None,
            claims=claims_for(TokenKind.ID_TOKEN, ticket),
        )
        value = sign_jwt(key, claims, typ=ID_TOKEN_TYPE)
        return Minted(TokenKind.ID_TOKEN, value, seconds_until(expires_at, now), None)

    def audience(self, ticket: Ticket) -> tuple[str, ...]:
        """Who an access token is for: the resources asked for or whose scopes were granted, else the issuer."""
        if ticket.resources:
            return ticket.resources
        scopes = frozenset(ticket.scopes)
        granted = tuple(uri for uri, offered in self._scopes_of.items() if offered & scopes)
        # RFC 9068 §3: a token without a resource names a default; ours is the issuer itself.
        return granted or (self._settings.issuer,)

    def _access_token_claims(
        self, ticket: Ticket, now: datetime, expires_at: datetime | None
    ) -> dict[str, Json]:
        """RFC 9068 §2.2."""
        audience = self.audience(ticket)
        issued_at = int(now.timestamp())
        claims: dict[str, Json] = {
            "iss": self._settings.issuer,
            # RFC 9068 §2.2: a client that acts for itself is its own subject.
            "sub": ticket.subject if ticket.subject is not None else ticket.client_id,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "client_id": ticket.client_id,
            "iat": issued_at,
            "jti": random_id(),
        }
        if expires_at is not None:
            claims["exp"] = int(expires_at.timestamp())
        if ticket.scopes:
            claims["scope"] = format_scope(ticket.scopes)
        if ticket.subject is not None:
            if ticket.auth_time is not None:
                claims["auth_time"] = int(ticket.auth_time.timestamp())
            if ticket.acr is not None:
                claims["acr"] = ticket.acr
            if ticket.amr:
                claims["amr"] = list(ticket.amr)
            if ticket.session_id is not None:
                claims["sid"] = ticket.session_id
        if ticket.confirmation is not None:
            claims["cnf"] = ticket.confirmation.claim()
        if ticket.act is not None:
            claims["act"] = dict(ticket.act)
        for name, value in claims_for(TokenKind.ACCESS_TOKEN, ticket).items():
            claims.setdefault(name, value)
        return claims

    def _expiry(self, kind: TokenKind, ticket: Ticket, client: Client, now: datetime) -> datetime | None:
        lifetime: timedelta | None
        if kind in ticket.lifetimes:
            lifetime = ticket.lifetimes[kind]
        else:
            lifetime = client.lifetimes.get(kind) or self._settings.lifetime(kind)
        if ticket.not_after is None:
            return None if lifetime is None else now + lifetime
        # Without sliding expiration nothing outlives the refresh token it came from.
        return ticket.not_after if lifetime is None else min(now + lifetime, ticket.not_after)


def claims_for(kind: TokenKind, ticket: Ticket) -> Mapping[str, Json]:
    """The ticket's claims that may enter a token of that kind: those whose destinations name it, and no protocol claim."""
    if not ticket.claims:
        return {}
    return {
        name: value
        for name, value in ticket.claims.items()
        if name not in PROTOCOL_CLAIMS and kind in ticket.destinations.get(name, ())
    }


def at_rest(ticket: Ticket) -> Ticket:
    """The ticket without what belongs to one request."""
    if ticket.redeems is None and ticket.rewrites is None and not ticket.carry and not ticket.response:
        return ticket
    return msgspec.structs.replace(ticket, redeems=None, rewrites=None, carry=NOTHING, response=NOTHING)


def seconds_until(expires_at: datetime | None, now: datetime) -> int | None:
    """Whole seconds, never more than are left."""
    return None if expires_at is None else max(0, int((expires_at - now).total_seconds()))
