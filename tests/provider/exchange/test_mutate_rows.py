"""token-exchange-mutate, §2: the rows of the reference, each with what is right where the reference was not."""

import msgspec
import pytest

from authwright.protocol.exchange import JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.provider.scope_authority import Declined, Unavailable, Unknown
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.exchange.exchanging import (
    Services,
    access_token,
    exchange,
    introspected,
    minted_for,
    own_token,
    refusal,
    scope_of,
    tokens_of,
)
from tests.provider.exchange.mutating import (
    ADMIN,
    DRIVE,
    MAIL,
    PHOTOS,
    READ,
    SEND,
    exchanged,
    mutate,
    mutating,
    record_of,
)
from tests.provider.installation import Installation


@pytest.fixture
async def op(clock: FrozenClock, services: Services) -> Installation:
    services.grant("photos", "", "readonly")
    return await mutating(memory_stores(clock), clock, services)


async def test_tx_row_1_what_is_granted_is_what_the_ticket_says(op: Installation, services: Services) -> None:
    """§2 row 1: the issued scopes are an explicit object; neither `scope` nor the registration adds to them."""
    token = (await exchanged(op))["access_token"]
    services.grant("photos", "readonly")
    answer = await mutate(op, token, f"read write profile {PHOTOS} {READ}")
    assert answer.json()["scope"] == f"read {READ}"
    assert (await record_of(op, TokenKind.ACCESS_TOKEN, token)).ticket.scopes == ("read", READ)


async def test_tx_row_2_no_list_of_services_is_needed(op: Installation, services: Services) -> None:
    """§2 row 2: only the services that are named are looked up and asked."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    await mutate(op, token, READ)
    assert services.asked == [("u-alice", {"photos": (READ,)})]


@pytest.mark.parametrize("lifetime", ["0", "601", "-1", "1.5", "ten", " 5", "", "9" * 40])
async def test_tx_row_3_a_lifetime_that_is_none_is_named(op: Installation, lifetime: str) -> None:
    """§2 row 3: out of range, or no integer: invalid_request."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, PHOTOS, access_token_lifetime=lifetime)
    if lifetime == "":
        # RFC 6749 §3.1: a parameter without a value counts as left out.
        assert answer.status == 200
        return
    assert refusal(op, answer) == (400, "invalid_request", "exchange.parameters")
    assert answer.json()["error_description"] == "access_token_lifetime is out of range"


async def test_tx_row_4_subject_token_is_required(op: Installation) -> None:
    """§2 row 4."""
    answer = await mutate(op, None, PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.parameters")
    assert answer.json()["error_description"] == "subject_token is required"


async def test_tx_row_5_subject_token_type_is_required(op: Installation) -> None:
    """§2 row 5."""
    answer = await mutate(op, "at_x", PHOTOS, subject_token_type=None)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.parameters")
    assert answer.json()["error_description"] == "subject_token_type is required"


async def test_tx_row_6_all_faults_are_named_in_one_answer(op: Installation, services: Services) -> None:
    """§2 row 6: error is a code; the words are joined in error_description, and nobody is asked."""
    answer = await mutate(
        op, None, PHOTOS, subject_token_type=None, access_token_lifetime="x", mode="add", actor_token="y"
    )
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"].split(" | ") == [
        "subject_token is required",
        "subject_token_type is required",
        "actor_token_type is required with actor_token",
        "mode is replace or merge",
        "actor_token has no place here",
        "access_token_lifetime is out of range",
    ]
    assert services.asked == []


@pytest.mark.parametrize("token_type", [REFRESH_TOKEN, JWT, "urn:example:other", "access_token"])
async def test_tx_row_7_only_access_tokens(op: Installation, token_type: str) -> None:
    """§2 row 7: unsupported subject_token_type, and no text of the token."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, PHOTOS, subject_token_type=token_type)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_type_unknown")
    assert answer.json()["error_description"] == "unsupported subject_token_type"


async def test_tx_row_8_a_jwt_has_nothing_behind_it_to_change(op: Installation, services: Services) -> None:
    """§2 row 8: invalid_request at once, for one of ours too; nobody is asked."""
    token = (await exchanged(op, client_id="written"))["access_token"]
    services.asked.clear()
    for value in (token, "a.b.c", "."):
        answer = await mutate(op, value, PHOTOS, "written")
        assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_not_opaque")
    assert services.asked == []


async def test_tx_row_9_the_token_its_client_and_its_user_must_be_good(op: Installation) -> None:
    """§2 row 9: it exists, is not expired, its client is enabled, its user active; else invalid_request."""
    token = (await exchanged(op))["access_token"]
    assert refusal(op, await mutate(op, "at_" + "A" * 47, PHOTOS))[2] == "exchange.subject_unknown"
    shop = op.clients["shop"]
    gone = await minted_for(
        op,
        msgspec.structs.replace(
            (await record_of(op, TokenKind.ACCESS_TOKEN, token)).ticket, client_id="gone", grant_id="g-gone"
        ),
        shop,
    )
    # It was not made by an exchange, which is found out first: the two refusals read the same.
    assert refusal(op, await mutate(op, gone, PHOTOS, "agent"))[:2] == (400, "invalid_request")
    await op.remove_user()
    assert refusal(op, await mutate(op, token, PHOTOS)) == (
        400,
        "invalid_request",
        "exchange.subject_user_gone",
    )
    op.clock.advance(600)
    assert refusal(op, await mutate(op, token, PHOTOS))[2] == "exchange.subject_expired"


async def test_tx_row_10_an_exchange_must_have_made_it(op: Installation, services: Services) -> None:
    """§2 row 10: told by the record's origin_grant, whatever `amr` says."""
    services.asked.clear()
    said = await access_token(op, "shop", amr=("pwd", TOKEN_EXCHANGE))
    for token in (said, await own_token(op, "shop")):
        answer = await mutate(op, token, PHOTOS)
        assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_not_exchanged")
    assert services.asked == []
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    refreshed = (await op.refresh(tokens["refresh_token"], client_id="shop")).json()
    assert (await mutate(op, refreshed["access_token"], PHOTOS)).status == 200


