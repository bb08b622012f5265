"""A provider as tests put one together: real rooms, a frozen clock, a store of choice, and codes without a browser."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.handles import Handles, random_id
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.protocol.pkce import challenge_of
from authwright.provider.audit import AuditEvent
from authwright.provider.clients import ClientRegistration
from authwright.provider.minting import Minting
from authwright.provider.settings import Resource
from authwright.provider.signing import Signing
from authwright.records import Client
from authwright.registrations import client, user
from authwright.standard import standard_provider
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import CodeBinding, Ticket, TokenKind

ISSUER = "https://op.example"
SECRET = "correct-horse-battery-staple-000"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CALLBACK = "https://app.example/auth/callback"
API = "https://api.example"

CLIENTS: tuple[ClientRegistration, ...] = (
    client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK, "https://app.example/other"],
        post_logout_redirect_uris=["https://app.example/"],
        scope="openid profile email offline_access read write",
        client_name="Web app",
    ),
    client("spa", redirect_uris=[CALLBACK], scope="openid profile offline_access read"),
    client("other", SECRET, redirect_uris=[CALLBACK], scope="openid profile offline_access read"),
    client(
        "machine",
        SECRET,
        grant_types=["client_credentials"],
        scope="read write openid offline_access",
        access_token_format="opaque",
    ),
    client(
        "poster",
        SECRET,
        token_endpoint_auth_method="client_secret_post",
        grant_types=["client_credentials"],
        scope="read",
    ),
    client(
        "gone",
        SECRET,
        enabled=False,
        redirect_uris=[CALLBACK],
        grant_types=["client_credentials"],
        scope="read",
    ),
    client("api", SECRET, grant_types=[], scope=""),
    client("lax", SECRET, redirect_uris=[CALLBACK], scope="openid read", require_pkce=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A running provider and what a test needs to look behind it."""

    provider: ServedProvider
    stores: Stores
    clock: FrozenClock
    minting: Minting
    clients: dict[str, Client]
    audit: list[AuditEvent] = field(default_factory=list)

    async def post(
        self,
        path: str,
        *,
        client_id: str | None = "web",
        secret: str = SECRET,
        query: str = "",
        **params: str | list[str],
    ) -> HttpResponse:
        """A form POST with client_secret_basic, or without authentication when `client_id` is None."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if client_id is not None:
            headers["authorization"] = basic_authorization(client_id, secret)
        pairs = [
            (name, value)
            for name, values in params.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        return await self.post_raw(path, encode(pairs).encode(), headers, query)

    async def post_raw(
        self, path: str, body: bytes, headers: dict[str, str], query: str = ""
    ) -> HttpResponse:
        url = ISSUER + path + (f"?{query}" if query else "")
        return await self.provider.handle(HttpRequest.to("POST", url, headers=headers, body=body))

    async def get(self, path: str, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.provider.handle(HttpRequest.to("GET", ISSUER + path, headers=named))

    async def code(
        self,
        client_id: str = "web",
        *,
        scopes: Sequence[str] = ("openid", "profile", "offline_access", "read"),
        challenge: str | None = challenge_of(VERIFIER),
        redirect_uri: str = CALLBACK,
        **members: Any,
    ) -> str:
        """A code for alice, made as the authorization endpoint makes one."""
        now = self.clock()
        ticket = Ticket(
            grant_id=random_id(),
            client_id=client_id,
            subject="u-alice",
            session_id="sid-1",
            scopes=tuple(scopes),
            presenters=frozenset((client_id,)),
            auth_time=now,
            acr="urn:authwright:acr:password",
            amr=("pwd",),
            nonce="n-1",
        )
        if members:
            ticket = msgspec.structs.replace(ticket, **members)
        minted = await self.minting.authorization_code(
            ticket,
            CodeBinding(redirect_uri=redirect_uri, code_challenge=challenge),
            self.clients[client_id],
            now,
        )
        assert minted.record is not None
        await self.stores.tickets.commit(id=random_id(), now=now, add=(minted.record,))
        return minted.value

    async def redeem(self, code: str, **changes: Any) -> HttpResponse:
        """Redeem a code as the app would, but for `changes`; a change to None leaves the parameter out."""
        params: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        return await self.post(
            "/token",
            **{name: value for name, value in params.items() if value is not None or name == "client_id"},
        )

    async def refresh(self, refresh_token: str, **changes: Any) -> HttpResponse:
        return await self.post("/token", grant_type="refresh_token", refresh_token=refresh_token, **changes)

    async def remove_user(self, subject: str = "u-alice") -> None:
        """Take a user away, and let the two seconds pass in which a worker may not have seen it yet."""
        await self.stores.accounts.remove(subject)
        self.clock.advance(2)

    async def is_active(self, token: str, client_id: str = "web") -> bool:
        answer = await self.post("/introspect", client_id=client_id, token=token)
        assert answer.status == 200
        return bool(answer.json()["active"])


async def install(stores: Stores, clock: FrozenClock, **options: Any) -> Installation:
    """A provider on `stores` with the clients above and alice."""
    keys = RootKeys([bytes(range(32))])
    audit: list[AuditEvent] = []
    registrations = options.pop("clients", CLIENTS)
    # An RSA key takes long to make, so only the tests that are about one ask for it.
    options.setdefault("algorithms", ("ES256",))
    provider = standard_provider(
        issuer=ISSUER,
        stores=stores,
        keys=keys,
        clients=registrations,
        users=[user("alice", "alice-secret", sub="u-alice", name="Alice Example", email="alice@example.com")],
        resources=options.pop(
            "resources", [Resource(uri=API, scopes=("read", "write"), introspected_by=frozenset({"api"}))]
        ),
        audit=audit.append,
        clock=clock,
        **options,
    )
    await provider.open()
    handles = Handles(keys.derive("handles"))
    signing = Signing(stores.keys, Seal(keys, "signing-key"), algorithms=("ES256",), clock=clock)
    return Installation(
        provider=provider,
        stores=stores,
        clock=clock,
        minting=Minting(settings=provider.settings, handles=handles, signing=signing),
        clients={item.client.client_id: item.client for item in registrations},
        audit=audit,
    )


def kind_of(token: str) -> TokenKind | None:
    """What an opaque value says it is."""
    return {"at": TokenKind.ACCESS_TOKEN, "rt": TokenKind.REFRESH_TOKEN}.get(token.split("_")[0])
