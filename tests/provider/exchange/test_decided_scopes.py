"""Token exchange, rows E13 and E14, §2 rows 15 to 22: what services decide, and what becomes of it in the token."""

from typing import Any

import pytest

from authwright.provider.scope_authority import Declined, Granted, NotAllowed, Unavailable, Unknown
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.exchange.exchanging import (
    BASE,
    Services,
    access_token,
    allowing,
    claims_of,
    exchange,
    exchanging,
    introspected,
    own_token,
    refusal,
    scope_of,
    tokens_of,
)
from tests.provider.installation import Installation

ROOT = scope_of("photos")
READ = scope_of("photos", "readonly")


async def test_tx_E13_a_service_decides_about_its_scopes(op: Installation, services: Services) -> None:
    """E13: asked for the user, in request order; what it grants is appended to the rest."""
    services.grant("photos", "readonly")
    services.grant("mail", "send")
    asked = f"{scope_of('mail', 'send')} read {ROOT} {READ}"
    answer = await exchange(op, await access_token(op), scope=asked)
    assert answer.json()["scope"] == f"read {scope_of('mail', 'send')} {READ}"
    assert services.asked == [("u-alice", {"mail": (scope_of("mail", "send"),), "photos": (ROOT, READ)})]
    assert (await introspected(op, answer.json()["access_token"]))["scope"] == answer.json()["scope"]


async def test_tx_E13_service_scopes_are_not_bounded_by_the_subject_token(
    op: Installation, services: Services
) -> None:
    """E11: service scopes → E13; neither the registration nor the subject token has them."""
    services.grant("photos")
    assert (await exchange(op, await access_token(op, scopes=("read",)), scope=ROOT)).json()["scope"] == ROOT


async def test_tx_E13_nobody_is_asked_before_the_request_is_right(
    op: Installation, services: Services
) -> None:
    """Order: E0 to E11 come first."""
    token = await access_token(op)
    for params in (
        {"scope": f"{ROOT} admin"},
        {"scope": ROOT, "audience": "nobody"},
        {"scope": ROOT, "actor_token": "x"},
        {"scope": f"{ROOT} {scope_of('secret')}"},
    ):
        assert (await exchange(op, token, **params)).status == 400
    assert services.asked == []


async def test_tx_row_15_a_service_is_what_stands_before_the_first_dot(
    op: Installation, services: Services
) -> None:
    """§2 row 15: ordinal prefix, repeats once, a scope without a service's name dropped."""
    services.grant("photos", "a.b")
    asked = f"{BASE} {BASE}.x {scope_of('photos', 'a.b')} {scope_of('photos', 'a.b')}"
    answer = await exchange(op, await access_token(op), scope=asked)
    assert answer.json()["scope"] == scope_of("photos", "a.b")
    assert services.asked == [("u-alice", {"photos": (scope_of("photos", "a.b"),)})]
    upper = await exchange(op, await access_token(op), scope=ROOT.upper())
    assert refusal(op, upper) == (400, "invalid_scope", "exchange.scope_beyond")


async def test_tx_row_16_an_unknown_service_is_skipped(op: Installation, services: Services) -> None:
    """§2 row 16: unknown or switched off: its scopes are left out, and the answer does not have them."""
    services.answers["photos"] = Unknown()
    answer = await exchange(op, await access_token(op), scope=f"read {ROOT}")
    assert (answer.status, answer.json()["scope"]) == (200, "read")


async def test_tx_E13_a_service_the_client_may_not_ask_is_an_error(
    op: Installation, services: Services
) -> None:
    """3.4: an allow-list breach is not a skip, whoever finds it."""
    answer = await exchange(op, await access_token(op), scope=f"read {scope_of('secret')}")
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.service_not_allowed")
    assert answer.json()["error_description"] == "external service secret is not allowed for this client"
    services.answers["photos"] = NotAllowed()
    answer = await exchange(op, await access_token(op), scope=ROOT)
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.service_not_allowed")


