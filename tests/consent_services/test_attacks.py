"""A consent service that wants more than its own."""

from typing import Any

import pytest

from authwright.consent_services.messages import WELL_KNOWN
from authwright.http_client import GuardedClient
from authwright.provider.scope_authority import Granted, Unavailable
from tests.consent_services.outside import BASE, Asking, Outside, json_answer, registered, yes
from tests.http_client.outside import Names, Rerouted

PHOTO = f"{BASE}photo"


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.mark.parametrize(
    "scope",
    [
        f"{BASE}photos",
        f"{BASE}photos.admin",
        f"{BASE}photo-admin",
        f"{BASE}photo_x.read",
        f"{BASE}Photo",
        f"{BASE}photo/.read",
        f"{BASE}mail",
        BASE,
        "photo.read",
        "openid",
        "offline_access",
        "read",
    ],
)
async def test_tx_bug_8_scope_widening_by_prefix(outside: Outside, scope: str) -> None:
    """Defect 8: `photo` may not grant `photos.admin`, even where it may add scopes and says it supports them."""
    outside.service("photo", yes(PHOTO, scope), configuration={"scopes_supported": [PHOTO, scope]})
    asking = Asking(outside, registered("photo", may_add_scopes=True))
    assert await asking.one("photo") == Granted(scopes=(PHOTO,))


async def test_tx_bug_8_an_implicit_service_has_no_more(outside: Outside) -> None:
    """Nor does one that is not asked, whatever it is asked about."""
    outside.service(
        "photo", yes(), configuration={"authorization_type": "implicit", "scopes_supported": None}
    )
    asking = Asking(outside, registered("photo"))
    decisions = await asking.all({"photo": (PHOTO, f"{BASE}photos", "openid")})
    assert decisions == {"photo": Granted(scopes=(PHOTO,))}


@pytest.mark.parametrize(
    "scope",
    [f"{PHOTO}.read {BASE}mail", f"{PHOTO}.\topenid", f'{PHOTO}."', f"{PHOTO}.\\", f"{PHOTO}.\u00a0x"],
)
async def test_a_second_scope_in_the_text_of_one(outside: Outside, scope: str) -> None:
    """It begins with the service's own name, and in a token's `scope` it would be two: the whole answer is refused."""
    outside.service("photo", yes(PHOTO, scope), configuration={"scopes_supported": None})
    asking = Asking(outside, registered("photo", may_add_scopes=True))
    assert await asking.one("photo") == Unavailable(reason="answer_malformed")


@pytest.mark.parametrize("subject", ["u-victim", "", "1234ABCD", "1234abcd ", "1234abc"])
async def test_a_service_answers_for_another_subject(outside: Outside, subject: str) -> None:
    """3.4: the answer's subject is the one that was asked about, or there is none."""
    outside.service("photo", yes(PHOTO, subject=subject))
    assert await Asking(outside, registered("photo")).one("photo") == Unavailable(reason="other_subject")
    outside.service("photo", yes(PHOTO, subject=None))
    assert await Asking(outside, registered("photo")).one("photo") == Granted(scopes=(PHOTO,))


@pytest.mark.parametrize(
    "members",
    [
        {"scopes": None},
        {"claims": [None]},
        {"claims": [{"type": "a", "value": None}]},
        {"claims": [{"type": None, "value": "a"}]},
        {"custom_payload": {"deep": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}},
        {"custom_payload": ["x" * 9000]},
        {"authorized": "yes"},
    ],
    ids=str,
)
async def test_tx_bug_9_a_broken_answer_takes_nobody_with_it(
    outside: Outside, members: dict[str, Any]
) -> None:
    """Defect 9: null where a value belongs fails that service, and leaves the others what they granted."""
    outside.service("photo", yes(PHOTO, **members))
    outside.service("mail", yes(f"{BASE}mail"))
    asking = Asking(outside, registered("photo"), registered("mail"))
    decisions = await asking.all({"photo": (PHOTO,), "mail": (f"{BASE}mail",)})
    assert isinstance(decisions["photo"], Unavailable)
    assert decisions["mail"] == Granted(scopes=(f"{BASE}mail",))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::ffff:7f00:1", "64:ff9b::a00:1"]
)
async def test_sec_G1_a_service_at_a_private_address_is_not_called(address: str) -> None:
    """Row G1: SSRF through discovery ends at the guarded client, which looks at every address of the name."""
    names = Names([address])
    world = Rerouted(1)
    async with _client(names, world) as fetch:
        decision = await Asking(fetch, registered("photo")).one("photo")
    assert decision == Unavailable(reason="discovery.unreachable")
    assert names.asked == ["photo.example"]
    assert world.connected == []


async def test_sec_G1_a_name_that_moves_inside_after_discovery_is_not_called(outside: Outside) -> None:
    """Row G1: rebinding between the document and the question; the address is vetted with each connection."""
    names, world = Names(["10.0.0.7"]), Rerouted(1)
    outside.service("photo", yes(PHOTO))
    async with _client(names, world) as guarded:

        async def fetch(request: Any) -> Any:
            return await (outside if request.url.endswith(WELL_KNOWN) else guarded)(request)

        decision = await Asking(fetch, registered("photo")).one("photo")
    assert decision == Unavailable(reason="unreachable")
    assert world.connected == []


async def test_sec_G1_a_redirect_to_the_inside_is_not_followed(outside: Outside) -> None:
    """Row G1: neither by discovery nor by the question."""
    outside.service("photo", json_answer({}, status=307))
    assert await Asking(outside, registered("photo")).one("photo") == Unavailable(reason="status")
    assert len(outside.sent) == 2


class _client:
    """A guarded client that is closed."""

    def __init__(self, names: Names, world: Rerouted) -> None:
        self._client = GuardedClient(resolver=names, connector=world)

    async def __aenter__(self) -> GuardedClient:
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
