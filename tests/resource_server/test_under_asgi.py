"""Bound tokens at an API that is an ASGI application: where the URL and the certificate come from."""

import base64
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from authwright.crypto.seal import RootKeys
from authwright.protocol.http import Headers, HttpResponse
from authwright.resource_server.access_token import AccessToken
from authwright.standard_rs import ResourceServer
from tests.asgi.asgi_peer import Exchange, http_scope
from tests.provider.sender_constrained.peers import Prover, certificate, thumbprint_of
from tests.relying_party.hostile_provider import ISSUER, Clock, HostileProvider
from tests.resource_server.test_bearer_guard import API, mint


@pytest.fixture
def provider() -> HostileProvider:
    return HostileProvider(Clock())


async def call(guard: ResourceServer, *headers: tuple[str, str], peer: str = "203.0.113.9") -> HttpResponse:
    app = FastAPI()

    @app.get("/orders")
    async def orders(token: Annotated[AccessToken, Depends(guard.token)]) -> dict[str, str | None]:
        return {"sub": token.sub}

    fields = [(name.encode(), value.encode()) for name, value in headers]
    scope = http_scope("GET", "/orders", headers=fields, client=(peer, 5000))
    sent = (await Exchange().run(guard.wrap(app), scope)).sent
    return HttpResponse(sent[0]["status"], Headers(sent[0]["headers"]), sent[1]["body"])


def guard_of(provider: HostileProvider, **more: Any) -> ResourceServer:
    return ResourceServer(ISSUER, API, fetch=provider, clock=provider.clock, **more)


async def test_base_url_turns_dpop_on(provider: HostileProvider) -> None:
    """The proof's URL is the public one, whatever the server is called inside."""
    prover = Prover(provider.clock)
    token = mint(provider, cnf={"jkt": prover.jkt})

    def headers(url: str) -> tuple[tuple[str, str], ...]:
        return ("authorization", f"DPoP {token}"), ("dpop", prover.proof("GET", url, access_token=token))

    guard = guard_of(provider, base_url=f"{API}/")
    assert (await call(guard, *headers(f"{API}/orders"))).json() == {"sub": "u-alice"}
    inside = await call(guard, *headers("http://127.0.0.1:9000/orders"))
    assert (inside.status, inside.json()["error"]) == (401, "invalid_dpop_proof")
    without = await call(guard_of(provider), *headers(f"{API}/orders"))
    assert (without.status, without.json()["error"]) == (401, "invalid_token")


async def test_nonces_come_with_the_refusal(provider: HostileProvider) -> None:
    """RFC 9449 §9, with the keys all processes share."""
    prover = Prover(provider.clock)
    token = mint(provider, cnf={"jkt": prover.jkt})
    guard = guard_of(provider, base_url=API, dpop_required=True, dpop_nonce_keys=RootKeys([b"k" * 32]))
    bearer = ("authorization", f"DPoP {token}")
    answer = await call(guard, bearer, ("dpop", prover.proof("GET", f"{API}/orders", access_token=token)))
    nonce = answer.headers.get("dpop-nonce")
    assert (answer.status, answer.json()["error"]) == (401, "use_dpop_nonce")
    proof = prover.proof("GET", f"{API}/orders", access_token=token, nonce=nonce)
    assert (await call(guard, bearer, ("dpop", proof))).status == 200


async def test_sec_D7_a_certificate_counts_from_a_trusted_proxy_only(provider: HostileProvider) -> None:
    """D7: a certificate header that a client sends itself is not read."""
    shown = certificate(provider.clock)
    token = mint(provider, cnf={"x5t#S256": thumbprint_of(shown)})
    headers = (
        ("authorization", f"Bearer {token}"),
        ("client-cert", f":{base64.b64encode(shown).decode()}:"),
    )
    guard = guard_of(provider, trusted_proxies=["10.0.0.0/8"])
    assert (await call(guard, *headers, peer="10.1.2.3")).status == 200
    assert (await call(guard, *headers)).status == 401
    assert (await call(guard_of(provider), *headers, peer="10.1.2.3")).status == 401


def test_required_proofs_need_a_url(provider: HostileProvider) -> None:
    """Else every request would be refused."""
    with pytest.raises(ValueError, match="base_url"):
        guard_of(provider, dpop_required=True)
