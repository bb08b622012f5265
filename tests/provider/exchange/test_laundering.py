"""Attacks on token exchange: a token that comes out worth more than what went in (T14, rows E6 to E18)."""

from datetime import timedelta
from typing import Any

import jwt
import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import encode
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.settings import Resource
from authwright.provider.subject_tokens import ValidatedToken
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Confirmation, Ticket, TokenKind
from tests.provider.client_authentication.assertions import OTHER_EC_KEY, claims
from tests.provider.exchange.exchanging import (
    EXCHANGES,
    IDP,
    RESOURCES,
    Services,
    access_token,
    allowing,
    claims_of,
    exchange,
    exchange_with,
    exchanging,
    introspected,
    minted_for,
    own_token,
    refusal,
    scope_of,
    sign_in,
    statement,
    tokens_of,
    with_may_act,
)
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, Installation
from tests.provider.sender_constrained.peers import certificate, thumbprint_of


async def test_sec_T14_an_id_token_that_an_exchange_gave_is_not_exchanged_again(op: Installation) -> None:
    """T14 "scope growth", "cnf lost": an ID token has no scopes, no targets and no record, so going through one would
    rid a token of all three. What a sign-in gave is exchanged as before."""
    await sign_in(op)
    tokens = await tokens_of(op, scopes=("openid", "read"), resources=(API,))
    narrow = tokens["access_token"]
    assert refusal(op, await exchange(op, narrow, scope="write"))[1] == "invalid_scope"
    laundered = (await exchange(op, narrow, requested_token_type=ID_TOKEN)).json()["access_token"]
    answer = await exchange(op, laundered, subject_token_type=ID_TOKEN, scope="write")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_exchanged")
    answer = await exchange(op, tokens["id_token"], subject_token_type=ID_TOKEN, scope="write")
    assert answer.status == 200, answer.body