async def test_tx_bug_10_plain_exchange_has_both_allow_lists(clock: FrozenClock, services: Services) -> None:
    """Defect 10: services and subject token types, per client."""
    op = await exchanging(memory_stores(clock), clock, services, clients=allowing())
    assert refusal(op, await exchange(op, await access_token(op)))[2] == "exchange.subject_type_not_allowed"


@pytest.mark.parametrize(
    "widened", ["photos-admin", "photosadmin", "photo", "photos-admin.read", "photosx.readonly"]
)
async def test_tx_bug_8_a_service_grants_in_its_own_namespace_only(
    op: Installation, services: Services, widened: str
) -> None:
    """Defect 8, attack "scope widening by prefix": `photos` may not grant `photos-admin`, or anybody's but its own."""
    services.answers["photos"] = Granted(scopes=(READ, BASE + widened, "read", "admin", BASE))
    answer = await exchange(op, await access_token(op, scopes=("openid",)), scope=ROOT)
    assert answer.json()["scope"] == READ


async def test_tx_row_21_claims_enter_under_the_services_name(op: Installation, services: Services) -> None:
    """§2 row 21: `service.type`; a service cannot make a claim of another name."""
    services.grant(
        "photos", claims={"geo_location": "Canada", "sub": "u-mallory", "": "x", "tags": ["a", "b"]}
    )
    answer = await exchange(op, await access_token(op), scope=ROOT)
    claims = claims_of(answer.json()["access_token"])
    assert claims["photos.geo_location"] == "Canada"
    assert claims["photos.tags"] == ["a", "b"]
    assert (claims["sub"], claims["photos.sub"], "photos." in claims) == ("u-alice", "u-mallory", False)
    seen = await introspected(op, answer.json()["access_token"])
    assert seen["photos.geo_location"] == "Canada"


async def test_tx_row_22_payloads_make_one_claim(op: Installation, services: Services) -> None:
    """§2 row 22: custom_payload = {service: payload}, any JSON; a service without one is not in it."""
    services.grant("photos", payload={"name": "MyCustom", "value": 1234})
    services.grant("mail", payload=False)
    services.grant("drive")
    asked = " ".join(map(scope_of, ("photos", "mail", "drive")))
    answer = await exchange(op, await access_token(op), scope=asked)
    payload = {"photos": {"name": "MyCustom", "value": 1234}, "mail": False}
    assert claims_of(answer.json()["access_token"])["custom_payload"] == payload
    assert (await introspected(op, answer.json()["access_token"]))["custom_payload"] == payload


async def test_tx_row_23_amr_names_the_grant_where_services_decided(
    op: Installation, services: Services
) -> None:
    """§2 row 23, 3.4: in JWT and introspection, after how the user signed in; auth_time and acr are kept."""
    from authwright.protocol.exchange import TOKEN_EXCHANGE

    services.grant("photos")
    token = await access_token(op)
    answer = await exchange(op, token, scope=ROOT)
    claims = claims_of(answer.json()["access_token"])
    assert claims["amr"] == ["pwd", TOKEN_EXCHANGE]
    assert (await introspected(op, answer.json()["access_token"]))["amr"] == claims["amr"]
    assert (claims["auth_time"], claims["acr"]) == (claims_of(token)["auth_time"], claims_of(token)["acr"])


async def test_tx_row_23_unless_it_is_switched_off(clock: FrozenClock, services: Services) -> None:
    """3.4: `emit_grant_amr`."""
    op = await exchanging(memory_stores(clock), clock, services, policy={"emit_grant_amr": False})
    services.grant("photos")
    answer = await exchange(op, await access_token(op), scope=ROOT)
    assert claims_of(answer.json()["access_token"])["amr"] == ["pwd"]


async def test_tx_E14_all_denied_is_invalid_scope(op: Installation, services: Services) -> None:
    """E14: nothing granted; offline_access alone is nothing."""
    services.answers |= {"photos": Declined(), "mail": Unknown(), "drive": Granted(scopes=())}
    asked = " ".join(map(scope_of, ("photos", "mail", "drive")))
    for scope in (asked, f"{asked} offline_access"):
        answer = await exchange(op, await access_token(op), scope=scope)
        assert refusal(op, answer) == (400, "invalid_scope", "exchange.nothing_granted")