async def test_tx_row_11_iat_is_the_records(op: Installation) -> None:
    """§2 row 11: no claim is needed for it; it is there, and stays."""
    token = (await exchanged(op))["access_token"]
    before = await introspected(op, token, "shop")
    op.clock.advance(100)
    assert (await mutate(op, token, READ)).status == 200
    after = await introspected(op, token, "shop")
    assert (after["iat"], after["exp"]) == (before["iat"], before["exp"])


async def test_tx_row_12_a_value_without_a_record_is_refused(op: Installation) -> None:
    """§2 row 12: also one that is spent, and one whose grant ended."""
    token = (await exchanged(op))["access_token"]
    await op.post("/revoke", client_id="shop", token=token)
    assert refusal(op, await mutate(op, token, PHOTOS)) == (
        400,
        "invalid_request",
        "exchange.subject_revoked",
    )
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    await op.post("/revoke", client_id="shop", token=tokens["refresh_token"])
    assert refusal(op, await mutate(op, tokens["access_token"], PHOTOS))[2] == "exchange.subject_unknown"


async def test_tx_row_13_offline_access_tells_whether_a_refresh_token_lives(op: Installation) -> None:
    """§2 row 13: the client can neither add nor drop it."""
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    for scope in (PHOTOS, f"offline_access {PHOTOS}", "offline_access " + READ):
        answer = await mutate(op, tokens["access_token"], scope)
        assert answer.json()["scope"].split()[0] == "offline_access"
    without = (await exchanged(op, PHOTOS))["access_token"]
    assert (await mutate(op, without, f"{PHOTOS} offline_access")).json()["scope"] == f"{PHOTOS} {READ}"


async def test_tx_row_14_no_token_stands_in_a_refusal(op: Installation) -> None:
    """§2 row 14: generic text; `refusal` looks for tokens in the body."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, PHOTOS, "other")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_token")
    assert answer.json()["error_description"] == "The specified subject_token is invalid."


async def test_tx_row_15_other_scopes_are_kept_or_left_out(op: Installation, services: Services) -> None:
    """§2 row 15: of the others only those it has, repeats once; without scope the same again."""
    token = (await exchanged(op, f"read write {PHOTOS}"))["access_token"]
    answer = await mutate(op, token, f"read read profile {PHOTOS} {PHOTOS} {PHOTOS.upper()} {scope_of('')}")
    assert answer.json()["scope"] == f"read {PHOTOS} {READ}"
    services.asked.clear()
    again = await mutate(op, token, None)
    assert again.json()["scope"] == f"read {PHOTOS} {READ}"
    assert services.asked == [("u-alice", {"photos": (PHOTOS, READ)})]


async def test_tx_row_16_an_unknown_service_grants_nothing(op: Installation, services: Services) -> None:
    """§2 row 16: skipped; and one that was switched off since takes what it had granted along."""
    services.grant("mail")
    token = (await exchanged(op, f"{PHOTOS} {MAIL}"))["access_token"]
    services.answers["mail"] = Unknown()
    assert (await mutate(op, token, f"{PHOTOS} {MAIL} {DRIVE}")).json()["scope"] == f"{PHOTOS} {READ}"


async def test_tx_row_17_a_service_that_is_down_keeps_what_it_said(
    op: Installation, services: Services
) -> None:
    """§2 row 17 and M7: the others go on without it; what it granted before stays."""
    services.grant("mail", claims={"box": "1"})
    token = (await exchanged(op, f"{PHOTOS} {MAIL}"))["access_token"]
    services.answers["mail"] = Unavailable(reason="discovery.status")
    services.grant("photos", "readonly")
    assert (await mutate(op, token, f"{PHOTOS} {MAIL}")).json()["scope"] == f"{READ} {MAIL}"
    assert (await introspected(op, token, "shop"))["mail.box"] == "1"


async def test_tx_row_18_19_20_the_fan_out_is_the_exchanges(op: Installation, services: Services) -> None:
    """§2 rows 18 to 20: implicit services, requests and failures are the authority's, asked once, for all together."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    await mutate(op, token, f"{PHOTOS} {SEND} {DRIVE}")
    assert services.asked == [("u-alice", {"photos": (PHOTOS,), "mail": (SEND,), "drive": (DRIVE,)})]


