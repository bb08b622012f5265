"""Minting: from a ticket to the values that stand for it. Signs and draws random values; writes nothing.

An opaque value is random; its record is found by a keyed digest. A JWT access token (RFC 9068) is recorded too, by the
digest of its whole text, so that introspection and revocation see it.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from authwright.crypto.handles import STAMP_SIZE, Handles, random_id
from authwright.crypto.jwt import half_hash, sign_jwt
from authwright.protocol.errors import InvalidGrant, ServerError
from authwright.protocol.http import Json
from authwright.protocol.id_token import PROTOCOL_CLAIMS, build_id_token
from authwright.protocol.params import MAX_VALUE
from authwright.protocol.scopes import format_scope
from authwright.protocol.token import CLIENT_SUBJECT, SUBJECT_TYPE
from authwright.provider.events import ProviderEvents
from authwright.provider.serialization import Serialization
from authwright.provider.settings import Resource, Settings
from authwright.provider.signing import Signing
from authwright.provider.stored_tickets import JWT_LABEL, own_label
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

    def __init__(
        self,
        *,
        settings: Settings,
        handles: Handles,
        signing: Signing,
        events: ProviderEvents | None = None,
    ) -> None:
        self._settings = settings
        self._handles = handles
        self._signing = signing
        self._events = events
        self._scopes_of = {resource.uri: frozenset(resource.scopes) for resource in settings.resources}
        # Resources with a say in what an access token for them is like.
        self._particular = {
            resource.uri: resource
            for resource in settings.resources
            if resource.access_token_lifetime is not None or resource.access_token_format
        }

    async def authorization_code(
        self, ticket: Ticket, binding: CodeBinding, client: Client, now: datetime
    ) -> Minted:
        """A code for the authorization response (RFC 6749 §4.1.2)."""
        making = await self._serialized(
            "serialize_authorization_code",
            Serialization(
                kind=TokenKind.AUTHORIZATION_CODE,
                ticket=ticket,
                client=client,
                now=now,
                expires_at=self._expiry(TokenKind.AUTHORIZATION_CODE, ticket, client, now),
                binding=binding,
            ),
        )
        if making.value is not None:
            return self._own(making, "")
        value, digest = self._handles.mint(TokenKind.AUTHORIZATION_CODE)
        return _minted(making, value, digest, "")

    async def access_token(self, ticket: Ticket, client: Client, grant_type: str, now: datetime) -> Minted:
        """An access token in the format of its client or its resources, for the scopes and resources of `ticket`.

        One that would be too long a JWT is opaque.
        """
        making = await self._serialized(
            "serialize_access_token",
            Serialization(
                kind=TokenKind.ACCESS_TOKEN,
                ticket=ticket,
                client=client,
                now=now,
                expires_at=self._expiry(TokenKind.ACCESS_TOKEN, ticket, client, now),
                format=self._format(ticket, client),
                algorithm=self._settings.algorithms[0],
            ),
        )
        if making.value is not None:
            return self._own(making, grant_type)
        if making.format != "opaque":
            key = await self._signing.key(making.algorithm)
            stamp = self._handles.stamp()
            claims = self._access_token_claims(making.ticket, now, making.expires_at, stamp + random_id())
            value = sign_jwt(key, claims, typ=ACCESS_TOKEN_TYPE)
            # RFC 7009 §2.1: one that no form can carry could never be revoked. Its record says the same.
            if len(value) <= MAX_VALUE:
                digest = stamp + self._handles.digest_of(JWT_LABEL, value)
                return _minted(making, value, digest, grant_type)
        value, digest = self._handles.mint(TokenKind.ACCESS_TOKEN)
        return _minted(making, value, digest, grant_type)

    async def refresh_token(self, ticket: Ticket, client: Client, grant_type: str, now: datetime) -> Minted:
        """A refresh token that keeps all of `ticket`; what a rotated one is followed by is fixed by its value."""
        ticket = self._with_last_moment(ticket, client, now)
        making = await self._serialized(
            "serialize_refresh_token",
            Serialization(
                kind=TokenKind.REFRESH_TOKEN,
                ticket=ticket,
                client=client,
                now=now,
                expires_at=self._expiry(TokenKind.REFRESH_TOKEN, ticket, client, now),
            ),
        )
        rotation = ticket.carry.get(ROTATION)
        successor = rotation.successor if isinstance(rotation, Rotation) else None
        if making.value is None and isinstance(rotation, Rotation):
            stamp = successor.digest[:STAMP_SIZE] if successor is not None else None
            value, digest = self._handles.successor(TokenKind.REFRESH_TOKEN, rotation.value, stamp)
        elif making.value is None:
            value, digest = self._handles.mint(TokenKind.REFRESH_TOKEN)
        else:
            value, digest = making.value, self._handles.digest_of(own_label(making.kind), making.value)
        if successor is not None:
            # RFC 9700 §4.14.2: a retry gets the successor it missed, so that the family does not fork.
            if not hmac.compare_digest(digest, successor.digest):
                raise InvalidGrant("The specified refresh token is invalid.", detail="refresh.grace_rekeyed")
            left = seconds_until(successor.expires_at, now)
            return Minted(TokenKind.REFRESH_TOKEN, value, left, None)
        if making.value is not None:
            return self._own(making, grant_type)
        return _minted(making, value, digest, grant_type)

    async def id_token(
        self, ticket: Ticket, client: Client, now: datetime, *, access_token: str | None, nonce: str | None
    ) -> Minted:
        """An ID token for the ticket's subject. Raises ValueError when it has none."""
        if ticket.subject is None:
            raise ValueError("an ID token needs a subject")
        expires_at = self._expiry(TokenKind.ID_TOKEN, ticket, client, now)
        making = await self._serialized(
            "serialize_identity_token",
            Serialization(
                kind=TokenKind.ID_TOKEN,
                ticket=ticket,
                client=client,
                now=now,
                expires_at=expires_at or now + self._settings.lifetime(TokenKind.ID_TOKEN),
                format="jwt",
                algorithm=client.id_token_signed_response_alg or self._settings.algorithms[0],
            ),
        )
        ticket, expires_at = making.ticket, making.expires_at
        if making.value is not None:
            return Minted(TokenKind.ID_TOKEN, making.value, seconds_until(expires_at, now), None)
        if ticket.subject is None or expires_at is None:
            raise ServerError(detail="event.id_token: an ID token needs a subject and an expiry")
        key = await self._signing.key(making.algorithm)
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
            at_hash=half_hash(making.algorithm, access_token) if access_token is not None else None,
            claims=claims_for(TokenKind.ID_TOKEN, ticket),
        )
        value = sign_jwt(key, claims, typ=ID_TOKEN_TYPE)
        return Minted(TokenKind.ID_TOKEN, value, seconds_until(expires_at, now), None)

    def id_token_hash(self, client: Client, value: str) -> str:
        """The half hash of `value` as an ID token for `client` has it."""
        return half_hash(client.id_token_signed_response_alg or self._settings.algorithms[0], value)

    def audience(self, ticket: Ticket) -> tuple[str, ...]:
        """Who an access token is for: the resources asked for or whose scopes were granted, else the issuer."""
        if ticket.resources:
            return ticket.resources
        scopes = frozenset(ticket.scopes)
        granted = tuple(uri for uri, offered in self._scopes_of.items() if offered & scopes)
        # RFC 9068 §3: a token without a resource names a default; ours is the issuer itself.
        return granted or (self._settings.issuer,)

    def _access_token_claims(
        self, ticket: Ticket, now: datetime, expires_at: datetime | None, jti: str
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
            "jti": jti,
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
        else:
            # RFC 9700 §4.15: whoever reads `sub` alone must be able to tell a client from a user.
            claims[SUBJECT_TYPE] = CLIENT_SUBJECT
        if ticket.confirmation is not None:
            claims["cnf"] = ticket.confirmation.claim()
        if ticket.act is not None:
            claims["act"] = dict(ticket.act)
        for name, value in claims_for(TokenKind.ACCESS_TOKEN, ticket).items():
            claims.setdefault(name, value)
        return claims

    async def _serialized(self, event: str, making: Serialization) -> Serialization:
        """`making`, as the event of its kind leaves it. Raises AnsweredByEvent."""
        if self._events is None or event not in self._events.wanted:
            return making
        return await self._events.ask(event, ServerError, making) or making

    def _own(self, making: Serialization, grant_type: str) -> Minted:
        """What the application made itself: recorded under its whole text, unless it keeps its own counsel."""
        value = making.value or ""
        if not value or not making.recorded:
            return Minted(making.kind, value, seconds_until(making.expires_at, making.now), None)
        return _minted(making, value, self._handles.digest_of(own_label(making.kind), value), grant_type)

    def _format(self, ticket: Ticket, client: Client) -> str:
        """What the resources can read decides; what one of them cannot, it introspects."""
        formats = {resource.access_token_format for resource in self._particular_resources(ticket)} - {""}
        if not formats:
            return client.access_token_format
        return "opaque" if "opaque" in formats else "jwt"

    def _particular_resources(self, ticket: Ticket) -> tuple[Resource, ...]:
        if not self._particular:
            return ()
        return tuple(self._particular[uri] for uri in self.audience(ticket) if uri in self._particular)

    def _with_last_moment(self, ticket: Ticket, client: Client, now: datetime) -> Ticket:
        """The ticket of a family's first refresh token with the end of the family, where there is one."""
        longest = client.refresh_absolute_lifetime or self._settings.refresh_absolute_lifetime
        redeems = ticket.redeems
        if longest is None or (redeems is not None and redeems.kind is TokenKind.REFRESH_TOKEN):
            return ticket
        end = now + longest
        not_after = end if ticket.not_after is None else min(end, ticket.not_after)
        return msgspec.structs.replace(ticket, not_after=not_after)

    def _expiry(self, kind: TokenKind, ticket: Ticket, client: Client, now: datetime) -> datetime | None:
        lifetime = self.lifetime(kind, ticket, client)
        if ticket.not_after is None:
            return None if lifetime is None else now + lifetime
        # Without sliding expiration nothing outlives the refresh token it came from.
        return ticket.not_after if lifetime is None else min(now + lifetime, ticket.not_after)

    def lifetime(self, kind: TokenKind, ticket: Ticket, client: Client) -> timedelta | None:
        """The ticket's own, else the shorter of the client's and its resources', else the issuer's; None = for ever."""
        if kind in ticket.lifetimes:
            return ticket.lifetimes[kind]
        lifetime = client.lifetimes.get(kind)
        if kind is TokenKind.ACCESS_TOKEN and self._particular:
            wishes = [resource.access_token_lifetime for resource in self._particular_resources(ticket)]
            chosen = [wish for wish in (lifetime, *wishes) if wish]
            lifetime = min(chosen) if chosen else None
        return lifetime or self._settings.lifetime(kind)


def _minted(making: Serialization, value: str, digest: str, grant_type: str) -> Minted:
    """A value with its record."""
    redeems = making.ticket.redeems
    record = StoredTicket(
        kind=making.kind,
        digest=digest,
        ticket=at_rest(making.ticket),
        issued_at=making.now,
        expires_at=making.expires_at,
        parent=redeems.digest if redeems is not None else None,
        # A refresh changes nothing about how the grant began.
        origin_grant=redeems.origin_grant or grant_type if redeems is not None else grant_type,
        binding=making.binding,
    )
    return Minted(making.kind, value, seconds_until(making.expires_at, making.now), record)


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
    if (
        ticket.redeems is None
        and ticket.rewrites is None
        and ticket.single_use is None
        and not ticket.carry
        and not ticket.response
    ):
        return ticket
    return msgspec.structs.replace(
        ticket,
        redeems=None,
        rewrites=None,
        rewrites_beside=(),
        single_use=None,
        carry=NOTHING,
        response=NOTHING,
    )


def seconds_until(expires_at: datetime | None, now: datetime) -> int | None:
    """Whole seconds, never more than are left."""
    return None if expires_at is None else max(0, int((expires_at - now).total_seconds()))
