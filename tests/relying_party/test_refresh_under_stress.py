"""A refresh at a provider that is slow, or half down, or whose users the application calls by names of its own."""

from dataclasses import replace

import msgspec
import pytest

from authwright.crypto.dpop import generate_proof_key, pack_proof_key
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, json_response
from authwright.records import RelyingPartySession
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.events import TokenValidated
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.refresh import LEASE
from authwright.relying_party.sessions import SignedIn
from authwright.relying_party.user import User
from authwright.remote.documents import RemoteFault
from authwright.stores.memory import MemoryRelyingPartySessions
from tests.relying_party.hostile_provider import Browser, Clock, HostileProvider, relying_party, sign_in

SECONDS = 5
"""What our own client waits for one answer at most."""
WRITES = 3 * 2
"""Seconds that the slowest of our stores takes until it gives up for good."""


async def signed_in(provider: HostileProvider, party: RelyingParty) -> SignedIn:
    browser = Browser(party)
    await sign_in(provider, browser)
    found = await party.session(browser.request("GET", "/"))
    assert found is not None
    provider.requests.clear()
    return found


class SlowProvider(HostileProvider):
    """Every answer takes as long as it may; nonces are stale, keys are new, and the first answer is 503."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.slow = False
        self.store = Watched(self.clock)
        self.times: list[float] = []
        """How many seconds after the lease began each answer came."""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.slow:
            return await super().__call__(request)
        self.clock.forward(seconds=SECONDS)
        if self.store.claimed_at is not None:
            self.times.append(self.clock().timestamp() - self.store.claimed_at)
        if self.asked(request.path) % 2 == 1:
            return await super().__call__(request)
        self.requests.append(request)
        if request.path == "/token":
            return json_response(400, {"error": "use_dpop_nonce"}, Headers.of({"dpop-nonce": "new"}))
        return HttpResponse(503)


class Watched(MemoryRelyingPartySessions):
    """Knows when the session was first marked as being refreshed."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.now = clock
        self.claimed_at: float | None = None

    async def replace(self, before: RelyingPartySession, after: RelyingPartySession) -> bool:
        if self.claimed_at is None:
            self.claimed_at = self.now().timestamp()
        return await super().replace(before, after)


async def test_the_lease_outlasts_the_slowest_refresh_there_can_be() -> None:
    """A second process that took its turn meanwhile would send a spent refresh token, and the provider end it all."""
    provider = SlowProvider()
    held = await signed_in(provider, relying_party(provider, sessions=provider.store))
    # A process that has just started, a session bound to a key, and an ID token under a key nobody has seen yet.
    party = relying_party(provider, sessions=provider.store)
    bound = msgspec.structs.replace(held.data, dpop_key=pack_proof_key(generate_proof_key()))
    found = await party.sessions.rewrite(held, bound)
    assert found is not None
    provider.store.claimed_at = None
    provider.slow = True
    provider.token_answer = {"token_type": "DPoP"}
    provider.refreshed_id_token = {}
    old = provider.published
    provider.key = SigningKey.generate("ES256")
    provider.answers["/jwks"] = lambda request: json_response(
        200, {"keys": old if provider.asked("/jwks") <= 2 else [dict(provider.key.public_jwk)]}
    )
    provider.clock.forward(seconds=590)
    renewed = await party.refresh(found)
    assert renewed.data.access_token != held.data.access_token
    assert [provider.asked("/token"), provider.asked("/jwks")] == [2, 4]
    assert max(provider.times) + WRITES < LEASE.total_seconds()


@pytest.mark.parametrize("away", ["/jwks", "/.well-known/openid-configuration"])
async def test_sec_P3_a_refresh_token_is_not_spent_on_an_answer_that_could_not_be_checked(
    provider: HostileProvider, away: str
) -> None:
    """P3: a refreshed ID token is verified, so its keys are there first; without them the session is as it was."""
    store = MemoryRelyingPartySessions(provider.clock)
    held = await signed_in(provider, relying_party(provider, sessions=store))
    provider.refreshed_id_token = {}
    provider.clock.forward(seconds=700)
    just_started = relying_party(provider, sessions=store)
    provider.down = {away}
    with pytest.raises(RemoteFault):
        await just_started.access_token(held)
    assert provider.spent_refresh_tokens == set()
    provider.down = set()
    provider.clock.forward(seconds=61)
    assert await just_started.access_token(held) != held.data.access_token


async def test_sec_P3_a_user_of_another_name_is_refreshed_as_who_the_provider_knows(
    provider: HostileProvider,
) -> None:
    """P3: the application may call its users what it likes; the ID tokens of a session are about one subject."""
    party = relying_party(provider)

    @party.on(TokenValidated)
    def link(event: TokenValidated) -> TokenValidated:
        return replace(event, user=User(event.user.iss, "account-7", event.user.claims))

    held = await signed_in(provider, party)
    assert held.sub == "account-7"
    provider.refreshed_id_token = {}
    provider.clock.forward(seconds=590)
    assert await party.access_token(held) != held.data.access_token

    provider.subject = "u-mallory"
    provider.clock.forward(seconds=590)
    with pytest.raises(ResponseRejected, match="id_token_sub_changed"):
        await party.refresh(held)
