"""Implicit and hybrid logins, by form_post, at npm oidc-provider in a real process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from authwright.crypto.seal import RootKeys
from authwright.relying_party.client import Public, ResponseType
from authwright.standard_rp import RelyingParty
from authwright.testing.browser import Browser
from tests.interop.relying_party_app import application
from tests.interop.test_oidc_provider import (
    ACCOUNT,
    CLAIMS,
    PASSWORD,
    PROGRAM,
    Registration,
    TheirProvider,
    http,
    serving,
)
from tests.servers.node import Node
from tests.servers.process import ServerProcesses, find_free_port

pytestmark = pytest.mark.node


@dataclass(frozen=True, slots=True, kw_only=True)
class ByForm(Registration):
    """A client whose answers are posted."""

    response_type: ResponseType

    def metadata(self, base_url: str) -> Mapping[str, object]:
        """RFC 7591. oidc-provider lets a native application alone have an http address, on loopback."""
        grants = [*(["authorization_code"] if "code" in self.response_type else [])]
        grants += ["implicit"] if "id_token" in self.response_type else []
        asked = {"response_types": [self.response_type], "grant_types": grants, "application_type": "native"}
        return {**Registration.metadata(self, base_url), **asked}


TYPES: tuple[ResponseType, ...] = ("code", "id_token", "code id_token")
REGISTRATIONS = tuple(
    ByForm(
        client_id=kind.replace(" ", "-"), method="none", auth=Public(), algorithm="ES256", response_type=kind
    )
    for kind in TYPES
)


@pytest.fixture(scope="module")
def their_provider(node: Node, processes: ServerProcesses) -> TheirProvider:
    """oidc-provider with a client for each response type."""
    port = find_free_port()
    issuer, base_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{find_free_port()}"
    clients = [registration.metadata(base_url) for registration in REGISTRATIONS]
    options = json.dumps({"port": port, "clients": clients, "account": ACCOUNT})
    process = processes.start(node.path, node.script(PROGRAM), options, environ=node.environ)
    process.wait_for(f"{issuer}/.well-known/openid-configuration")
    return TheirProvider(issuer=issuer, base_url=base_url, process=process)


@pytest.mark.parametrize("registration", REGISTRATIONS, ids=lambda one: one.client_id)
async def test_rp_B10_B11_a_user_signs_in(their_provider: TheirProvider, registration: ByForm) -> None:
    """B10, B11: their hashes, their nonce, and their page that posts the answer."""
    op = their_provider
    rp = RelyingParty(
        issuer=op.issuer,
        client_id=registration.client_id,
        client_auth=registration.auth,
        base_url=op.base_url,
        scopes=("openid", "profile", "email"),
        keys=RootKeys([bytes(range(32))]),
        response_type=registration.response_type,
        response_mode="form_post",
        id_token_algorithms=("ES256",),
    )
    async with serving(application(rp), op.base_url), http() as fetch:
        browser = Browser({op.base_url: fetch, op.issuer: fetch})
        page = await browser.get(op.base_url + "/?from=start")
        assert page.has("login-submit"), page.html
        page = await browser.click("login-submit", username="alice", password=PASSWORD)
        if page.has("consent-allow"):
            page = await browser.click("consent-allow")
        page = await browser.submit(page.forms[0])
        assert page.url == f"{op.base_url}/?from=start", page.html
        assert page.response is not None
        known = page.response.json()
        assert (known["iss"], known["sub"]) == (op.issuer, "u-alice")
        # Without an access token there is no UserInfo: their ID token then holds the claims itself.
        assert known["claims"].items() >= CLAIMS.items()
        redeemed = [what for name, about, what in op.events() if about == registration.client_id]
        assert ("authorization_code" in redeemed) == ("code" in registration.response_type)
