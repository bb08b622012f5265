"""Several clients of one provider over one session store: each one's sessions are its own."""

import msgspec
import pytest

from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.party import RelyingParty
from authwright.stores.memory import MemoryRelyingPartySessions
from tests.relying_party.hostile_provider import SECRET, Browser, HostileProvider, relying_party, sign_in
from tests.relying_party.logout_tokens import is_signed_in, logout_token, tell


class Two:
    """A shop and its back office: two clients, one provider, one store, one set of keys."""

    def __init__(self, provider: HostileProvider) -> None:
        self.provider = provider
        self.store = MemoryRelyingPartySessions(provider.clock)
        self.shop = Browser(self.party("web"))
        self.office = Browser(self.party("office"))

    def party(self, client_id: str) -> RelyingParty:
        return relying_party(
            self.provider,
            sessions=self.store,
            client=RelyingPartyClient(client_id=client_id, auth=SecretBasic(SECRET)),
            logout=LogoutPolicy(frontchannel=True),
        )

    async def sign_in(self) -> None:
        await sign_in(self.provider, self.shop)
        self.provider.id_token = {"aud": "office"}
        await sign_in(self.provider, self.office)
        assert await self.signed_in() == (True, True)

    async def signed_in(self) -> tuple[bool, bool]:
        return await is_signed_in(self.shop), await is_signed_in(self.office)


@pytest.fixture
async def two(provider: HostileProvider) -> Two:
    two = Two(provider)
    await two.sign_in()
    return two


@pytest.mark.parametrize("names", [{"sid": None}, {"sub": None}, {}], ids=["sub alone", "sid alone", "both"])
async def test_sec_L2_a_logout_token_for_one_client_leaves_another_client_s_sessions(
    two: Two, names: dict[str, None]
) -> None:
    """L2: a logout token speaks to the client in its `aud`, and ends nothing of anybody else's."""
    assert (await tell(two.shop, logout_token(two.provider, names))).status == 200
    assert await two.signed_in() == (False, True)


async def test_sec_L4_a_front_channel_logout_of_one_client_leaves_another_s(two: Two) -> None:
    """L4: the page of the provider loads the address of each client."""
    answer = await two.office.get(f"/auth/frontchannel-logout?iss={two.provider.issuer}&sid=op-session")
    assert answer.status == 200
    assert await two.signed_in() == (True, False)


async def test_ending_all_sessions_of_a_user_means_those_of_this_client(two: Two) -> None:
    """What another application does with its users is its own affair."""
    assert [one.data.claims["name"] for one in await two.shop.party.sessions_of("u-alice")] == [
        "Alice Example"
    ]
    assert await two.shop.party.end_sessions("u-alice") == 1
    assert await two.signed_in() == (False, True)


async def test_sec_P2_the_session_of_one_client_does_not_open_another(two: Two) -> None:
    """P2: cross-app takeover: whoever may into the shop is not let into the back office by the shop's cookie."""
    two.office.cookies = dict(two.shop.cookies)
    assert not await is_signed_in(two.office)
    assert await two.signed_in() == (True, False)


async def test_sec_P2_a_session_without_a_client_is_nobody_s(two: Two) -> None:
    """P2: also one that was written before sessions knew their client."""
    (held,) = await two.shop.party.sessions_of("u-alice")
    await two.store.create(msgspec.structs.replace(held.record, client_id=""))
    assert await two.signed_in() == (False, True)
