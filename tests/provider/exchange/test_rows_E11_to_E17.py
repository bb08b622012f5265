"""Token exchange, rows E11 to E17: scopes, targets, events, lifetimes, and what the answer says."""

from datetime import timedelta
from typing import Any

import pytest

from authwright.protocol.errors import Refused
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpResponse
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.exchange.exchanging import (
    ORDERS,
    Services,
    access_token,
    claims_of,
    exchange,
    exchanging,
    introspected,
    own_token,
    refusal,
    scope_of,
    sign_in,
    tokens_of,
)
from tests.provider.installation import API, ISSUER, Installation


async def test_tx_E11_scopes_are_narrowed_never_widened(op: Installation) -> None:
    """E11, T14 "scope growth": within what the subject token has."""
    token = await access_token(op, scopes=("openid", "read"))
    assert (await exchange(op, token, scope="read")).json()["scope"] == "read"
    for wider in ("write", "read write", "profile"):
        answer = await exchange(op, token, scope=wider)
        assert refusal(op, answer) == (400, "invalid_scope", "exchange.scope_beyond")


async def test_tx_E11_and_within_what_the_client_is_registered_for(op: Installation) -> None:
    """E11: others ⊆ client.allowed."""
    token = await access_token(op, scopes=("read", "write"))
    answer = await exchange(op, token, "gateway", scope="write")
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.scope_beyond")


async def test_tx_E11_without_scope_what_the_client_may_have_is_taken_over(op: Installation) -> None:
    """E11: requested ?? subject.scopes; not offline_access, which must be asked for; the answer says what."""
    token = await access_token(op, scopes=("openid", "read", "write", "offline_access"))
    assert (await exchange(op, token)).json()["scope"] == "openid read write"
    assert (await exchange(op, token, "gateway")).json()["scope"] == "openid read"
    token = await access_token(op, scopes=("write",))
    assert refusal(op, await exchange(op, token, "gateway")) == (
        400,
        "invalid_scope",
        "exchange.nothing_granted",
    )


async def test_tx_E11_targets_stay_within_the_subject_tokens(op: Installation) -> None:
    """E11, T14 "audience outside policy": audience ⊆ subject's, unless the client is registered to go further."""
    token = await access_token(op, resources=(API,))
    answer = await exchange(op, token, scope="read", resource=API)
    assert claims_of(answer.json()["access_token"])["aud"] == API
    for params in ({"resource": ORDERS}, {"audience": ORDERS}, {"audience": "api"}):
        answer = await exchange(op, token, scope="read", **params)
        assert refusal(op, answer) == (400, "invalid_target", "exchange.target_beyond_subject")


async def test_tx_E11_the_audience_is_kept_where_none_is_asked_for(op: Installation) -> None:
    """E11: an exchange without a target is no way out of one, whatever its scopes would be for."""
    answer = await exchange(op, await access_token(op, resources=(ORDERS,)), scope="read")
    assert claims_of(answer.json()["access_token"])["aud"] == ORDERS


async def test_tx_E11_exchange_to_lets_a_service_go_on_to_the_next(op: Installation) -> None:
    """E11 `may_widen_audience`, as the client's `exchange_to`: that resource, and its scopes."""
    token = await access_token(op, resources=(API,))
    answer = await exchange(op, token, "api", resource=ORDERS, scope="order")
    assert answer.status == 200, answer.body
    seen = await introspected(op, answer.json()["access_token"], "api")
    assert (seen["aud"], seen["scope"], seen["sub"]) == (ORDERS, "order", "u-alice")
    # The other resource's scopes come with it only.
    assert refusal(op, await exchange(op, token, "api", scope="order"))[2] == "exchange.scope_beyond"
    answer = await exchange(op, token, "api", resource=ORDERS, scope="write")
    assert refusal(op, answer)[2] == "exchange.scope_beyond"


