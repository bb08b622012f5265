"""token-exchange-mutate, rows M1 to M10: who may change what, what becomes of it, and that it is one step."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.crypto.handles import random_id
from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.errors import Refused
from authwright.protocol.exchange import (
    ACCESS_TOKEN,
    ID_TOKEN,
    SQUATTED_TOKEN_EXCHANGE_MUTATE,
    TOKEN_EXCHANGE,
)
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import encode
from authwright.provider.audit import TokenIssued, TokenMutated
from authwright.provider.events import ProviderEvents
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.scope_authority import Declined, Granted, Unavailable
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Change, Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Confirmation, Ticket, TokenKind
from tests.provider.exchange.exchanging import (
    Services,
    exchange,
    exchange_with,
    exchanging,
    introspected,
    refusal,
    scope_of,
    tokens_of,
)
from tests.provider.exchange.mutating import (
    ADMIN,
    CLIENTS,
    DRIVE,
    MAIL,
    MUTATE,
    PHOTOS,
    READ,
    changes,
    exchanged,
    mutate,
    mutating,
    record_of,
)
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, VERIFIER, Installation
from tests.provider.sender_constrained.peers import Prover

ACCESS, REFRESH = TokenKind.ACCESS_TOKEN, TokenKind.REFRESH_TOKEN


@pytest.fixture
async def op(clock: FrozenClock, services: Services) -> Installation:
    services.grant("photos")
    return await mutating(memory_stores(clock), clock, services)


@pytest.fixture
async def on_each_store(each_store: Stores, clock: FrozenClock, services: Services) -> Installation:
    services.grant("photos")
    return await mutating(each_store, clock, services)


# -- M1 ----------------------------------------------------------------------------------------------------------------


async def test_tx_M1_nobody_mutates_unless_it_is_switched_on(clock: FrozenClock, services: Services) -> None:
    """Opt-in: without a name in the policy the grant is not there, and discovery does not have it."""
    off = await exchanging(memory_stores(clock), clock, services, clients=CLIENTS)
    answer = await mutate(off, "at_x", PHOTOS)
    assert refusal(off, answer)[:2] == (400, "unsupported_grant_type")
    named = (await off.get("/.well-known/openid-configuration")).json()["grant_types_supported"]
    assert not [name for name in named if "mutate" in name]
    on = await mutating(memory_stores(clock), clock, services)
    named = (await on.get("/.well-known/openid-configuration")).json()["grant_types_supported"]
    assert [name for name in named if "mutate" in name] == [MUTATE]


async def test_tx_M1_the_reference_s_name_is_an_alias(clock: FrozenClock, services: Services) -> None:
    """The `urn:ietf:` name squats on IANA's registry, so it is served only where it is configured."""
    services.grant("photos")
    old = SQUATTED_TOKEN_EXCHANGE_MUTATE
    clients = [
        msgspec.structs.replace(item.client, grant_types=item.client.grant_types | {old}) for item in CLIENTS
    ]
    named = [
        type(item)(client=client, secrets=item.secrets) for item, client in zip(CLIENTS, clients, strict=True)
    ]
    op = await mutating(memory_stores(clock), clock, services, clients=named)
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, PHOTOS, grant_type=old)
    assert refusal(op, answer)[:2] == (400, "unsupported_grant_type")
    both = await mutating(
        memory_stores(clock), clock, services, clients=named, policy={"mutate_grant_types": (MUTATE, old)}
    )
    token = (await exchanged(both))["access_token"]
    for name in (MUTATE, old):
        assert (await mutate(both, token, PHOTOS, grant_type=name)).status == 200
    supported = (await both.get("/.well-known/openid-configuration")).json()["grant_types_supported"]
    assert supported[-2:] == [MUTATE, old]


@pytest.mark.parametrize("name", ["mutate", TOKEN_EXCHANGE, ""])
def test_tx_M1_a_name_that_is_no_uri_of_its_own_is_refused(name: str) -> None:
    """RFC 6749 §4.5: an extension grant is an absolute URI; and plain exchange keeps its meaning."""
    with pytest.raises(ValueError, match="mutate_grant_types"):
        ExchangePolicy(mutate_grant_types=(name,))


