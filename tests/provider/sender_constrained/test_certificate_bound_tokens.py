"""Tokens bound to a client certificate (RFC 8705 §3, §4), row D7 of the attack table."""

import base64
from typing import Any

import jwt
import pytest

from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation, install
from tests.provider.sender_constrained.bound_clients import (
    BOUND_CLIENTS,
    CERTIFIED_PROXY,
    TOKEN,
    ask,
    error_of,
    redeem,
    refresh,
    userinfo,
)
from tests.provider.sender_constrained.peers import Prover, certificate, thumbprint_of


@pytest.fixture
def shown(clock: FrozenClock) -> bytes:
    return certificate(clock)


async def tokens_of(op: Installation, shown: bytes, client_id: str = "certified") -> dict[str, Any]:
    answer = await redeem(op, await op.code(client_id), client_id=client_id, certificate=shown)
    assert answer.status == 200, answer.body
    members: dict[str, Any] = answer.json()
    return members


async def test_a_certificate_binds_the_token(op: Installation, shown: bytes) -> None:
    """RFC 8705 §3.1, §3.2: token_type Bearer; cnf has the thumbprint, in the JWT and in introspection."""
    tokens = await tokens_of(op, shown)
    assert tokens["token_type"] == "Bearer"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": thumbprint_of(shown)}
    about = (await op.post("/introspect", client_id="certified", token=tokens["access_token"])).json()
    assert (about["cnf"], about["token_type"]) == (claims["cnf"], "Bearer")


async def test_other_clients_certificates_bind_nothing(op: Installation, shown: bytes) -> None:
    """RFC 8705 §3.4: only a client that is registered for it; others may come through the same proxy."""
    answer = await ask(op, certificate=shown)
    about = (await op.post("/introspect", client_id="machine", token=answer.json()["access_token"])).json()
    assert "cnf" not in about


@pytest.mark.parametrize("fault", ["missing", "expired", "not a certificate", "not valid yet"])
async def test_sec_D7_no_good_certificate_is_no_token(
    op: Installation, clock: FrozenClock, fault: str
) -> None:
    """D7 at the token endpoint: certificate missing or expired: 400; nothing is issued unbound."""
    sent = {
        "missing": None,
        "expired": certificate(clock, days=-1),
        "not a certificate": b"0\x03\x02\x01\x01",
        "not valid yet": certificate(FrozenClock(clock().replace(year=2030))),
    }[fault]
    answer = await ask(op, client_id="certified", certificate=sent)
    assert error_of(answer) == (400, "invalid_request")


async def test_sec_D7_a_token_is_used_with_its_certificate_only(
    op: Installation, clock: FrozenClock, shown: bytes
) -> None:
    """D7: another, an expired or no certificate on the same token: 401 invalid_token."""
    token = (await tokens_of(op, shown))["access_token"]
    assert (await userinfo(op, token, scheme="Bearer", certificate=shown)).status == 200
    other = certificate(clock)
    for wrong in (None, other, b"", b"not a certificate"):
        answer = await userinfo(op, token, scheme="Bearer", certificate=wrong)
        assert error_of(answer) == (401, "invalid_token")


async def test_sec_D7_an_expired_certificate_is_of_no_use(op: Installation, clock: FrozenClock) -> None:
    """D7: the token outlives its certificate: 401 invalid_token from then on."""
    shown = certificate(clock, days=1)
    clock.advance(86_400 - 60)
    token = (await tokens_of(op, shown))["access_token"]
    clock.advance(61)
    answer = await userinfo(op, token, scheme="Bearer", certificate=shown)
    assert error_of(answer) == (401, "invalid_token")


async def test_sec_D7_a_public_client_s_refresh_token_needs_its_certificate(
    op: Installation, clock: FrozenClock, shown: bytes
) -> None:
    """RFC 8705 §4: a public client's refresh token is bound to the certificate; a confidential client may renew its own."""
    first = await tokens_of(op, shown, "app")
    other = certificate(clock)
    stolen = await refresh(op, first["refresh_token"], client_id="app", certificate=other)
    assert error_of(stolen) == (400, "invalid_grant")
    assert (await refresh(op, first["refresh_token"], client_id="app", certificate=shown)).status == 200
    first = await tokens_of(op, shown)
    renewed = await refresh(op, first["refresh_token"], client_id="certified", certificate=other)
    claims = jwt.decode(renewed.json()["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": thumbprint_of(other)}


async def test_the_two_ways_do_not_mix(op: Installation, prover: Prover, shown: bytes) -> None:
    """A client bound to certificates cannot prove a DPoP key instead, nor use its token with the DPoP scheme."""
    answer = await ask(op, prover.proof("POST", TOKEN), client_id="certified", certificate=shown)
    assert error_of(answer) == (400, "invalid_request")
    token = (await tokens_of(op, shown))["access_token"]
    assert error_of(await userinfo(op, token, certificate=shown)) == (401, "invalid_token")


async def test_sec_D7_a_certificate_header_counts_from_a_trusted_proxy_only(clock: FrozenClock) -> None:
    """D7: certificate header sent by a client itself: as if it were not there; from the proxy it binds."""
    op = await install(memory_stores(clock), clock, clients=BOUND_CLIENTS, trusted_proxies=[CERTIFIED_PROXY])
    der = certificate(clock)
    for peer, status in (("203.0.113.9", 400), (CERTIFIED_PROXY, 200)):
        assert (await _over_asgi(op, peer, der))[0] == status


async def _over_asgi(op: Installation, peer: str, der: bytes) -> tuple[int, bytes]:
    from authwright.protocol.client_credentials import basic_authorization
    from tests.provider.installation import SECRET

    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/token",
        "raw_path": b"/token",
        "query_string": b"",
        "client": (peer, 5000),
        "headers": [
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"authorization", basic_authorization("certified", SECRET).encode()),
            (b"client-cert", b":" + base64.b64encode(der) + b":"),
        ],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"grant_type=client_credentials", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await op.provider(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]