async def test_tx_bug_21_an_outage_does_not_look_like_a_denial(op: Installation, services: Services) -> None:
    """Defect 21, E14: nothing granted and one of them failed: 503 and Retry-After."""
    services.answers |= {"photos": Declined(), "mail": Unavailable(reason="timeout")}
    answer = await exchange(op, await access_token(op), scope=f"{ROOT} {scope_of('mail')}")
    assert refusal(op, answer) == (503, "temporarily_unavailable", "exchange.services_unavailable")
    assert int(answer.headers.get("retry-after") or 0) >= 1


async def test_tx_row_17_one_that_cannot_be_asked_is_left_out(op: Installation, services: Services) -> None:
    """§2 row 17: the others' scopes are granted (policy omit)."""
    services.answers["mail"] = Unavailable(reason="discovery")
    services.grant("photos")
    answer = await exchange(op, await access_token(op), scope=f"{ROOT} {scope_of('mail')}")
    assert answer.json()["scope"] == ROOT


async def test_tx_E14_one_that_is_required_fails_the_request(op: Installation, services: Services) -> None:
    """3.4: policy fail."""
    services.answers["mail"] = Unavailable(reason="timeout", required=True)
    services.grant("photos")
    answer = await exchange(op, await access_token(op), scope=f"read {ROOT} {scope_of('mail')}")
    assert refusal(op, answer) == (503, "temporarily_unavailable", "exchange.service_timeout")


async def test_without_scope_the_services_of_the_subject_token_are_asked_again(
    op: Installation, services: Services
) -> None:
    """E11: requested ?? subject.scopes: a consent of then is not one of now."""
    services.grant("photos")
    token = (await exchange(op, await access_token(op), scope=f"read {ROOT}")).json()["access_token"]
    services.answers["photos"] = Declined()
    answer = await exchange(op, token)
    assert (answer.json()["scope"], len(services.asked)) == ("read", 2)
    assert "custom_payload" not in claims_of(answer.json()["access_token"])


async def test_without_an_authority_no_service_is_known(clock: FrozenClock) -> None:
    """E13: nobody decides, so nothing is granted."""
    op = await exchanging(memory_stores(clock), clock, None)
    assert (await exchange(op, await access_token(op), scope=f"read {ROOT}")).json()["scope"] == "read"


async def test_an_authority_that_leaves_a_service_out_is_our_fault(clock: FrozenClock) -> None:
    """House rule: an inconsistent part of ours is a server error, never a token."""

    class Forgetful:
        async def authorize(self, *_: Any) -> dict[str, Any]:
            return {}

    op = await exchanging(memory_stores(clock), clock, Forgetful())  # type: ignore[arg-type]
    answer = await exchange(op, await access_token(op), scope=ROOT)
    assert (answer.status, answer.json()["error"]) == (500, "server_error")


async def test_a_refresh_keeps_what_services_decided(op: Installation, services: Services) -> None:
    """origin_grant: scopes, claims and payload stay through refreshes, though no registration has the scopes."""
    services.grant("photos", claims={"geo": "CA"}, payload=[1])
    answer = (await exchange(op, await access_token(op), scope=f"{ROOT} offline_access")).json()
    for _ in range(2):
        answer = (await op.refresh(answer["refresh_token"])).json()
        assert answer["scope"] == f"offline_access {ROOT}"
        claims = claims_of(answer["access_token"])
        assert (claims["photos.geo"], claims["custom_payload"]) == ("CA", {"photos": [1]})
    assert len(services.asked) == 1
    narrowed = (await op.refresh(answer["refresh_token"], scope=ROOT)).json()
    assert narrowed["scope"] == ROOT


