"""A provider whose clients have exchanged tokens decided again."""

from typing import Any

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE, TOKEN_EXCHANGE_MUTATE
from authwright.protocol.http import HttpResponse
from authwright.provider.audit import TokenMutated
from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.stores.sealed_tickets import TICKET_SEAL, SealedTickets
from authwright.testing.clock import FrozenClock
from authwright.ticket import StoredTicket, TokenKind
from tests.provider.exchange.exchanging import SCOPE, Services, exchange, exchanging, scope_of, tokens_of
from tests.provider.installation import CALLBACK, SECRET, Installation

MUTATE = TOKEN_EXCHANGE_MUTATE
PHOTOS, READ, ADMIN = scope_of("photos"), scope_of("photos", "readonly"), scope_of("photos", "admin")
MAIL, SEND, DRIVE = scope_of("mail"), scope_of("mail", "send"), scope_of("drive")
GRANTS = ["authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, MUTATE]
_CODE: dict[str, Any] = {"redirect_uris": [CALLBACK], "scope": SCOPE}
_SHOP: dict[str, Any] = {**_CODE, "allowed_consent_services": ("photos", "mail", "drive")}
OPAQUE: dict[str, Any] = {"access_token_format": "opaque"}

CLIENTS = (
    client("shop", SECRET, grant_types=GRANTS, **_SHOP, **OPAQUE),
    # Its access tokens are JWTs.
    client("written", SECRET, grant_types=GRANTS, **_SHOP),
    # Its refresh tokens stay.
    client("steady", SECRET, grant_types=GRANTS, refresh_rotation=False, **_SHOP, **OPAQUE),
    client("patient", SECRET, grant_types=GRANTS, refresh_grace=10, **_SHOP, **OPAQUE),
    client("other", SECRET, grant_types=GRANTS, **_SHOP, **OPAQUE),
    # Works for the shop, but has nothing to do with drives.
    client(
        "agent",
        SECRET,
        grant_types=[MUTATE],
        scope="",
        mutate_for=("shop", "gone"),
        allowed_consent_services=("photos", "mail", "payroll"),
    ),
    # May not bring access tokens at all.
    client("barred", SECRET, grant_types=GRANTS, allowed_subject_token_types=(), **_SHOP, **OPAQUE),
    client("plain", SECRET, grant_types=GRANTS[:-1], **_SHOP, **OPAQUE),
    client("spa", grant_types=GRANTS, **_SHOP, **OPAQUE),
)


async def mutating(
    stores: Stores, clock: FrozenClock, services: Services | None = None, **options: Any
) -> Installation:
    """A provider with the clients above and the grant switched on; `policy` holds members of ExchangePolicy."""
    policy = {"mutate_grant_types": (MUTATE,), **options.pop("policy", {})}
    options.setdefault("clients", CLIENTS)
    return await exchanging(stores, clock, services, policy=policy, **options)


async def exchanged(
    op: Installation, scope: str | None = f"read {PHOTOS}", client_id: str = "shop", **params: Any
) -> dict[str, Any]:
    """What the client got for alice's token, as the token endpoint answered it."""
    token = (await tokens_of(op, client_id, scopes=SCOPE.split()))["access_token"]
    answer = await exchange(op, token, client_id, scope=scope, **params)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def mutate(
    op: Installation, token: str | None, scope: str | None = None, client_id: str = "shop", **params: Any
) -> HttpResponse:
    """Have the token decided again; what is None is left out."""
    members = {
        "grant_type": MUTATE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "scope": scope,
        **params,
    }
    sent = {name: value for name, value in members.items() if value is not None}
    return await op.post("/token", client_id=client_id, **sent)


async def record_of(op: Installation, kind: TokenKind, value: str) -> StoredTicket:
    """The stored ticket of a value, as the provider reads it."""
    keys = RootKeys([bytes(range(32))])
    digest = Handles(keys.derive("handles")).digests(kind, value)[0]
    found = await SealedTickets(op.stores.tickets, Seal(keys, TICKET_SEAL)).get(kind, digest)
    assert found is not None
    return found


def changes(op: Installation) -> list[TokenMutated]:
    return [event for event in op.audit if isinstance(event, TokenMutated)]