async def test_tx_M1_the_client_needs_the_grant_and_a_secret(op: Installation, services: Services) -> None:
    """E1: registered for the grant, and confidential."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    assert refusal(op, await mutate(op, token, PHOTOS, "plain"))[:2] == (400, "unauthorized_client")
    form = {
        "grant_type": MUTATE,
        "client_id": "spa",
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await op.post_raw("/token", encode(form.items()).encode(), headers)
    assert refusal(op, answer) == (400, "unauthorized_client", "exchange.public_client")
    assert services.asked == []


async def test_tx_M1_what_the_token_is_stays(op: Installation) -> None:
    """E2: who acts, for whom and as what is no matter of a mutate: said in one answer, and not ignored."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(
        op,
        token,
        PHOTOS,
        actor_token="x",
        actor_token_type=ACCESS_TOKEN,
        requested_token_type=ID_TOKEN,
        resource=API,
    )
    assert refusal(op, answer) == (400, "invalid_request", "exchange.parameters")
    assert answer.json()["error_description"].split(" | ") == [
        "actor_token has no place here",
        "requested_token_type has no place here",
        "resource and audience have no place here",
    ]
    assert refusal(op, await mutate(op, token, PHOTOS, audience=[API, API]))[:2] == (400, "invalid_request")
    assert (await mutate(op, token, PHOTOS, requested_token_type=ACCESS_TOKEN)).status == 200


async def test_tx_M1_the_client_must_be_allowed_to_bring_access_tokens(op: Installation) -> None:
    """E5: allowed_subject_token_types holds here too."""
    answer = await mutate(op, "at_x", PHOTOS, "barred")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_type_not_allowed")


# -- M2 to M5 ----------------------------------------------------------------------------------------------------------


