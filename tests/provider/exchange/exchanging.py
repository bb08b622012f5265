"""A provider whose clients exchange tokens, and services of choice that decide about scopes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
import msgspec

from authwright.crypto.handles import random_id
from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.provider.audit import TokenRefused
from authwright.provider.clients import ClientRegistration
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import Decision, Granted, Unknown
from authwright.provider.settings import Resource, TrustedIssuer
from authwright.records import Client, Session
from authwright.registrations import client
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.client_authentication.assertions import OTHER_EC_KEY, Remote, assertion, ec_jwk
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, Installation, install

BASE = "https://apis.example/auth/"
ORDERS = "https://orders.example"
IDP = "https://idp.example"
IDP_JWKS = "https://idp.example/jwks"
ALL_TYPES = (ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN, JWT)
EXCHANGES = ["authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE]
SCOPE = "openid profile offline_access read write"

CLIENTS = (
    # Signs users in, and exchanges its own tokens.
    client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope=SCOPE,
        grant_types=EXCHANGES,
        allowed_subject_token_types=ALL_TYPES,
        allowed_consent_services=("photos", "mail", "drive"),
    ),
    # A resource server: it is named for the API's resource, and goes on to the orders' one.
    client(
        "api",
        SECRET,
        scope="openid read write order",
        grant_types=["client_credentials", TOKEN_EXCHANGE],
        exchange_to=(ORDERS,),
        access_token_format="opaque",
    ),
    # May exchange what was issued to web.
    client(
        "gateway",
        SECRET,
        scope="openid read",
        grant_types=[TOKEN_EXCHANGE, "client_credentials"],
        exchange_from=("web",),
    ),
    client("other", SECRET, redirect_uris=[CALLBACK], scope=SCOPE, grant_types=EXCHANGES),
    client("plain", SECRET, redirect_uris=[CALLBACK], scope=SCOPE),
    client("spa", redirect_uris=[CALLBACK], scope=SCOPE, grant_types=EXCHANGES),
    client(
        "opaque",
        SECRET,
        redirect_uris=[CALLBACK],
        scope=SCOPE,
        grant_types=EXCHANGES,
        access_token_format="opaque",
    ),
    client(
        "certified",
        SECRET,
        redirect_uris=[CALLBACK],
        scope=SCOPE,
        grant_types=EXCHANGES,
        tls_client_certificate_bound_access_tokens=True,
    ),
)
RESOURCES = (
    Resource(uri=API, scopes=("read", "write"), introspected_by=frozenset({"api"})),
    Resource(uri=ORDERS, scopes=("order",), introspected_by=frozenset({"api"})),
)


@dataclass(slots=True)
class Services:
    """Services that answer as they are told, and remember what they were asked."""

    answers: dict[str, Decision] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, tuple[str, ...]]]] = field(default_factory=list)

    async def authorize(
        self, request: AuthenticatedTokenRequest[Any], subject: str, services: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        self.asked.append((subject, services))
        return {name: self.answers.get(name, Unknown()) for name in services}

    def grant(self, service: str, *permissions: str, **members: Any) -> None:
        scopes = tuple(scope_of(service, permission) for permission in permissions or ("",))
        self.answers[service] = Granted(scopes=scopes, **members)


def allowing(*types: str) -> list[ClientRegistration]:
    """The clients above, with nothing but these types to exchange."""
    return [
        ClientRegistration(
            client=msgspec.structs.replace(item.client, allowed_subject_token_types=types),
            secrets=item.secrets,
        )
        for item in CLIENTS
    ]


def scope_of(service: str, permission: str = "") -> str:
    return BASE + service + (f".{permission}" if permission else "")


def trusted() -> tuple[Remote, TrustedIssuer]:
    """An identity provider, with its keys where they are fetched."""
    remote = Remote()
    remote.publish({"keys": [ec_jwk(OTHER_EC_KEY, "idp-1")]}, IDP_JWKS)
    return remote, TrustedIssuer(issuer=IDP, jwks_uri=IDP_JWKS)


async def exchanging(
    stores: Stores, clock: FrozenClock, services: Services | None = None, **options: Any
) -> Installation:
    """A provider with the clients above; `policy` holds members of ExchangePolicy."""
    remote, issuer = trusted()
    policy = options.pop("policy", {})
    options.setdefault("clients", CLIENTS)
    options.setdefault("resources", RESOURCES)
    return await install(
        stores,
        clock,
        fetch=options.pop("fetch", remote.fetch),
        trusted_issuers=[issuer],
        token_exchange=ExchangePolicy(**{"base_scope": BASE, **policy}),
        scope_authority=services,
        **options,
    )


async def tokens_of(op: Installation, client_id: str = "web", **members: Any) -> dict[str, Any]:
    """What alice's sign-in gave the client."""
    answer = await op.redeem(await op.code(client_id, **members), client_id=client_id)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def access_token(op: Installation, client_id: str = "web", **members: Any) -> str:
    return str((await tokens_of(op, client_id, **members))["access_token"])


