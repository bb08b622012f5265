"""Exactly the registered method: every way to authenticate against every way to be registered; and two live secrets."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.provider.clients import SECRET_SEAL
from authwright.records import Client
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.client_authentication.assertions import (
    ASSERTION_TYPE,
    FORM,
    JWKS,
    MACHINE,
    ask,
    assertion,
)
from tests.provider.client_authentication.certificates import certificate, jwks_with
from tests.provider.installation import ISSUER, SECRET, Installation, install

METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
)
NEW_SECRET = "the-next-secret-of-this-client-0001"


async def everyone(clock: FrozenClock, shown: bytes) -> Installation:
    """A client for each method, named like it, with everything that any of the methods would need."""
    keys = {"keys": [*JWKS["keys"], *jwks_with(shown)["keys"]]}
    return await install(
        memory_stores(clock),
        clock,
        clients=[
            client(
                method,
                SECRET,
                token_endpoint_auth_method=method,
                jwks=keys,
                tls_client_auth_subject_dn="CN=client,O=Example\\, Inc.,C=GB",
                **MACHINE,
            )
            for method in METHODS
        ],
        trusted_proxies=["10.0.0.1"],
    )


async def authenticate(op: Installation, client_id: str, used: str, shown: bytes) -> HttpResponse:
    """A request of that client, authenticated in that way, each time rightly."""
    headers, certificate_shown = dict(FORM), None
    params = {"grant_type": "client_credentials"}
    if used == "client_secret_basic":
        headers["authorization"] = basic_authorization(client_id, SECRET)
    elif used == "client_secret_post":
        params |= {"client_id": client_id, "client_secret": SECRET}
    elif used.endswith("_jwt"):
        how: dict[str, Any] = {"key": SECRET, "alg": "HS256"} if used == "client_secret_jwt" else {}
        params |= {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(op, client_id, **how),
        }
    else:
        params["client_id"] = client_id
        certificate_shown = shown if used != "none" else None
    request = HttpRequest.to("POST", ISSUER + "/token", headers=headers, body=encode(params.items()).encode())
    return await op.provider.handle(msgspec.structs.replace(request, client_certificate=certificate_shown))


@pytest.mark.parametrize("registered", METHODS)
async def test_a_client_authenticates_by_its_method_and_by_no_other(
    clock: FrozenClock, registered: str
) -> None:
    """RFC 7591 §2, token_endpoint_auth_method: with everything right but the method it is 401 invalid_client."""
    shown = certificate(clock)
    op = await everyone(clock, shown)
    certificates = {"tls_client_auth", "self_signed_tls_client_auth"}
    for used in METHODS:
        # Both certificate methods look the same on the wire, and a certificate does not make a public client another.
        same = used == registered or {used, registered} <= certificates
        if registered == "none":
            same = used in (*certificates, "none")
        answer = await authenticate(op, registered, used, shown)
        if not same:
            assert (answer.status, answer.json()["error"]) == (401, "invalid_client"), used
        elif registered == "none":
            # It is known, and this grant is not for a client that does not authenticate.
            assert answer.json()["error"] == "invalid_client"
            assert "required" in answer.json()["error_description"]
        else:
            assert answer.status == 200, used


async def rotating(clock: FrozenClock, method: str) -> Installation:
    """A client in the store whose old secret works for an hour more beside its new one."""
    keys = RootKeys([bytes(range(32))])
    registration = client("m", token_endpoint_auth_method=method, **MACHINE)
    both = msgspec.structs.replace(registration.client)
    digested: Client = type(registration)(client=both, secrets=(SECRET, NEW_SECRET)).digested(
        Handles(keys.derive("handles")), clock, seal=Seal(keys, SECRET_SEAL)
    )
    old, new = digested.secrets
    ending = msgspec.structs.replace(old, expires_at=clock() + timedelta(hours=1))
    stores = memory_stores(clock)
    await stores.clients.put(msgspec.structs.replace(digested, secrets=(ending, new)))
    return await install(stores, clock, clients=())


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt"])
async def test_two_secrets_are_live_while_one_replaces_the_other(clock: FrozenClock, method: str) -> None:
    """Two live secrets for rotation: both work until the old one's time is over, then the new one alone."""
    op = await rotating(clock, method)

    async def status(secret: str) -> int:
        if method == "client_secret_basic":
            answer = await op.post("/token", client_id="m", secret=secret, grant_type="client_credentials")
        else:
            answer = await ask(op, assertion(op, "m", key=secret, alg="HS256", headers={}))
        return answer.status

    assert [await status(secret) for secret in (SECRET, NEW_SECRET, "neither-of-them-0123456789-abcdef")] == [
        200,
        200,
        401,
    ]
    op.clock.advance(3599)
    assert await status(SECRET) == 200
    op.clock.advance(1)
    assert [await status(secret) for secret in (SECRET, NEW_SECRET)] == [401, 200]


async def test_a_client_whose_secrets_are_all_expired_cannot_authenticate(clock: FrozenClock) -> None:
    """An expired secret is no secret, and no secret at all is no way in."""
    op = await rotating(clock, "client_secret_basic")
    stored = await op.stores.clients.get("m")
    assert stored is not None
    await op.stores.clients.put(msgspec.structs.replace(stored, secrets=stored.secrets[:1]))
    op.clock.advance(7200)
    for secret in (SECRET, NEW_SECRET, "", "0" * 64):
        answer = await op.post("/token", client_id="m", secret=secret, grant_type="client_credentials")
        assert answer.status == 401