async def test_tx_E12_the_event_amends_or_refuses(clock: FrozenClock, services: Services) -> None:
    """E12: after services decided; hook.error ?? invalid_request."""
    seen: list[Ticket] = []
    refuse: list[Refused] = []

    async def event(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Ticket | None:
        seen.append(ticket)
        if refuse:
            raise refuse[0]
        return None

    op = await exchanging(
        memory_stores(clock), clock, services, events=ProviderEvents(grant_token_exchange=event)
    )
    services.grant("photos")
    token = await access_token(op)
    assert (await exchange(op, token, scope=scope_of("photos"))).status == 200
    assert seen[0].scopes == (scope_of("photos"),)
    refuse.append(Refused(description="no"))
    assert refusal(op, await exchange(op, token))[:2] == (400, "invalid_request")
    refuse[0] = Refused("invalid_scope")
    assert refusal(op, await exchange(op, token))[:2] == (400, "invalid_scope")


async def test_tx_E12_an_event_may_take_scopes_away(clock: FrozenClock) -> None:
    """E12: what it returns is what is issued; the answer says so."""
    import msgspec

    async def event(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(ticket, scopes=("read",))

    op = await exchanging(memory_stores(clock), clock, events=ProviderEvents(grant_token_exchange=event))
    assert (await exchange(op, await access_token(op))).json()["scope"] == "read"


async def test_tx_E12_an_event_may_answer_itself(clock: FrozenClock) -> None:
    """E12: HttpResponse: handled; nothing is issued."""

    async def event(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> HttpResponse:
        return HttpResponse(418)

    op = await exchanging(memory_stores(clock), clock, events=ProviderEvents(grant_token_exchange=event))
    assert (await exchange(op, await access_token(op))).status == 418


async def test_tx_E15_nothing_outlives_the_subject_token(op: Installation, clock: FrozenClock) -> None:
    """E15: exp = min(now + lifetime, subject.exp)."""
    token = await access_token(op)
    clock.advance(timedelta(minutes=8))
    answer = await exchange(op, token)
    assert answer.json()["expires_in"] == 120
    assert claims_of(answer.json()["access_token"])["exp"] == claims_of(token)["exp"]
    clock.advance(timedelta(minutes=2, seconds=1))
    assert refusal(op, await exchange(op, token)) == (400, "invalid_request", "exchange.subject_expired")


async def test_tx_E15_unless_the_operator_lets_it(clock: FrozenClock) -> None:
    """E15: `outlive_subject`."""
    op = await exchanging(memory_stores(clock), clock, policy={"outlive_subject": True})
    token = await access_token(op)
    clock.advance(timedelta(minutes=8))
    assert (await exchange(op, token)).json()["expires_in"] == 600


async def test_tx_E15_a_refresh_token_is_issued_where_it_is_asked_for_and_may_be(op: Installation) -> None:
    """E15: offline_access granted, the client may refresh, nobody acts."""
    token = await access_token(op)
    assert "refresh_token" not in (await exchange(op, token, scope="read")).json()
    answer = (await exchange(op, token, scope="read offline_access")).json()
    assert (answer["scope"], "refresh_token" in answer) == ("read offline_access", True)
    refreshed = await op.refresh(answer["refresh_token"])
    assert (refreshed.status, refreshed.json()["scope"]) == (200, "read offline_access")
    assert "issued_token_type" not in refreshed.json()
    # A subject token without it, and a client that may not refresh.
    without = await access_token(op, scopes=("read",))
    assert refusal(op, await exchange(op, without, scope="read offline_access"))[:2] == (400, "invalid_scope")
    answer = (await exchange(op, token, "gateway", scope="read offline_access")).json()
    assert (answer["scope"], "refresh_token" in answer) == ("read", False)


async def test_tx_E15_no_refresh_token_where_the_operator_wants_none(clock: FrozenClock) -> None:
    """E15: `exchange_refresh`."""
    op = await exchanging(memory_stores(clock), clock, policy={"exchange_refresh": False})
    answer = (await exchange(op, await access_token(op), scope="read offline_access")).json()
    assert (answer["scope"], "refresh_token" in answer) == ("read", False)


async def test_tx_E15_a_refresh_token_lives_as_long_as_that_of_its_parent(
    op: Installation, clock: FrozenClock
) -> None:
    """E15: what was allowed offline is the parent's refresh token; its time is the end, however often it is used."""
    tokens = await tokens_of(op)
    clock.advance(timedelta(minutes=5))
    refresh = (await exchange(op, tokens["access_token"], scope="read offline_access")).json()[
        "refresh_token"
    ]
    parents = await introspected(op, tokens["refresh_token"])
    assert (await introspected(op, refresh))["exp"] == parents["exp"]
    clock.advance(timedelta(days=29))
    refreshed = (await op.refresh(refresh)).json()
    assert (await introspected(op, refreshed["refresh_token"]))["exp"] == parents["exp"]


async def test_tx_E15_a_refresh_token_may_be_all_that_is_asked_for(op: Installation) -> None:
    """E15, RFC 8693 §2.2.1: in access_token, with token_type N_A and its issued_token_type."""
    tokens = await tokens_of(op)
    answer = await exchange(op, tokens["access_token"], scope="read", requested_token_type=REFRESH_TOKEN)
    members = answer.json()
    assert (members["issued_token_type"], members["token_type"]) == (REFRESH_TOKEN, "N_A")
    assert "refresh_token" not in members
    refreshed = (await op.refresh(members["access_token"])).json()
    assert refreshed["scope"] == "read offline_access"
    assert (await introspected(op, refreshed["access_token"]))["sub"] == "u-alice"


async def test_tx_E15_an_id_token_is_not_an_access_token(op: Installation) -> None:
    """E15, RFC 8693 §2.2.1: in access_token, N_A; for the client that asked; no target can be named for it."""
    token = await access_token(op)
    answer = await exchange(op, token, requested_token_type=ID_TOKEN)
    members = answer.json()
    assert (members["issued_token_type"], members["token_type"], "id_token" in members) == (
        ID_TOKEN,
        "N_A",
        False,
    )
    claims = claims_of(members["access_token"])
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, "web", "u-alice")
    assert claims["exp"] <= claims_of(token)["exp"]
    answer = await exchange(op, token, requested_token_type=ID_TOKEN, audience=API)
    assert refusal(op, answer) == (400, "invalid_target", "exchange.id_token_target")


async def test_tx_E15_a_client_has_no_id_token(op: Installation) -> None:
    """E15: there is no user it could speak of."""
    answer = await exchange(op, await own_token(op, "web"), requested_token_type=ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_of_client")


async def test_tx_E16_what_the_token_says(op: Installation) -> None:
    """E16: sub, auth_time, acr, amr and sid of the subject token; issuer ours; client_id the requester."""
    token = await access_token(op)
    before = claims_of(token)
    answer = await exchange(op, token, "gateway", scope="read")
    after = claims_of(answer.json()["access_token"])
    for name in ("iss", "sub", "auth_time", "acr", "amr", "sid", "aud"):
        assert after[name] == before[name], name
    assert (after["client_id"], before["client_id"]) == ("gateway", "web")
    assert after["jti"] != before["jti"]


async def test_tx_bug_13_the_issuer_is_always_ours(op: Installation) -> None:
    """Defect 13: no parameter changes `iss`."""
    answer = await exchange(op, await access_token(op), issuer="https://else.example")
    assert claims_of(answer.json()["access_token"])["iss"] == ISSUER


async def test_tx_bug_24_amr_says_how_the_user_signed_in(op: Installation) -> None:
    """Defect 24: no grant marker in amr of a plain exchange; the record knows its origin."""
    answer = await exchange(op, await access_token(op), scope="read offline_access")
    assert claims_of(answer.json()["access_token"])["amr"] == ["pwd"]
    (summary,) = [grant for grant in await op.stores.tickets.grants(client_id="web") if "." in grant.grant_id]
    stored = await op.stores.tickets.current(summary.grant_id, TokenKind.ACCESS_TOKEN)
    assert stored is not None
    assert stored.origin_grant == TOKEN_EXCHANGE
    # A refresh keeps it.
    await op.refresh(answer.json()["refresh_token"])
    op.clock.advance(timedelta(seconds=1))
    refreshed = await op.stores.tickets.current(summary.grant_id, TokenKind.REFRESH_TOKEN)
    assert refreshed is not None
    assert refreshed.origin_grant == TOKEN_EXCHANGE


async def test_tx_E17_what_the_answer_says(op: Installation) -> None:
    """E17: access_token, issued_token_type, token_type, expires_in as a number, scope always; no-store."""
    answer = await exchange(op, await access_token(op), scope="read")
    assert answer.headers.get("cache-control") == "no-store"
    members = answer.json()
    assert set(members) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (members["issued_token_type"], members["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert type(members["expires_in"]) is int
    assert members["scope"] == "read"


async def test_tx_E17_discovery_names_the_grant(op: Installation) -> None:
    """The grant is listed since it is wired."""
    document = (await op.get("/.well-known/openid-configuration")).json()
    assert TOKEN_EXCHANGE in document["grant_types_supported"]


@pytest.mark.parametrize("client_id", ["web", "api"])
async def test_tx_E6_a_clients_own_token_stays_its_own(op: Installation, client_id: str) -> None:
    """E6, E16: a client_credentials token exchanged by its client is still no user's."""
    answer = await exchange(op, await own_token(op, client_id, "read write"), client_id, scope="read")
    seen = await introspected(op, answer.json()["access_token"], client_id)
    assert (seen["sub"], seen["scope"]) == (client_id, "read")
    assert "refresh_token" not in answer.json()


async def test_tx_E6_a_token_without_scopes_gives_one_without(op: Installation) -> None:
    """E11: nothing asked for, nothing there."""
    await sign_in(op)
    answer = await exchange(op, await access_token(op, scopes=()))
    assert (answer.status, "scope" in answer.json()) == (200, False)