async def minted_for(op: Installation, ticket: Ticket, client: Client) -> str:
    """An access token for a ticket of choice, stored as if it had been issued."""
    minted = await op.minting.access_token(ticket, client, "authorization_code", op.clock())
    assert minted.record is not None
    await op.stores.tickets.commit(id=random_id(), now=op.clock(), add=(minted.record,))
    return minted.value


async def own_token(op: Installation, client_id: str, scope: str = "read") -> str:
    """An access token that the client got for itself."""
    answer = await op.post("/token", client_id=client_id, grant_type="client_credentials", scope=scope)
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


async def exchange(
    op: Installation, token: str | None, client_id: str | None = "web", /, **params: Any
) -> HttpResponse:
    """Exchange a token; a change to None leaves the parameter out."""
    members: dict[str, Any] = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        **params,
    }
    sent = {name: value for name, value in members.items() if value is not None}
    return await op.post("/token", client_id=client_id, **sent)


async def exchange_with(
    op: Installation,
    params: Mapping[str, str],
    headers: Mapping[str, str],
    client_id: str = "web",
    certificate: bytes | None = None,
) -> HttpResponse:
    """Exchange with a proof or a certificate."""
    request = HttpRequest.to(
        "POST",
        ISSUER + "/token",
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "authorization": basic_authorization(client_id, SECRET),
            **headers,
        },
        body=encode(
            {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN, **params}.items()
        ).encode(),
    )
    return await op.provider.handle(msgspec.structs.replace(request, client_certificate=certificate))


def refusal(op: Installation, answer: HttpResponse) -> tuple[int, str, str]:
    """Status, error code, and the reason in the log."""
    reasons = [event.reason for event in op.audit if isinstance(event, TokenRefused)]
    assert not any(shown in answer.body for shown in (b"eyJ", b"at_", b"rt_"))
    return answer.status, answer.json().get("error", ""), reasons[-1] if reasons else ""


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def introspected(op: Installation, token: str, client_id: str = "web") -> dict[str, Any]:
    members: dict[str, Any] = (await op.post("/introspect", client_id=client_id, token=token)).json()
    return members


async def sign_in(
    op: Installation, session_id: str = "sid-1", *, lasts: timedelta = timedelta(days=365)
) -> None:
    """The session that alice's codes are of."""
    now = op.clock()
    session = Session(
        digest="0" * 64,
        session_id=session_id,
        subject="u-alice",
        auth_time=now,
        created_at=now,
        expires_at=now + lasts,
    )
    assert await op.stores.sessions.replace(None, session)


def statement(op: Installation, *, key: Any = OTHER_EC_KEY, **changes: Any) -> str:
    """What the identity provider says of alice."""
    changes.setdefault("headers", {"kid": "idp-1"})
    return assertion(op, IDP, key=key, **{"sub": "u-alice", **changes})


def with_may_act(may_act: Any) -> dict[str, Any]:
    """Members of a code whose tokens say who may act."""
    return {"claims": {"may_act": may_act}, "destinations": {"may_act": frozenset({TokenKind.ACCESS_TOKEN})}}
