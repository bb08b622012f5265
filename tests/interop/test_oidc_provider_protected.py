"""PAR, DPoP, JARM, signed requests, encryption and client assertions at npm oidc-provider, in real processes."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from authwright.crypto.jwe import DecryptionKey
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys
from authwright.relying_party.client import ClientSecretJwt, PrivateKeyJwt
from authwright.relying_party.encrypted import Encrypted
from authwright.standard_rp import RelyingParty
from authwright.testing.browser import Browser
from tests.interop.relying_party_app import application
from tests.interop.test_oidc_provider import (
    ACCOUNT,
    CLAIMS,
    PROGRAM,
    SCOPES,
    SECRET,
    Registration,
    TheirProvider,
    Visit,
    http,
    serving,
)
from tests.servers.node import Node
from tests.servers.process import ServerProcess, ServerProcesses, find_free_port

pytestmark = pytest.mark.node

ASSERTION_KEY = SigningKey.generate("ES256")
REQUEST_KEY = SigningKey.generate("PS256")
EC_KEY = DecryptionKey.generate("ECDH-ES")
RSA_KEY = DecryptionKey.generate("RSA-OAEP-256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected(Registration):
    """A registration with more in it, and what the relying party is configured with for that."""

    more: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def metadata(self, base_url: str) -> Mapping[str, object]:
        """RFC 7591."""
        return {**Registration.metadata(self, base_url), **self.more}


PAR_AND_DPOP = Protected(
    client_id="par-dpop",
    method="private_key_jwt",
    auth=PrivateKeyJwt(ASSERTION_KEY),
    algorithm="ES256",
    more={
        "jwks": {"keys": [ASSERTION_KEY.public_jwk]},
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
    },
    options={"par": "require", "dpop": "require"},
)
SIGNED_BOTH_WAYS = Protected(
    client_id="jar-jarm",
    method="client_secret_jwt",
    auth=ClientSecretJwt(SECRET),
    algorithm="RS256",
    more={
        "jwks": {"keys": [REQUEST_KEY.public_jwk]},
        "authorization_signed_response_alg": "PS256",
        "request_object_signing_alg": "PS256",
        "require_signed_request_object": True,
        "response_modes": ["jwt", "query.jwt"],
    },
    options={"par": "never", "request_object": REQUEST_KEY, "response_mode": "jwt"},
)
ENCRYPTED = Protected(
    client_id="encrypted",
    method="private_key_jwt",
    auth=PrivateKeyJwt(ASSERTION_KEY),
    algorithm="ES256",
    more={
        "jwks": {"keys": [ASSERTION_KEY.public_jwk, EC_KEY.public_jwk, RSA_KEY.public_jwk]},
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "ES256",
        "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        "userinfo_encrypted_response_enc": "A128CBC-HS256",
        "authorization_signed_response_alg": "ES256",
        "authorization_encrypted_response_alg": "RSA-OAEP-256",
        "authorization_encrypted_response_enc": "A256CBC-HS512",
    },
    options={
        "response_mode": "query.jwt",
        "request_object": ASSERTION_KEY,
        "userinfo_algorithms": ("ES256",),
        "encrypted": Encrypted(keys=(EC_KEY, RSA_KEY), id_token=True, userinfo=True, response=True),
    },
)
REGISTRATIONS = (PAR_AND_DPOP, SIGNED_BOTH_WAYS, ENCRYPTED)


def start(node: Node, processes: ServerProcesses, issuer: str, base_url: str) -> ServerProcess:
    """oidc-provider, with keys of its own each time."""
    clients = [registration.metadata(base_url) for registration in REGISTRATIONS]
    port = int(issuer.rpartition(":")[2])
    options = json.dumps({"port": port, "clients": clients, "account": ACCOUNT, "nonces": True})
    program = node.script(PROGRAM)
    process = processes.start(node.path, program, options, environ=node.environ)
    process.wait_for(f"{issuer}/.well-known/openid-configuration")
    return process


@pytest.fixture(scope="module")
def their_provider(node: Node, processes: ServerProcesses) -> TheirProvider:
    """oidc-provider that asks for nonces in proofs."""
    issuer, base_url = f"http://127.0.0.1:{find_free_port()}", f"http://127.0.0.1:{find_free_port()}"
    return TheirProvider(issuer=issuer, base_url=base_url, process=start(node, processes, issuer, base_url))


Open = Callable[[TheirProvider, Protected], AbstractAsyncContextManager[Visit]]


@pytest.fixture
def visit() -> Open:
    """Opens our application as that client, and a browser without cookies."""

    @asynccontextmanager
    async def opened(op: TheirProvider, registration: Protected) -> AsyncIterator[Visit]:
        rp = RelyingParty(
            issuer=op.issuer,
            client_id=registration.client_id,
            client_auth=registration.auth,
            base_url=op.base_url,
            prompt=("consent",),
            scopes=SCOPES,
            keys=RootKeys([bytes(range(32))]),
            **registration.options,
        )
        async with serving(application(rp), op.base_url), http() as fetch:
            browser = Browser({op.base_url: fetch, op.issuer: fetch})
            before = len(op.events())
            yield Visit(op=op, rp=rp, browser=browser, registration=registration, before=before)

    return opened


@pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda one: one.client_id)
async def test_a_user_signs_in_and_tokens_are_refreshed(
    their_provider: TheirProvider, visit: Open, registration: Protected
) -> None:
    """Their pages, tokens, UserInfo and rotation, with all that is registered for the client required of both sides."""
    async with visit(their_provider, registration) as here:
        page = await here.sign_in("/?from=start")
        assert page.url == f"{here.op.base_url}/?from=start"
        assert page.response is not None
        known = page.response.json()
        assert (known["iss"], known["sub"]) == (here.op.issuer, "u-alice")
        assert known["claims"].items() >= CLAIMS.items()

        first = await here.tokens(1)
        assert await here.tokens(1) != first
        events = here.events()
        granted = next(event for event in events if event[0].startswith("grant."))
        assert granted == ("grant.success", "authorization_code")
        pushed = [name for name, _ in events if name == "pushed"]
        assert len(pushed) == (0 if registration.options.get("par") == "never" else 1)

        session = await here.rp.core.session(here.request("/"))
        assert session is not None
        assert (session.data.token_type, bool(session.data.dpop_key)) == (
            ("DPoP", True) if registration is PAR_AND_DPOP else ("Bearer", False)
        )
        assert (session.data.id_token or "").count(".") == 2


async def test_keys_that_are_replaced_while_we_run_are_found(
    node: Node, processes: ServerProcesses, visit: Open
) -> None:
    """Another process with other keys under the same issuer: the sign-in that meets them first succeeds (rp_H9)."""
    issuer, base_url = f"http://127.0.0.1:{find_free_port()}", f"http://127.0.0.1:{find_free_port()}"
    process = start(node, processes, issuer, base_url)
    op = TheirProvider(issuer=issuer, base_url=base_url, process=process)
    async with visit(op, PAR_AND_DPOP) as here:
        await here.sign_in()
        before = await here.rp.core.keys.get()
        process.stop()
        start(node, processes, issuer, base_url)
        here.browser.forget_cookies()
        page = await here.sign_in()
        assert page.status == 200
        after = await here.rp.core.keys.get()
        assert {key.kid for key in after.keys}.isdisjoint({key.kid for key in before.keys})