async def test_sec_T14_no_id_token_comes_of_a_token_without_openid(op: Installation) -> None:
    """T14, OpenID Connect Core §3.1.2.1: nobody signed the user in with what openid stands for."""
    token = await access_token(op, scopes=("read",), resources=(API,))
    answer = await exchange(op, token, "api", requested_token_type=ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.scope_beyond")


async def test_sec_T14_a_clients_own_token_gives_no_refresh_token(op: Installation) -> None:
    """T14, RFC 6749 §4.4.3: a client that acts for itself has none, and gets none by asking for nothing else."""
    token = await own_token(op, "web", "read offline_access")
    answer = await exchange(op, token, requested_token_type=REFRESH_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_of_client")


async def test_tx_E15_a_lifetime_does_not_pass_that_of_the_resource(clock: FrozenClock) -> None:
    """E15: `access_token_lifetime` shortens; what an API says of tokens for it holds."""
    payments = Resource(
        uri="https://payments.example", scopes=("pay",), access_token_lifetime=timedelta(seconds=60)
    )
    web = client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="read pay",
        grant_types=EXCHANGES,
        exchange_to=(payments.uri,),
    )
    op = await exchanging(memory_stores(clock), clock, clients=(web,), resources=(*RESOURCES, payments))
    token = await access_token(op)
    for asked, given in ((None, 60), ("600", 60), ("30", 30)):
        answer = await exchange(op, token, resource=payments.uri, scope="pay", access_token_lifetime=asked)
        assert (answer.status, answer.json()["expires_in"]) == (200, given)


async def test_sec_T14_another_issuer_does_not_say_who_of_ours_acts(op: Installation) -> None:
    """T14 "impersonation when delegation asked": an `act` of ours is established here, by a token of the actor's."""
    ours = {"sub": "api", "iss": ISSUER}
    answer = await exchange(op, statement(op, act=ours), subject_token_type=JWT, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_not_theirs_to_name")
    # Who acted before is history, which gives nobody anything.
    theirs = {"sub": "robot", "act": ours}
    answer = await exchange(op, statement(op, act=theirs), subject_token_type=JWT, scope="read")
    assert claims_of(answer.json()["access_token"])["act"] == {
        "sub": "robot",
        "iss": IDP,
        "act": {"sub": "api"},
    }


class Robots:
    """Tokens of clients that are not ours."""

    token_type = "urn:example:robot"

    async def validate(self, request: AuthenticatedTokenRequest[Any], token: str) -> ValidatedToken:
        return ValidatedToken(
            issuer="urn:example:factory", subject="u-alice", of_client=True, scopes=("read",)
        )


async def test_sec_T14_another_issuers_client_is_nobody_here(clock: FrozenClock) -> None:
    """T14, RFC 9700 §4.15: the `sub` of another's client is neither a user of ours nor the client that asks."""
    op = await exchanging(
        memory_stores(clock), clock, clients=allowing(Robots.token_type), policy={"validators": (Robots(),)}
    )
    answer = await exchange(op, "r2", subject_token_type=Robots.token_type, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_client_subject")


async def test_sec_T14_another_issuers_clients_own_access_token_is_no_users(op: Installation) -> None:
    """T14, RFC 9068 §5: whoever may register a client called like our user there would be that user here."""

    async def bring(client_id: str) -> HttpResponse:
        members = {**claims(op, IDP, sub="u-alice"), "client_id": client_id}
        headers = {"kid": "idp-1", "typ": "at+jwt"}
        token = jwt.encode(members, OTHER_EC_KEY, algorithm="ES256", headers=headers)
        return await exchange(op, token, subject_token_type=JWT, scope="read")

    assert refusal(op, await bring("u-alice")) == (400, "invalid_request", "exchange.subject_client_subject")
    assert (await bring("shop")).status == 200


@pytest.mark.parametrize("token_type", [JWT, ID_TOKEN])
async def test_sec_J6_a_logout_token_without_its_typ_is_no_statement_of_a_user(
    op: Installation, token_type: str
) -> None:
    """J6 "logout token as ID token": RFC 8417 §2.2: it has `events`, whatever its header calls it."""
    events: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    answer = await exchange(op, statement(op, events=events), subject_token_type=token_type, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_events")


async def test_tx_E9_the_actors_certificate_binds_the_new_token(op: Installation, clock: FrozenClock) -> None:
    """E9, T14 "cnf lost": whose proof was needed to get it, theirs is needed to use it."""
    shown = certificate(clock)
    bound = Confirmation(x5t_s256=thumbprint_of(shown))
    own = Ticket(grant_id="g", client_id="web", scopes=("read",), confirmation=bound)
    params = {
        "subject_token": await access_token(op, **with_may_act({"sub": "web"})),
        "actor_token": await minted_for(op, own, op.clients["web"]),
        "actor_token_type": ACCESS_TOKEN,
        "scope": "read",
    }
    refused = await exchange_with(op, params, {})
    assert refusal(op, refused) == (400, "invalid_request", "exchange.other_certificate")
    answer = await exchange_with(op, params, {}, certificate=shown)
    assert claims_of(answer.json()["access_token"])["cnf"] == bound.claim()


@pytest.mark.parametrize("thumbprint", ["é" * 43, "x" * 43])
async def test_sec_T14_a_cnf_of_another_issuer_is_never_our_fault(
    op: Installation, clock: FrozenClock, thumbprint: str
) -> None:
    """T14: whatever stands in it, it is another certificate's."""
    params = {
        "subject_token": statement(op, cnf={"x5t#S256": thumbprint}),
        "subject_token_type": JWT,
        "scope": "read",
    }
    answer = await exchange_with(op, params, {}, certificate=certificate(clock))
    assert refusal(op, answer) == (400, "invalid_request", "exchange.other_certificate")


async def test_tx_E18_no_id_token_comes_of_a_grant_that_was_revoked_meanwhile(
    each_store: Stores, clock: FrozenClock
) -> None:
    """E18, T14: an ID token has no record, but what it is made from has: a revocation that came first wins."""

    async def event(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> None:
        await each_store.tickets.revoke(now=request.now, subject="u-alice")

    op = await exchanging(each_store, clock, events=ProviderEvents(grant_token_exchange=event))
    answer = await exchange(op, await access_token(op), requested_token_type=ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "grant.revoked")


async def test_sec_T14_a_token_too_long_to_be_shown_is_not_a_jwt(
    op: Installation, services: Services
) -> None:
    """T14, D11: what services say of a user may be long; a token that no request can carry could never be revoked."""
    services.grant("photos", payload={"albums": ["a" * 40] * 180})
    token = (await exchange(op, await access_token(op), scope=scope_of("photos"))).json()["access_token"]
    assert len(token) <= 8192
    seen = await introspected(op, token)
    assert (seen["active"], seen["scope"]) == (True, scope_of("photos"))
    assert seen["custom_payload"] == {"photos": {"albums": ["a" * 40] * 180}}
    assert (await op.post("/revoke", token=token)).status == 200
    assert not await op.is_active(token)


async def test_tx_E17_response_type_takes_no_token_out_of_an_answer(clock: FrozenClock) -> None:
    """E17, RFC 8693 §2.2.1: access_token is REQUIRED; what it is, requested_token_type says."""
    web = client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid read",
        grant_types=EXCHANGES,
        token_response_type=True,
    )
    op = await exchanging(memory_stores(clock), clock, clients=(web,))
    answer = await exchange(op, await access_token(op), response_type="id_token")
    assert (answer.status, "access_token" in answer.json(), "id_token" in answer.json()) == (200, True, False)


async def test_tx_E15_a_refresh_token_is_never_issued_dead(op: Installation) -> None:
    """E15: where the parent's refresh token ended before its access token, the child's ends with that one."""
    tokens = await tokens_of(op, lifetimes={TokenKind.REFRESH_TOKEN: timedelta(seconds=60)})
    op.clock.advance(timedelta(seconds=61))
    answer = (await exchange(op, tokens["access_token"], scope="read offline_access")).json()
    assert (await op.refresh(answer["refresh_token"])).status == 200


async def test_sec_T14_what_an_authenticated_client_obtained_is_nothing_for_a_public_one(
    clock: FrozenClock,
) -> None:
    """T14: though public clients may exchange, and this one may what that client got."""
    web = client("web", SECRET, redirect_uris=[CALLBACK], scope="openid read")
    spa = client(
        "spa", redirect_uris=[CALLBACK], scope="openid read", grant_types=EXCHANGES, exchange_from=("web",)
    )
    op = await exchanging(
        memory_stores(clock), clock, clients=(web, spa), policy={"allow_public_exchange": True}
    )
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "client_id": "spa",
        "subject_token": await access_token(op),
        "subject_token_type": ACCESS_TOKEN,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await op.post_raw("/token", encode(form.items()).encode(), headers)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_confidential")


async def test_sec_T14_an_id_token_ends_with_the_time_of_its_session(op: Installation) -> None:
    """T14: a session that is over is over, though nobody ended it."""
    tokens = await tokens_of(op)
    await sign_in(op, lasts=timedelta(seconds=30))
    params = {"subject_token_type": ID_TOKEN, "scope": "read"}
    assert (await exchange(op, tokens["id_token"], **params)).status == 200
    op.clock.advance(timedelta(seconds=31))
    answer = await exchange(op, tokens["id_token"], **params)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_signed_out")


async def test_sec_T14_an_actor_who_is_gone_acts_for_nobody(op: Installation) -> None:
    """T14 "disabled user": the actor's account is looked at as the subject's is."""
    own = Ticket(grant_id="g", client_id="web", subject="u-bob", scopes=("read",))
    params = {
        "actor_token": await minted_for(op, own, op.clients["web"]),
        "actor_token_type": ACCESS_TOKEN,
        "scope": "read",
    }
    answer = await exchange(op, await access_token(op, **with_may_act({"sub": "u-bob"})), **params)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_user_gone")


async def test_tx_E10_who_acts_is_not_itself_acted_for(op: Installation) -> None:
    """E10: an actor token with an `act` would lose who really asks, so it is refused."""
    own = Ticket(grant_id="g", client_id="web", scopes=("read",), act={"sub": "robot"})
    params = {
        "actor_token": await minted_for(op, own, op.clients["web"]),
        "actor_token_type": ACCESS_TOKEN,
        "scope": "read",
    }
    answer = await exchange(op, await access_token(op, **with_may_act({"sub": "web"})), **params)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.actor_itself_acted_for")


async def test_tx_E18_a_ticket_that_an_event_made_anew_ends_with_the_parent(clock: FrozenClock) -> None:
    """E18, E12: an event says what is granted; what it is made from stays decided."""

    async def event(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Ticket:
        return Ticket(grant_id="anew", client_id=ticket.client_id, subject=ticket.subject, scopes=("read",))

    op = await exchanging(memory_stores(clock), clock, events=ProviderEvents(grant_token_exchange=event))
    tokens = await tokens_of(op)
    child = (await exchange(op, tokens["access_token"])).json()["access_token"]
    assert await op.is_active(child)
    await op.post("/revoke", token=tokens["refresh_token"])
    assert not await op.is_active(child)
