"""token-exchange-mutate, §2.1: the defects of the reference, none of which is ours."""

import logging
from typing import Any

import pytest

from authwright.protocol.exchange import ID_TOKEN, TOKEN_EXCHANGE
from authwright.provider.audit import TokenRefused
from authwright.provider.events import ProviderEvents
from authwright.provider.scope_authority import Declined, Granted, Unavailable
from authwright.provider.serialization import Deserialized
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import TokenKind
from tests.provider.exchange.exchanging import (
    BASE,
    Services,
    access_token,
    exchange,
    introspected,
    refusal,
    scope_of,
    with_may_act,
)
from tests.provider.exchange.mutating import (
    DRIVE,
    MAIL,
    MUTATE,
    PHOTOS,
    READ,
    exchanged,
    mutate,
    mutating,
    record_of,
)
from tests.provider.installation import ISSUER, Installation

ACCESS, REFRESH = TokenKind.ACCESS_TOKEN, TokenKind.REFRESH_TOKEN


@pytest.fixture
async def op(clock: FrozenClock, services: Services) -> Installation:
    services.grant("photos")
    return await mutating(memory_stores(clock), clock, services)


@pytest.fixture
async def on_each_store(each_store: Stores, clock: FrozenClock, services: Services) -> Installation:
    services.grant("photos")
    return await mutating(each_store, clock, services)


