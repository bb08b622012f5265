"""The session store does not answer: a page that says so, in the log and the audit as any other failure; never a 500."""

from typing import Any

import pytest

from authwright.protocol.http import HttpResponse
from authwright.relying_party.audit import AuditEvent, LoginFailed
from authwright.relying_party.errors import Failure
from authwright.relying_party.events import RemoteFailure
from authwright.relying_party.parties import RelyingParties
from authwright.standard_rp import standard_relying_party
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Browser,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)


class Unreachable(MemoryRelyingPartySessions):
    """From the moment a test says so."""

    down = False

    async def create(self, session: Any) -> None:
        await self._reach()
        await super().create(session)

    async def load(self, digest: str) -> Any:
        await self._reach()
        return await super().load(digest)

    async def _reach(self) -> None:
        if self.down:
            raise StoreUnavailable


@pytest.fixture
def store(provider: HostileProvider) -> Unreachable:
    return Unreachable(provider.clock)


def is_503(answer: HttpResponse) -> bool:
    code = error_code(answer)
    return (answer.status, answer.headers.get("retry-after"), code) == (503, "5", "sessions_unavailable")


async def test_a_sign_in_that_cannot_be_kept_is_a_failed_one(
    provider: HostileProvider, store: Unreachable
) -> None:
    """The application and the audit hear of it, and the attempt is over: its code is spent."""
    heard: list[AuditEvent] = []
    asked: list[Failure] = []
    browser = Browser(relying_party(provider, sessions=store, audit=heard.append))
    browser.party.on(RemoteFailure)(lambda context: asked.append(context.failure))
    store.down = True
    assert is_503(await sign_in(provider, browser))
    assert (browser.flow_cookies(), browser.signed_in) == ([], False)
    (failed,) = [event for event in heard if isinstance(event, LoginFailed)]
    assert (failed.name, failed.reason) == ("login.failed", "sessions_unavailable")
    assert [getattr(failure, "reason", "") for failure in asked] == ["sessions_unavailable"]
    store.down = False
    assert (await sign_in(provider, browser)).status == 303


async def test_our_other_endpoints_say_so_too(provider: HostileProvider, store: Unreachable) -> None:
    """Where they look who is there: a late tab's login, and the sign-out."""
    browser = Browser(relying_party(provider, sessions=store))
    await sign_in(provider, browser)
    store.down = True
    assert is_503(await browser.get("/auth/login?again=1"))
    assert is_503(await browser.post("/auth/logout"))


async def test_several_providers_say_so_too(provider: HostileProvider, store: Unreachable) -> None:
    """`/auth/logout` has to find out first whose user it is."""
    party = standard_relying_party(
        name="one", issuer=ISSUER, client_id="web", base_url=BASE, fetch=provider, clock=provider.clock,
        sessions=store, keys="k" * 43,
    )  # fmt: skip
    browser = Browser(RelyingParties([party]))  # type: ignore[arg-type]
    await sign_in(provider, browser, "/auth/one/login")
    store.down = True
    assert is_503(await browser.post("/auth/logout"))