async def test_tx_row_21_the_answers_replace_what_was_said(op: Installation, services: Services) -> None:
    """§2 row 21: scopes of its namespace only; claims under its name; a denial takes both away."""
    services.grant("photos", "", claims={"plan": "family", "size": 5})
    services.grant("mail", claims={"box": "1"})
    token = (await exchanged(op, f"{PHOTOS} {MAIL}"))["access_token"]
    services.grant("photos", "admin", claims={"plan": "single"})
    services.answers["mail"] = Declined()
    assert (await mutate(op, token, f"{PHOTOS} {MAIL}")).json()["scope"] == ADMIN
    seen = await introspected(op, token, "shop")
    assert seen["photos.plan"] == "single"
    assert not {"photos.size", "mail.box"} & seen.keys()


async def test_tx_row_22_payloads_follow_their_services(op: Installation, services: Services) -> None:
    """§2 row 22: one claim, with a member for each that has one now."""
    for name in ("photos", "mail", "drive"):
        services.grant(name, payload={"of": name})
    token = (await exchanged(op, f"{PHOTOS} {MAIL} {DRIVE}"))["access_token"]
    services.grant("photos", payload=[1])
    services.answers |= {"mail": Unavailable(reason="timeout"), "drive": Declined()}
    assert (await mutate(op, token, f"{PHOTOS} {MAIL} {DRIVE}")).status == 200
    assert (await introspected(op, token, "shop"))["custom_payload"] == {
        "photos": [1],
        "mail": {"of": "mail"},
    }
    services.answers |= {"photos": Declined(), "mail": Declined()}
    assert (await mutate(op, token, f"{PHOTOS} {MAIL}")).json()["scope"] == ""
    assert "custom_payload" not in await introspected(op, token, "shop")


async def test_tx_row_23_how_the_user_signed_in_stays(op: Installation, services: Services) -> None:
    """§2 row 23: auth_time, acr and amr of the record; and a mutated token can be mutated again."""
    token = (await exchanged(op))["access_token"]
    before = await introspected(op, token, "shop")
    assert before["amr"] == ["pwd", TOKEN_EXCHANGE]
    for _ in range(3):
        op.clock.advance(5)
        assert (await mutate(op, token, PHOTOS)).status == 200
    after = await introspected(op, token, "shop")
    assert {name: after[name] for name in ("auth_time", "acr", "amr")} == {
        name: before[name] for name in ("auth_time", "acr", "amr")
    }
    plain = (await exchanged(op, "read"))["access_token"]
    assert (await introspected(op, plain, "shop"))["amr"] == ["pwd"]
    assert (await mutate(op, plain, PHOTOS)).json()["scope"] == f"{PHOTOS} {READ}"
    assert (await introspected(op, plain, "shop"))["amr"] == ["pwd", TOKEN_EXCHANGE]


async def test_tx_row_24_exp_does_not_move(op: Installation) -> None:
    """§2 row 24: iat and exp stay; a lifetime may only bring the end nearer, and counts from now."""
    token = (await exchanged(op))["access_token"]
    before = await introspected(op, token, "shop")
    op.clock.advance(100)
    assert (await mutate(op, token, PHOTOS, access_token_lifetime="600")).json()["expires_in"] == 500
    assert (await introspected(op, token, "shop"))["exp"] == before["exp"]
    assert (await mutate(op, token, PHOTOS, access_token_lifetime="60")).json()["expires_in"] == 60
    assert (await introspected(op, token, "shop"))["exp"] == before["iat"] + 160
    assert (await mutate(op, token, PHOTOS)).json()["expires_in"] == 60
    op.clock.advance(61)
    assert await introspected(op, token, "shop") == {"active": False}


async def test_a_client_of_its_own_can_be_the_subject(op: Installation, services: Services) -> None:
    """E7: what a client exchanged for itself has no user; the client is whom services are asked about."""
    answer = await exchange(op, await own_token(op, "shop"), "shop", scope=PHOTOS)
    services.asked.clear()
    assert (await mutate(op, answer.json()["access_token"], PHOTOS)).status == 200
    assert services.asked[0][0] == "shop"


async def test_the_subject_tokens_own_grant_is_left_alone(op: Installation) -> None:
    """Only the token that is named, and the refresh token beside it, change."""
    tokens = await tokens_of(op, "shop")
    before = await introspected(op, tokens["access_token"], "shop")
    child = (await exchange(op, tokens["access_token"], "shop", scope=f"read {PHOTOS}")).json()
    assert (await mutate(op, child["access_token"], READ)).status == 200
    assert await introspected(op, tokens["access_token"], "shop") == before