async def test_tx_M2_only_a_live_opaque_token_of_ours(
    on_each_store: Installation, services: Services
) -> None:
    """M2: not a JWT, not a refresh token, not expired, not revoked; nobody is asked for any of them."""
    op = on_each_store
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    written = (await exchanged(op, client_id="written"))["access_token"]
    services.asked.clear()
    reasons = [
        refusal(op, await mutate(op, value, PHOTOS, client_id))
        for value, client_id in (
            (written, "written"),
            (tokens["refresh_token"], "shop"),
            ("at_nobodys", "shop"),
            ("é", "shop"),
        )
    ]
    assert reasons == [
        (400, "invalid_request", "exchange.subject_not_opaque"),
        *((400, "invalid_request", "exchange.subject_unknown"),) * 3,
    ]
    op.clock.advance(601)
    answer = await mutate(op, tokens["access_token"], PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_expired")
    assert services.asked == []


async def test_tx_M3_an_exchange_made_it(op: Installation) -> None:
    """M3: by the record; one that was mutated already, and what a refresh made of it, will do."""
    signed_in = (await tokens_of(op, "shop"))["access_token"]
    answer = await mutate(op, signed_in, PHOTOS)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_not_exchanged")
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    assert (await mutate(op, tokens["access_token"], PHOTOS)).status == 200
    assert (await mutate(op, tokens["access_token"], PHOTOS)).status == 200
    refreshed = (await op.refresh(tokens["refresh_token"], client_id="shop")).json()
    assert (await mutate(op, refreshed["access_token"], PHOTOS)).status == 200


async def test_tx_M4_only_its_own_and_those_of_mutate_for(op: Installation, services: Services) -> None:
    """M4: another client's token is refused, whatever else that client may."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    answer = await mutate(op, token, PHOTOS, "other")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_token")
    assert services.asked == []
    assert (await mutate(op, token, PHOTOS, "agent")).json()["scope"] == PHOTOS
    seen = await introspected(op, token, "shop")
    assert (seen["client_id"], seen["scope"]) == ("shop", PHOTOS)
    theirs = (await exchanged(op, client_id="other"))["access_token"]
    assert refusal(op, await mutate(op, theirs, PHOTOS, "agent"))[2] == "exchange.subject_other_clients_token"


async def test_tx_M4_the_owner_must_still_be_there(op: Installation) -> None:
    """M4: a client that was removed has no tokens to change."""
    token = (await exchanged(op))["access_token"]
    ticket = (await record_of(op, ACCESS, token)).ticket
    ticket = msgspec.structs.replace(ticket, client_id="gone", grant_id=random_id())
    minted = await op.minting.access_token(ticket, op.clients["shop"], TOKEN_EXCHANGE, op.clock())
    assert minted.record is not None
    await op.stores.tickets.commit(id=random_id(), now=op.clock(), add=(minted.record,))
    answer = await mutate(op, minted.value, PHOTOS, "agent")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_client_gone")


async def test_tx_M5_a_bound_token_needs_its_key(op: Installation, clock: FrozenClock) -> None:
    """M5: the same DPoP key now; the token stays bound to it, and a proof never binds one that was not."""
    prover, thief = Prover(clock), Prover(clock)
    url = ISSUER + "/token"
    code = await op.code("shop", confirmation=Confirmation(jkt=prover.jkt))
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
    }
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": basic_authorization("shop", SECRET),
        "dpop": prover.proof("POST", url),
    }
    body = encode({**form, "code_verifier": VERIFIER}.items()).encode()
    signed_in = (await op.provider.handle(HttpRequest.to("POST", url, headers=headers, body=body))).json()
    answer = await exchange_with(
        op,
        {"subject_token": signed_in["access_token"], "scope": PHOTOS},
        {"dpop": prover.proof("POST", url)},
        "shop",
    )
    token = answer.json()["access_token"]
    params = {"grant_type": MUTATE, "subject_token": token, "scope": PHOTOS}
    assert refusal(op, await mutate(op, token, PHOTOS)) == (
        400,
        "invalid_dpop_proof",
        "exchange.proof_missing",
    )
    answer = await exchange_with(op, params, {"dpop": thief.proof("POST", url)}, "shop")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.other_key")
    answer = await exchange_with(op, params, {"dpop": prover.proof("POST", url)}, "shop")
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")
    assert (await introspected(op, token, "shop"))["cnf"] == {"jkt": prover.jkt}
    free = (await exchanged(op))["access_token"]
    answer = await exchange_with(
        op, {**params, "subject_token": free}, {"dpop": thief.proof("POST", url)}, "shop"
    )
    assert (answer.status, answer.json()["token_type"]) == (200, "Bearer")
    assert "cnf" not in await introspected(op, free, "shop")


# -- M6 and M7 ---------------------------------------------------------------------------------------------------------


async def test_tx_M6_the_allow_lists_hold(op: Installation, services: Services) -> None:
    """M6: a service the client may not ask for is an error, and nobody is asked."""
    token = (await exchanged(op))["access_token"]
    services.asked.clear()
    answer = await mutate(op, token, f"{PHOTOS} {scope_of('payroll')}")
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.service_not_allowed")
    assert services.asked == []
    assert (await introspected(op, token, "shop"))["scope"] == f"read {PHOTOS}"


@pytest.mark.parametrize("service", ["payroll", "drive"])
async def test_tx_M6_who_works_for_another_needs_both_lists(op: Installation, service: str) -> None:
    """M6: payroll is the agent's only, drive the shop's only: neither gets into the shop's token this way."""
    token = (await exchanged(op))["access_token"]
    answer = await mutate(op, token, scope_of(service), "agent")
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.service_not_allowed")


async def test_tx_M6_one_that_must_answer_fails_the_request(op: Installation, services: Services) -> None:
    """M6: on_failure = "fail": 503, and the token is as it was."""
    token = (await exchanged(op))["access_token"]
    services.answers["photos"] = Unavailable(reason="timeout", required=True)
    answer = await mutate(op, token, PHOTOS)
    assert refusal(op, answer) == (503, "temporarily_unavailable", "exchange.service_timeout")
    assert (await introspected(op, token, "shop"))["scope"] == f"read {PHOTOS}"


async def three(op: Installation, services: Services) -> dict[str, Any]:
    """A token and a refresh token with three services in them."""
    for name in ("photos", "mail", "drive"):
        services.grant(name, claims={"of": name}, payload={"of": name})
    return await exchanged(op, f"read offline_access {PHOTOS} {MAIL} {DRIVE}")


@pytest.mark.parametrize("mode", [None, "replace"])
async def test_tx_M7_what_is_not_named_is_dropped(
    on_each_store: Installation, services: Services, mode: str | None
) -> None:
    """M7: replace: one that failed keeps what it said, one that denied loses it, one that is not named too."""
    op = on_each_store
    tokens = await three(op, services)
    services.answers |= {
        "photos": Granted(scopes=(ADMIN,), claims={"of": "anew"}),
        "mail": Unavailable(reason="timeout"),
    }
    answer = await mutate(op, tokens["access_token"], f"read {PHOTOS} {MAIL}", mode=mode)
    assert answer.json()["scope"] == f"read offline_access {ADMIN} {MAIL}"
    for value in (tokens["access_token"], tokens["refresh_token"]):
        seen = await introspected(op, value, "shop")
        assert seen["scope"] == f"read offline_access {ADMIN} {MAIL}"
        assert (seen["photos.of"], seen["mail.of"], "drive.of" in seen) == ("anew", "mail", False)
        assert seen["custom_payload"] == {"mail": {"of": "mail"}}
    services.answers["mail"] = Declined()
    assert (await mutate(op, tokens["access_token"], f"{PHOTOS} {MAIL}", mode=mode)).json()[
        "scope"
    ] == f"offline_access {ADMIN}"


async def test_tx_M7_merge_keeps_what_is_not_named(on_each_store: Installation, services: Services) -> None:
    """M7: mode=merge: photos is asked, and the others, and scopes of no service, stay."""
    op = on_each_store
    tokens = await three(op, services)
    services.asked.clear()
    services.answers["photos"] = Declined()
    answer = await mutate(op, tokens["access_token"], PHOTOS, mode="merge")
    assert answer.json()["scope"] == f"read offline_access {MAIL} {DRIVE}"
    assert services.asked == [("u-alice", {"photos": (PHOTOS,)})]
    seen = await introspected(op, tokens["access_token"], "shop")
    assert (seen["mail.of"], "photos.of" in seen) == ("mail", False)
    assert seen["custom_payload"] == {"mail": {"of": "mail"}, "drive": {"of": "drive"}}


async def test_tx_M7_merge_keeps_no_service_that_is_not_allowed_any_more(
    op: Installation, services: Services, clock: FrozenClock
) -> None:
    """M7, M6: what the client may not ask for is not kept on the side either; nor for who works for another."""
    tokens = await three(op, services)
    answer = await mutate(op, tokens["access_token"], PHOTOS, "agent", mode="merge")
    assert answer.json()["scope"] == f"read offline_access {PHOTOS} {MAIL}"


async def test_tx_M7_a_denial_takes_the_last_scope_too(op: Installation, services: Services) -> None:
    """M7: a consent that is withdrawn is withdrawn, and the answer says that nothing is left."""
    token = (await exchanged(op, PHOTOS))["access_token"]
    services.answers["photos"] = Declined()
    answer = await mutate(op, token, PHOTOS)
    assert (answer.status, answer.json()["scope"]) == (200, "")
    seen = await introspected(op, token, "shop")
    assert (seen["active"], "scope" in seen) == (True, False)


async def test_tx_M7_what_nobody_took_away_is_not_lost(op: Installation, services: Services) -> None:
    """M7: a request for nothing it could get, or for what is down, leaves the token as it was."""
    token = (await exchanged(op))["access_token"]
    services.answers["mail"] = Unavailable(reason="timeout")
    answer = await mutate(op, token, MAIL)
    assert refusal(op, answer) == (503, "temporarily_unavailable", "exchange.services_unavailable")
    for scope in ("profile", DRIVE, "offline_access"):
        answer = await mutate(op, token, scope)
        assert refusal(op, answer) == (400, "invalid_scope", "exchange.nothing_granted")
    assert (await introspected(op, token, "shop"))["scope"] == f"read {PHOTOS}"


# -- M8 to M10 ---------------------------------------------------------------------------------------------------------


async def test_tx_M8_both_records_change_and_nothing_else_of_them(
    on_each_store: Installation, services: Services
) -> None:
    """M8: iat, exp, iss, aud, act, cnf, auth_time, session and lifetimes stay; versions tell of one step."""
    op = on_each_store
    tokens = await exchanged(op, f"read offline_access {PHOTOS}", resource=API)
    before = [
        await record_of(op, ACCESS, tokens["access_token"]),
        await record_of(op, REFRESH, tokens["refresh_token"]),
    ]
    services.grant("photos", "admin", claims={"plan": "family"}, payload=7)
    op.clock.advance(30)
    assert (await mutate(op, tokens["access_token"], PHOTOS)).json()["scope"] == f"offline_access {ADMIN}"
    after = [
        await record_of(op, ACCESS, tokens["access_token"]),
        await record_of(op, REFRESH, tokens["refresh_token"]),
    ]
    for was, now in zip(before, after, strict=True):
        assert now.version == was.version + 1
        assert now.ticket.scopes == ("offline_access", ADMIN)
        assert dict(now.ticket.claims) == {"photos.plan": "family", "custom_payload": {"photos": 7}}
        decided = {
            name: getattr(was.ticket, name) for name in ("scopes", "claims", "destinations", "services")
        }
        restored = msgspec.structs.replace(now.ticket, **decided)
        assert msgspec.structs.replace(now, ticket=restored, version=was.version) == was
    refreshed = (await op.refresh(tokens["refresh_token"], client_id="shop")).json()
    assert refreshed["scope"] == f"offline_access {ADMIN}"
    seen = await introspected(op, refreshed["access_token"], "shop")
    assert (seen["photos.plan"], seen["custom_payload"], seen["aud"]) == ("family", {"photos": 7}, API)


async def test_tx_M8_the_audience_stays_where_it_followed_from_a_scope(op: Installation) -> None:
    """M8: aud: `read` is the API's; without it the token is still for the API, and so is what a refresh makes."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")
    before = await introspected(op, tokens["access_token"], "shop")
    assert (await mutate(op, tokens["access_token"], PHOTOS)).status == 200
    assert (await introspected(op, tokens["access_token"], "shop"))["aud"] == before["aud"] == API
    refreshed = (await op.refresh(tokens["refresh_token"], client_id="shop")).json()
    assert (await introspected(op, refreshed["access_token"], "shop"))["aud"] == API


async def test_tx_M8_a_refresh_token_that_ended_is_left_alone(op: Installation, clock: FrozenClock) -> None:
    """M8: offline_access is there exactly while the refresh token is."""
    tokens = await exchanged(op, f"{PHOTOS} offline_access")
    refresh = await record_of(op, REFRESH, tokens["refresh_token"])
    ended = msgspec.structs.replace(refresh, expires_at=op.clock() + timedelta(seconds=5))
    await op.stores.tickets.commit(id=random_id(), now=op.clock(), replace=(Change(refresh, ended),))
    op.clock.advance(6)
    answer = await mutate(op, tokens["access_token"], f"{PHOTOS} offline_access")
    assert answer.json()["scope"] == PHOTOS


async def test_tx_M8_a_narrowed_access_token_gains_nothing_from_its_refresh_token(
    op: Installation, services: Services
) -> None:
    """M8: each record is decided from what it had: neither gains from the other, an outage takes from neither."""
    tokens = await three(op, services)
    narrow = (await op.refresh(tokens["refresh_token"], client_id="shop", scope=PHOTOS)).json()
    services.answers["mail"] = Unavailable(reason="timeout")
    answer = await mutate(op, narrow["access_token"], f"read {PHOTOS} {MAIL}")
    assert answer.json()["scope"] == f"offline_access {PHOTOS}"
    kept = (await introspected(op, narrow["refresh_token"], "shop"))["scope"]
    assert kept == f"read offline_access {PHOTOS} {MAIL}"


async def test_tx_M9_what_the_answer_says(op: Installation) -> None:
    """M9: the same string, what it is, what is left of its life, its scope; never a refresh token."""
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")
    op.clock.advance(100)
    answer = await mutate(op, tokens["access_token"], f"read {PHOTOS}")
    assert answer.json() == {
        "access_token": tokens["access_token"],
        "token_type": "Bearer",
        "expires_in": 500,
        "scope": f"read offline_access {PHOTOS}",
        "issued_token_type": ACCESS_TOKEN,
    }
    assert answer.headers.get("cache-control") == "no-store"
    # The holder of the refresh token still has it.
    assert (await op.refresh(tokens["refresh_token"], client_id="shop")).status == 200


async def test_tx_M10_the_next_introspection_knows_and_the_audit_was_told(
    on_each_store: Installation, services: Services
) -> None:
    """M10: no cache of ours stands between, and nothing counts as issued."""
    op = on_each_store
    tokens = await exchanged(op, f"read offline_access {PHOTOS}")
    assert (await introspected(op, tokens["access_token"], "shop"))[
        "scope"
    ] == f"read offline_access {PHOTOS}"
    issued = len([event for event in op.audit if isinstance(event, TokenIssued)])
    services.answers["photos"] = Declined()
    assert (await mutate(op, tokens["access_token"], f"read {PHOTOS}", "agent")).status == 200
    assert (await introspected(op, tokens["access_token"], "shop"))["scope"] == "read offline_access"
    (told,) = changes(op)
    record = await record_of(op, ACCESS, tokens["access_token"])
    assert told == TokenMutated(
        client_id="agent",
        grant_type=MUTATE,
        grant_id=record.grant_id,
        subject="u-alice",
        before=("read", "offline_access", PHOTOS),
        after=("read", "offline_access"),
    )
    assert len([event for event in op.audit if isinstance(event, TokenIssued)]) == issued


async def test_tx_M10_the_event_of_an_exchange_amends_both_records_or_refuses(
    clock: FrozenClock, services: Services
) -> None:
    """E12 for a mutate: whoever limits exchanges limits this; what changes beside the token follows."""
    refuse = False

    async def limited(request: Any, ticket: Ticket) -> Ticket | None:
        if ticket.rewrites is None:
            return None
        if refuse:
            raise Refused(description="not on Sundays")
        scopes = (*(scope for scope in ticket.scopes if scope != ADMIN), "extra")
        return msgspec.structs.replace(ticket, scopes=scopes, claims={**ticket.claims, "seen": True})

    op = await mutating(
        memory_stores(clock), clock, services, events=ProviderEvents(grant_token_exchange=limited)
    )
    services.grant("photos")
    tokens = await exchanged(op, f"read write offline_access {PHOTOS}")
    services.grant("photos", "", "admin")
    answer = await mutate(op, tokens["access_token"], f"read {PHOTOS}")
    assert answer.json()["scope"] == f"read offline_access {PHOTOS} extra"
    for kind in ("access_token", "refresh_token"):
        record = await record_of(op, TokenKind(kind), tokens[kind])
        assert record.ticket.scopes == ("read", "offline_access", PHOTOS, "extra")
        assert record.ticket.claims["seen"] is True
    refuse = True
    answer = await mutate(op, tokens["access_token"], READ)
    assert refusal(op, answer)[:2] == (400, "invalid_request")
    assert answer.json()["error_description"] == "not on Sundays"
    assert (await introspected(op, tokens["access_token"], "shop"))[
        "scope"
    ] == f"read offline_access {PHOTOS} extra"
    assert (await exchange(op, tokens["access_token"], "shop", scope="read")).status == 200