async def test_tx_bug_1_the_log_names_the_reason(op: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """Defect 1: the reference logs the text of the code that should have made the reason."""
    caplog.set_level(logging.INFO)
    await mutate(op, (await access_token(op, "shop")), PHOTOS)
    (refused,) = [record for record in caplog.records if hasattr(record, "reason")]
    assert (refused.reason, refused.client_id) == ("exchange.subject_not_exchanged", "shop")  # type: ignore[attr-defined]


async def test_tx_bug_2_no_token_stands_in_error_log_or_audit(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 2: not in the answer, an exception or the log, whatever is wrong with it; nor in what is told of a success."""
    caplog.set_level(logging.DEBUG)
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    await mutate(op, tokens["access_token"], PHOTOS, "other")
    await mutate(op, tokens["access_token"], PHOTOS, subject_token_type=ID_TOKEN)
    await mutate(op, tokens["refresh_token"], PHOTOS)
    await mutate(op, "eyJ.secret.jwt", PHOTOS)
    await mutate(op, tokens["access_token"], PHOTOS)
    for secret in (tokens["access_token"], tokens["refresh_token"], "eyJ.secret.jwt"):
        assert secret not in caplog.text
        assert not any(secret in str(vars(record)) for record in caplog.records)
        assert secret not in repr(op.audit)


async def test_tx_bug_3_error_is_a_registered_code(op: Installation) -> None:
    """Defect 3: and the words are in error_description, in the charset of RFC 6749 §5.2."""
    token = (await exchanged(op))["access_token"]
    for params in (
        {"subject_token_type": None},
        {"mode": "x", "access_token_lifetime": "x"},
        {"scope": scope_of("payroll")},
        {"subject_token_type": "urn:x:y"},
    ):
        members: dict[str, Any] = {"scope": PHOTOS, **params}
        body = (await mutate(op, token, **members)).json()
        assert body["error"] in ("invalid_request", "invalid_scope")
        assert all(
            " " <= character <= "~" and character not in '"\\' for character in body["error_description"]
        )


async def test_tx_bug_4_each_fault_reaches_the_client(op: Installation) -> None:
    """Defect 4: a missing thing ends the check for it; nothing is looked into after."""
    for token, description in (
        (None, "subject_token is required"),
        ("a.b.c", "The subject_token is not an opaque token."),
        ("at_x", "The specified subject_token is invalid."),
    ):
        answer = await mutate(op, token, PHOTOS)
        assert (answer.json()["error"], answer.json()["error_description"]) == (
            "invalid_request",
            description,
        )


async def test_tx_bug_5_a_bad_subject_token_is_an_invalid_request(op: Installation) -> None:
    """Defect 5: RFC 8693 §2.2.2: never invalid_grant, whenever it went bad."""
    token = (await exchanged(op))["access_token"]
    op.clock.advance(601)
    refused = [await mutate(op, value, PHOTOS) for value in (token, "x", "é", "at_" + "A" * 47, "x" * 5000)]
    refused.append(await mutate(op, await access_token(op, "shop"), PHOTOS))
    assert {refusal(op, answer)[:2] for answer in refused} == {(400, "invalid_request")}


async def test_tx_bug_6_a_lifetime_that_is_no_number_is_refused(op: Installation) -> None:
    """Defect 6."""
    token = (await exchanged(op))["access_token"]
    assert (await mutate(op, token, PHOTOS, access_token_lifetime="soon")).status == 400


async def test_tx_bug_7_without_scope_the_same_is_asked_again(op: Installation, services: Services) -> None:
    """Defect 7: an absent scope is the token's own."""
    token = (await exchanged(op))["access_token"]
    services.answers["photos"] = Declined()
    answer = await mutate(op, token)
    assert (answer.status, answer.json()["scope"]) == (200, "read")


@pytest.mark.parametrize("widened", ["photos-admin", "photosadmin", "photo", "photosx.readonly", ""])
async def test_tx_bug_8_a_service_grants_in_its_own_namespace_only(
    op: Installation, services: Services, widened: str
) -> None:
    """Defect 8: exact root, or root and a dot; and one that failed keeps nothing of a neighbour's either."""
    token = (await exchanged(op))["access_token"]
    services.answers["photos"] = Granted(scopes=(READ, BASE + widened, "write", "read", MAIL))
    assert (await mutate(op, token, PHOTOS)).json()["scope"] == READ


async def test_tx_bug_9_one_service_with_nothing_to_say_harms_no_other(
    op: Installation, services: Services
) -> None:
    """Defect 9: nulls of one end that one only."""
    token = (await exchanged(op))["access_token"]
    services.answers["mail"] = Granted(scopes=(), claims={"a": None}, payload=None)
    answer = await mutate(op, token, f"{PHOTOS} {MAIL}")
    assert (answer.status, answer.json()["scope"]) == (200, PHOTOS)


async def test_tx_bug_10_mutate_is_no_way_around_the_allow_lists(
    op: Installation, services: Services
) -> None:
    """Defect 10: services and subject token types, per client, as for an exchange."""
    token = (await exchanged(op))["access_token"]
    services.grant("payroll")
    assert refusal(op, await mutate(op, token, scope_of("payroll")))[2] == "exchange.service_not_allowed"
    assert refusal(op, await mutate(op, token, PHOTOS, "barred"))[2] == "exchange.subject_type_not_allowed"


async def test_tx_bug_11_another_clients_token_is_not_rewritten(op: Installation) -> None:
    """Defect 11: having the grant is not enough."""
    token = (await exchanged(op))["access_token"]
    before = await record_of(op, ACCESS, token)
    answer = await mutate(op, token, READ, "other")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_token")
    assert await record_of(op, ACCESS, token) == before


async def test_tx_bug_12_no_lifetime_grows(on_each_store: Installation) -> None:
    """Defect 12: a short token stays short, and the refresh token keeps its end, however often it is mutated."""
    op = on_each_store
    tokens = await exchanged(op, f"{PHOTOS} offline_access", access_token_lifetime="60")
    before = await record_of(op, REFRESH, tokens["refresh_token"])
    access = await record_of(op, ACCESS, tokens["access_token"])
    for lifetime in (None, "600", "60"):
        op.clock.advance(10)
        assert (
            await mutate(op, tokens["access_token"], PHOTOS, access_token_lifetime=lifetime)
        ).status == 200
    after = await record_of(op, REFRESH, tokens["refresh_token"])
    assert (after.issued_at, after.expires_at, after.ticket.not_after) == (
        before.issued_at,
        before.expires_at,
        before.ticket.not_after,
    )
    assert (await record_of(op, ACCESS, tokens["access_token"])).expires_at == access.expires_at
    # It may end earlier, and then does.
    assert (await mutate(op, tokens["access_token"], PHOTOS, access_token_lifetime="5")).json()[
        "expires_in"
    ] == 5
    op.clock.advance(6)
    assert not await op.is_active(tokens["access_token"], "shop")


async def test_tx_bug_13_issuer_actor_key_and_audience_are_kept(op: Installation) -> None:
    """Defect 13: what the exchange decided beside the scopes is not decided anew."""
    act = {"sub": "agent-7"}
    subject = await access_token(op, "shop", act=act, **with_may_act({"client_id": "shop"}))
    token = (await exchange(op, subject, "shop", scope=f"read {PHOTOS}")).json()["access_token"]
    before = await introspected(op, token, "shop")
    assert before["act"] == act
    assert (await mutate(op, token, PHOTOS)).status == 200
    after = await introspected(op, token, "shop")
    names = ("iss", "aud", "sub", "act", "iat", "exp", "auth_time", "acr", "amr", "sid", "client_id")
    assert {name: after.get(name) for name in names} == {name: before.get(name) for name in names}
    assert (after["iss"], "cnf" in after) == (ISSUER, False)


async def test_tx_bug_14_the_second_mutate_reaches_the_refresh_token_too(
    on_each_store: Installation, services: Services
) -> None:
    """Defect 14: and the third, and after a refresh."""
    op = on_each_store
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    services.grant("mail")
    services.grant("drive")
    for scope in (MAIL, DRIVE, PHOTOS):
        assert (await mutate(op, tokens["access_token"], scope)).status == 200
        refresh = await record_of(op, REFRESH, tokens["refresh_token"])
        assert refresh.ticket.scopes == ("offline_access", scope)
    renewed = (await op.refresh(tokens["refresh_token"], client_id="shop")).json()
    assert (await mutate(op, renewed["access_token"], DRIVE)).status == 200
    refresh = await record_of(op, REFRESH, renewed["refresh_token"])
    assert refresh.ticket.scopes == ("offline_access", DRIVE)


async def test_tx_bug_15_what_cannot_change_is_not_reported_as_changed(op: Installation) -> None:
    """Defect 15: a JWT is refused, and no parameter makes one of an opaque token."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, PHOTOS, access_token_type="jwt")
    assert answer.json()["access_token"] == token
    assert (await introspected(op, token, "shop"))["scope"] == PHOTOS
    written = (await exchanged(op, client_id="written"))["access_token"]
    assert refusal(op, await mutate(op, written, PHOTOS, "written"))[:2] == (400, "invalid_request")


async def test_tx_bug_16_expires_in_is_what_is_left(op: Installation) -> None:
    """Defect 16."""
    token = (await exchanged(op))["access_token"]
    op.clock.advance(240)
    assert (await mutate(op, token, PHOTOS)).json()["expires_in"] == 360


async def test_tx_bug_18_services_are_asked_in_one_go(op: Installation, services: Services) -> None:
    """Defect 18: the authority gets them all at once; that it asks them beside each other, discovery too, is its own test."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    await mutate(op, token, f"{PHOTOS} {MAIL} {DRIVE}")
    assert [list(asked) for _, asked in services.asked] == [["photos", "mail", "drive"]]


async def test_tx_bug_21_an_outage_wipes_nothing(on_each_store: Installation, services: Services) -> None:
    """Defect 21: all services down: scopes, claims and payloads stay, in both records, and the answer says so."""
    op = on_each_store
    services.grant("photos", claims={"plan": "family"}, payload=7)
    services.grant("mail")
    tokens = await exchanged(op, f"{PHOTOS} {MAIL} offline_access")
    services.answers |= {name: Unavailable(reason="deadline") for name in ("photos", "mail")}
    for scope in (f"{PHOTOS} {MAIL}", None):
        answer = await mutate(op, tokens["access_token"], scope)
        assert (answer.status, answer.json()["scope"]) == (200, f"offline_access {PHOTOS} {MAIL}")
    for value in (tokens["access_token"], tokens["refresh_token"]):
        seen = await introspected(op, value, "shop")
        assert (seen["photos.plan"], seen["custom_payload"]) == ("family", {"photos": 7})
    assert (await op.refresh(tokens["refresh_token"], client_id="shop")).json()["scope"] == seen["scope"]


async def test_tx_bug_23_an_id_token_is_no_way_in(op: Installation) -> None:
    """Defect 23: only access tokens of ours are taken here, so nobody's audience is in question."""
    answer = await mutate(op, "a.b.c", PHOTOS, subject_token_type=ID_TOKEN)
    assert refusal(op, answer)[2] == "exchange.subject_type_unknown"


async def test_tx_bug_24_amr_decides_nothing(op: Installation) -> None:
    """Defect 24: a token whose amr says exchange is not one, and one whose amr does not say so is."""
    claimed = await access_token(op, "shop", amr=("pwd", MUTATE, TOKEN_EXCHANGE))
    assert refusal(op, await mutate(op, claimed, PHOTOS))[2] == "exchange.subject_not_exchanged"
    silent = await mutating(op.stores, op.clock, None, policy={"emit_grant_amr": False})
    token = (await exchanged(silent, "read write"))["access_token"]
    assert (await introspected(silent, token, "shop"))["amr"] == ["pwd"]
    assert (await mutate(silent, token, "read")).json()["scope"] == "read"
    assert (await introspected(silent, token, "shop"))["amr"] == ["pwd"]


async def test_nobody_else_learns_why_a_token_is_refused(op: Installation) -> None:
    """One text for every reason about the token; the operator's log has which."""
    token = (await exchanged(op))["access_token"]
    theirs = (await exchanged(op, client_id="other"))["access_token"]
    texts = {
        (await mutate(op, value, PHOTOS)).json()["error_description"]
        for value in (theirs, "at_nobodys", await access_token(op, "shop"))
    }
    assert texts == {"The specified subject_token is invalid."}
    reasons = [event.reason for event in op.audit if isinstance(event, TokenRefused)]
    assert len(set(reasons)) == 3
    assert (await mutate(op, token, PHOTOS)).status == 200


async def test_a_form_of_the_applications_own_has_no_record_to_change(
    clock: FrozenClock, services: Services
) -> None:
    """M2: what an event reads out of a token is nowhere in the store."""
    kept: dict[str, Any] = {}

    async def read(value: str) -> Deserialized | None:
        return kept.get(value)

    op = await mutating(
        memory_stores(clock), clock, services, events=ProviderEvents(deserialize_access_token=read)
    )
    services.grant("photos")
    record = await record_of(op, ACCESS, (await exchanged(op))["access_token"])
    kept["own-form"] = Deserialized(
        ticket=record.ticket,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        origin_grant=record.origin_grant,
    )
    answer = await mutate(op, "own-form", PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_not_recorded")