@pytest.mark.parametrize("policy", ["refreshed", "re_evaluated"])
async def test_a_clients_refresh_policy_leaves_decided_claims_alone(
    clock: FrozenClock, services: Services, policy: str
) -> None:
    """They are no claims of the account."""
    import msgspec

    from authwright.provider.clients import ClientRegistration
    from tests.provider.exchange.exchanging import CLIENTS

    clients = [
        ClientRegistration(
            client=msgspec.structs.replace(item.client, refresh_claims=policy), secrets=item.secrets
        )
        for item in CLIENTS
    ]
    op = await exchanging(memory_stores(clock), clock, services, clients=clients)
    services.grant("photos", claims={"geo": "CA"})
    answer = (await exchange(op, await access_token(op), scope=f"{ROOT} offline_access")).json()
    refreshed = (await op.refresh(answer["refresh_token"])).json()
    assert refreshed["scope"] == f"offline_access {ROOT}"
    assert claims_of(refreshed["access_token"])["photos.geo"] == "CA"


async def test_a_service_scope_the_service_did_not_grant_is_not_kept_by_a_refresh(op: Installation) -> None:
    """The exemption is for what was decided, and not for whatever begins like it."""
    tokens = await tokens_of(op, scopes=("offline_access", "read", ROOT))
    answer = await op.refresh(tokens["refresh_token"])
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_client_may_ask_for_itself(op: Installation, services: Services) -> None:
    """E7: the subject of a client's own token is the client."""
    services.grant("photos")
    answer = await exchange(op, await own_token(op, "web"), scope=ROOT)
    assert (answer.status, services.asked[0][0]) == (200, "web")


async def test_tx_bug_3_the_error_is_a_code(op: Installation) -> None:
    """Defects 1 to 5: `error` holds a registered code, the words are in error_description, every fault is named."""
    for params in ({"subject_token": None}, {"scope": scope_of("secret")}, {"subject_token_type": "x"}):
        answer = await exchange(op, await access_token(op), **params)
        assert answer.json()["error"] in ("invalid_request", "invalid_scope")
        assert answer.json()["error_description"]


async def test_tx_bug_4_what_is_missing_does_not_end_in_invalid_grant(op: Installation) -> None:
    """Defects 4 and 5: each of rows 4 to 9 has its own answer, and it is invalid_request (RFC 8693 §2.2.2)."""
    for token in ("x", "a.b.c", "at_" + "A" * 47, "é"):
        answer = await exchange(op, token)
        assert refusal(op, answer)[:2] == (400, "invalid_request")


async def test_tx_bug_2_no_token_is_in_an_answer_or_a_log(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 2: raw subject tokens in the error, in exceptions and in logs."""
    caplog.set_level("DEBUG")
    tokens = await tokens_of(op)
    await exchange(op, tokens["access_token"])
    await exchange(op, tokens["access_token"], "other")
    await exchange(op, tokens["refresh_token"], actor_token="secret-actor", actor_token_type="x")
    for secret in (tokens["access_token"], tokens["refresh_token"], "secret-actor"):
        assert secret not in caplog.text
        assert secret not in repr(op.audit)


async def test_tx_bug_7_an_absent_scope_is_no_crash(op: Installation) -> None:
    """Defect 7: `scope` absent: those of the subject token."""
    assert (await exchange(op, await access_token(op))).status == 200


async def test_tx_bug_9_one_service_with_nothing_to_say_harms_no_other(
    op: Installation, services: Services
) -> None:
    """Defect 9: nulls of one service end that service only."""
    services.answers["mail"] = Granted(scopes=(), claims={"a": None}, payload=None)
    services.grant("photos")
    answer = await exchange(op, await access_token(op), scope=f"{ROOT} {scope_of('mail')}")
    assert answer.json()["scope"] == ROOT


async def test_tx_bug_16_expires_in_is_what_is_left(op: Installation) -> None:
    """Defect 16: not the full lifetime."""
    from datetime import timedelta

    token = await access_token(op)
    op.clock.advance(timedelta(minutes=4))
    assert (await exchange(op, token, access_token_lifetime="600")).json()["expires_in"] == 360
