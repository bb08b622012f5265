"""A provider with tenants, whose answers are signed: each names its tenant, never the template (sec_P2, JARM, Core §5.3.2)."""

from typing import Any

import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.seal import Seal
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.party import RelyingParty
from authwright.stores.memory import MemoryRelyingPartySessions
from tests.relying_party.hostile_provider import BASE, ROOTS, Browser, Clock, error_code, location
from tests.relying_party.modern_provider import ModernProvider

HOST = "https://login.example"
TEMPLATE = HOST + "/{tenantid}/v2.0"
ONE, TWO, STRANGER = (f"{HOST}/{tenant}/v2.0" for tenant in ("t1", "t2", "t3"))


class Tenanted:
    """A browser at a relying party that takes tenants t1 and t2."""

    def __init__(self, **client: Any) -> None:
        self.provider = ModernProvider(Clock(), issuer=HOST)
        self.provider.metadata["issuer"] = TEMPLATE
        self.browser = Browser(
            RelyingParty(
                issuer=TEMPLATE,
                client=RelyingPartyClient(client_id="web", auth=Public(), **client),
                fetch=self.provider,
                seal=Seal(ROOTS, "relying_party"),
                handles=Handles([b"h" * 32]),
                sessions=MemoryRelyingPartySessions(self.provider.clock),
                base_url=BASE,
                clock=self.provider.clock,
                tenants=["t1", "t2"],
                metadata_url=HOST + "/.well-known/openid-configuration",
            )
        )

    async def sign_in(self, *, answer: str = ONE, userinfo: str | None = ONE) -> str:
        """Where it led, or the code on the page."""
        self.provider.id_token = {"iss": ONE, "tid": "t1"}
        self.provider.response_claims = {"iss": answer}
        self.provider.signed_userinfo = {"iss": userinfo}
        sent = location(await self.browser.get("/auth/login"))
        response = await self.browser.get(self.provider.authorize(sent, iss=ONE))
        return error_code(response) or location(response)


async def test_a_signed_answer_names_its_tenant() -> None:
    """JARM §2.4: `iss` is the tenant's issuer."""
    assert await Tenanted(response_mode="jwt").sign_in() == BASE + "/"


@pytest.mark.parametrize("issuer", [STRANGER, TEMPLATE, HOST, ""])
async def test_sec_P2_a_signed_answer_of_another_tenant_is_refused(issuer: str) -> None:
    """P2: only those on the list, and not the template itself."""
    tenanted = Tenanted(response_mode="jwt")
    assert await tenanted.sign_in(answer=issuer) == "response_iss"
    assert tenanted.provider.asked("/token") == 0


async def test_signed_user_information_names_its_tenant() -> None:
    """Core §5.3.2: `iss` is the issuer of the ID token, as it names itself there."""
    tenanted = Tenanted(userinfo_algorithms=("ES256",))
    assert await tenanted.sign_in() == BASE + "/"
    user = await tenanted.browser.party.session(tenanted.browser.request("GET", "/"))
    assert user is not None
    assert (user.iss, user.claims["email"]) == (ONE, "alice@example.com")


@pytest.mark.parametrize("issuer", [TWO, STRANGER, TEMPLATE, None])
async def test_sec_D12_signed_user_information_of_another_tenant_is_refused(issuer: str | None) -> None:
    """D12: a subject is somebody only together with its issuer, so another tenant's is somebody else."""
    assert await Tenanted(userinfo_algorithms=("ES256",)).sign_in(userinfo=issuer) == "userinfo_iss"
