"""The provider of the OpenID Foundation's relying-party tests, as far as its modules describe it.

Its issuer has a port, a path and a slash at the end. It never shows a page: the browser is sent back at once, with
whatever is wrong in the module of that name. A module is passed when the expected request arrives, or, where the
relying party has to reject, when no further one does.
"""

from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from authwright.crypto.handles import Handles
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.party import RelyingParty
from authwright.stores.memory import MemoryRelyingPartySessions
from tests.relying_party.hostile_provider import BASE, Browser, Clock, HostileProvider, location

ISSUER = "https://suite.example:8443/test/a/authwright/"
SECRET = "the secret of the suite's static client"
ROOTS = RootKeys([b"c" * 32])


@cache
def signing_key(algorithm: str, number: int = 0) -> SigningKey:
    """The same for every test, since making one for RSA takes long."""
    return SigningKey.generate(algorithm)


class SuiteProvider(HostileProvider):
    """See the module."""

    def __init__(self, algorithm: str = "RS256") -> None:
        super().__init__(Clock(), ISSUER)
        self.key = signing_key(algorithm)
        self.published = [dict(self.key.public_jwk)]
        self.metadata["id_token_signing_alg_values_supported"] = [algorithm]
        for name, value in self.metadata.items():
            if isinstance(value, str) and value.startswith(ISSUER + "/"):
                self.metadata[name] = ISSUER + value.removeprefix(ISSUER + "/")
        self.metadata["response_types_supported"] = [
            "code", "id_token", "id_token token", "code id_token", "code token", "code id_token token",
        ]  # fmt: skip

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        # Below it all is as it is at an issuer without a path.
        path = request.path.removeprefix(urlsplit(ISSUER).path.rstrip("/"))
        return await super().__call__(msgspec.structs.replace(request, path=path))

    def rotate(self, *, publish: bool = True) -> None:
        """Sign with another key from now on."""
        self.key = signing_key(self.key.algorithm, 1)
        if publish:
            self.published = [dict(self.key.public_jwk)]


def client_of(provider: SuiteProvider, **settings: Any) -> Browser:
    """A browser at the relying party under test, as it is registered at the suite."""
    given: dict[str, Any] = {
        "client_id": "web", "auth": SecretBasic(SECRET), "front_channel_access_tokens": True,
        "id_token_algorithms": (provider.key.algorithm,), **settings,
    }  # fmt: skip
    flow, claims_providers = given.pop("flow", None), given.pop("claims_providers", ())
    return Browser(
        RelyingParty(
            issuer=ISSUER,
            client=RelyingPartyClient(**given),
            fetch=provider,
            seal=Seal(ROOTS, "relying_party"),
            handles=Handles(ROOTS.derive("handles")),
            sessions=MemoryRelyingPartySessions(provider.clock),
            base_url=BASE,
            clock=provider.clock,
            flow=flow,
            claims_providers=claims_providers,
        )
    )


async def visit(provider: SuiteProvider, browser: Browser, **changes: str | None) -> HttpResponse:
    """One login: to the suite, which sends the browser back at once."""
    return await answer(provider, browser, location(await browser.get("/auth/login")), **changes)


async def answer(provider: SuiteProvider, browser: Browser, sent: str, **changes: str | None) -> HttpResponse:
    """The suite's answer to the request at `sent`, in the response mode that was asked for."""
    asked = dict(parse_qsl(urlsplit(sent).query))
    if asked.get("response_mode") == "form_post":
        return await browser.post_back(*provider.authorize_form(sent, **changes))
    return await browser.get(provider.authorize(sent, **changes))
