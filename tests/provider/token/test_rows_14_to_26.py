"""Rows 14 to 26 of the token table: what is redeemed, and what may be asked for with it."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.protocol.errors import Refused
from authwright.protocol.http import PASS, HttpRequest, json_response
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.serialization import Deserialized
from authwright.stores.protocols import Change
from authwright.testing.clock import FrozenClock
from authwright.ticket import StoredTicket, Ticket, TokenKind
from tests.provider.installation import API, SECRET, VERIFIER, Installation
from tests.provider.token.rows import (
    CHOICES,
    CUSTOM,
    FORM,
    LOGIN,
    always,
    ask_for,
    custom_ticket,
    provider,
    refusal,
    refused,
    refused_as_chosen,
    with_event,
)

WRONG_VERIFIER = "w" * 43
GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", CUSTOM)


def events(**overrides: Any) -> ProviderEvents:
    return ProviderEvents(grant_custom_extension=custom_ticket, **overrides)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("grant", GRANTS)
async def test_tok_14_tok_25_asos_11_validate_token_request_may_refuse(
    clock: FrozenClock, grant: str, choice: tuple[str | None, str, str]
) -> None:
    """Rows 14 and 25: for every grant the event refuses with its own code, else invalid_request."""
    seen: list[str] = []

    async def policy(request: AuthenticatedTokenRequest[Any], found: StoredTicket | None) -> None:
        seen.append(request.request.grant_type)
        if request.request.grant_type == grant:
            raise refusal(choice)

    op = await provider(clock, events=events(validate_token_request=policy))
    refused_as_chosen(await ask_for(op, grant), choice, "invalid_request")
    assert seen[-1] == grant


@pytest.mark.parametrize("grant", ["client_credentials", "password", CUSTOM])
async def test_tok_14_asos_12_asos_13_it_may_answer_or_pass_on(clock: FrozenClock, grant: str) -> None:
    """Row 14: an answer of its own goes out, PASS leaves the request to the wrapped application."""
    for outcome, status in ((json_response(200, {"name": "Bob"}), 200), (PASS, 404)):
        op = await provider(clock, events=events(validate_token_request=always(outcome)))
        answer = await ask_for(op, grant)
        assert answer.status == status
        assert b"access_token" not in answer.body


async def test_tok_14_built_in_checks_come_before_the_event(clock: FrozenClock) -> None:
    """Row 14: unknown grant, grant not allowed, scope not allowed: the event is not asked."""
    asked: list[str] = []

    async def policy(request: AuthenticatedTokenRequest[Any], found: StoredTicket | None) -> None:
        asked.append(request.request.grant_type)

    op = await provider(clock, events=ProviderEvents(validate_token_request=policy))
    refused(await op.post("/token", grant_type="urn:unknown"), 400, "unsupported_grant_type")
    refused(await op.post("/token", grant_type="client_credentials"), 400, "unauthorized_client")
    refused(await ask_for(op, "client_credentials", scope="admin"), 400, "invalid_scope")
    refused(await ask_for(op, "password", scope="admin"), 400, "invalid_scope")
    assert asked == []


async def test_tok_14_for_other_grants_the_event_comes_before_anything_is_granted(clock: FrozenClock) -> None:
    """Row 14: before the password is looked at; `found` is None."""
    seen: list[StoredTicket | None] = []

    async def policy(request: AuthenticatedTokenRequest[Any], found: StoredTicket | None) -> None:
        seen.append(found)
        raise Refused("by_policy")

    op = await provider(clock, events=ProviderEvents(validate_token_request=policy))
    answer = await op.post("/token", client_id="owner", **{**LOGIN, "password": "wrong"})
    refused(answer, 400, "by_policy")
    assert seen == [None]


@pytest.mark.parametrize("code", ["x", "ac_" + "0" * 10 + "A" * 47, "a.b.c", "ü"])
async def test_tok_15_asos_18_an_unknown_code_is_invalid_grant(op: Installation, code: str) -> None:
    """Row 15: no ticket for the code: invalid_grant."""
    refused(await op.redeem(code), 400, "invalid_grant", "The specified authorization code is invalid.")


@pytest.mark.parametrize("token", ["x", "rt_" + "0" * 10 + "A" * 47, "a.b.c"])
async def test_tok_15_asos_19_an_unknown_refresh_token_is_invalid_grant(op: Installation, token: str) -> None:
    """Row 15: no ticket for the refresh token: invalid_grant."""
    refused(await op.refresh(token), 400, "invalid_grant", "The specified refresh token is invalid.")


async def test_tok_15_the_deserialize_events_come_first(clock: FrozenClock) -> None:
    """Row 15: deserialize_authorization_code and deserialize_refresh_token bring a ticket; then the store is asked."""
    op = await provider(clock)
    now = op.clock()
    ticket = Ticket(
        grant_id="g-own",
        client_id="web",
        subject="u-alice",
        scopes=("openid", "read"),
        presenters=frozenset({"web"}),
    )

    async def own(value: str) -> Deserialized | None:
        if value != "my-own-format":
            return None
        return Deserialized(ticket=ticket, issued_at=now, expires_at=now + timedelta(minutes=1))

    op = await provider(clock, events=ProviderEvents(deserialize_refresh_token=own))
    assert (await op.refresh("my-own-format")).status == 200
    assert (await ask_for(op, "refresh_token")).status == 200


async def test_tok_16_asos_21_an_expired_code_is_no_longer_valid(op: Installation) -> None:
    """Row 16: past its time: invalid_grant; the moment of expiry itself is still good."""
    first, second = await op.code(), await op.code()
    op.clock.advance(60)
    assert (await op.redeem(first)).status == 200
    op.clock.advance(timedelta(microseconds=1))
    description = "The specified authorization code is no longer valid."
    refused(await op.redeem(second), 400, "invalid_grant", description)


async def test_tok_16_asos_22_an_expired_refresh_token_is_no_longer_valid(op: Installation) -> None:
    """Row 16: past its time: invalid_grant."""
    first = (await op.redeem(await op.code())).json()
    op.clock.advance(30 * 86400 + 1)
    description = "The specified refresh token is no longer valid."
    refused(await op.refresh(first["refresh_token"]), 400, "invalid_grant", description)


async def test_tok_16_without_an_expiry_a_token_never_expires(clock: FrozenClock) -> None:
    """Row 16: no expiry: for ever (the successor of the reference; it counted as expired before)."""
    forever = {TokenKind.REFRESH_TOKEN: None}
    op = await provider(clock)
    first = (await op.redeem(await op.code(lifetimes=forever))).json()
    op.clock.advance(9 * 365 * 86400)
    assert (await op.refresh(first["refresh_token"])).status == 200


async def test_tok_17_asos_20_a_confidential_refresh_token_needs_client_authentication(
    clock: FrozenClock,
) -> None:
    """Row 17: the ticket is confidential and the client did not authenticate: invalid_grant, before row 16."""
    op = await provider(clock)
    code = await op.code("spa", confidential=True)
    body = f"grant_type=authorization_code&client_id=spa&code={code}&code_verifier={VERIFIER}"
    tokens = (await op.post_raw("/token", body.encode(), FORM)).json()
    body = f"grant_type=refresh_token&client_id=spa&refresh_token={tokens['refresh_token']}"
    description = "Client authentication is required to use the specified refresh token."
    refused(await op.post_raw("/token", body.encode(), FORM), 400, "invalid_grant", description)
    op.clock.advance(40 * 86400)
    refused(await op.post_raw("/token", body.encode(), FORM), 400, "invalid_grant", description)


async def test_tok_17_a_client_that_is_known_to_be_confidential_is_invalid_client(op: Installation) -> None:
    """Row 17: a confidential client that names itself without its secret is 401 invalid_client."""
    first = (await op.redeem(await op.code())).json()
    body = f"grant_type=refresh_token&client_id=web&refresh_token={first['refresh_token']}"
    refused(await op.post_raw("/token", body.encode(), FORM), 401, "invalid_client")


async def test_tok_18_asos_23_a_code_without_presenters_is_our_fault(op: Installation) -> None:
    """Row 18: server_error."""
    refused(await op.redeem(await op.code(presenters=frozenset())), 500, "server_error", "")


async def test_tok_19_a_code_without_a_client_is_not_even_looked_at(op: Installation) -> None:
    """Row 19: client_id is mandatory, and the code is not touched."""
    code = await op.code("spa")
    body = f"grant_type=authorization_code&code={code}&code_verifier={VERIFIER}"
    description = "The mandatory 'client_id' parameter is missing."
    refused(await op.post_raw("/token", body.encode(), FORM), 400, "invalid_request", description)
    assert (await op.post_raw("/token", f"{body}&client_id=spa".encode(), FORM)).status == 200


async def test_tok_20_asos_24_a_code_of_another_client_is_refused_and_lives_on(op: Installation) -> None:
    """Row 20: client_id is not among the presenters: invalid_grant; a wrong client never burns a code."""
    code = await op.code()
    description = "The specified authorization code cannot be used by this client application."
    refused(await op.redeem(code, client_id="other"), 400, "invalid_grant", description)
    assert (await op.redeem(code)).status == 200


async def test_tok_20_asos_25_a_refresh_token_of_another_client_is_refused_and_lives_on(
    op: Installation,
) -> None:
    """Row 20: the same for a refresh token, and one without a client_id is invalid_request."""
    token = (await op.redeem(await op.code())).json()["refresh_token"]
    description = "The specified refresh token cannot be used by this client application."
    refused(await op.refresh(token, client_id="other"), 400, "invalid_grant", description)
    body = f"grant_type=refresh_token&refresh_token={token}"
    refused(await op.post_raw("/token", body.encode(), FORM), 400, "invalid_request")
    assert (await op.refresh(token)).status == 200


async def test_tok_20_presenters_are_compared_exactly(op: Installation) -> None:
    """Row 20: ordinal comparison; a second presenter may redeem."""
    code = await op.code(presenters=frozenset({"WEB", "other"}))
    refused(await op.redeem(code), 400, "invalid_grant")
    assert (await op.redeem(code, client_id="other")).status == 200


async def test_tok_21_asos_26_the_redirect_uri_of_an_unbound_code_is_mandatory(op: Installation) -> None:
    """Row 21: never with neither PKCE nor redirect_uri; with PKCE it may be left out (OAuth 2.1 §10.2)."""
    unbound = await op.code("lax", challenge=None, scopes=["openid"])
    answer = await op.redeem(unbound, client_id="lax", redirect_uri=None, code_verifier=None)
    refused(answer, 400, "invalid_request", "The mandatory 'redirect_uri' parameter is missing.")
    assert (await op.redeem(unbound, client_id="lax", code_verifier=None)).status == 200
    assert (await op.redeem(await op.code(), redirect_uri=None)).status == 200


async def test_tok_21_asos_27_another_redirect_uri_is_refused_and_burns_nothing(op: Installation) -> None:
    """Row 21: different as text: invalid_grant; a wrong redirect never burns a code."""
    code = await op.code()
    answer = await op.redeem(code, redirect_uri="https://app.example/other")
    description = (
        "The specified 'redirect_uri' parameter doesn't match the client redirection endpoint "
        "the authorization code was initially sent to."
    )
    refused(answer, 400, "invalid_grant", description)
    assert (await op.redeem(code)).status == 200


async def test_tok_22_asos_28_a_missing_verifier_is_invalid_grant_and_burns_nothing(op: Installation) -> None:
    """Row 22: challenge stored, no verifier: invalid_grant (the reference's successor: invalid_request)."""
    code = await op.code()
    answer = await op.redeem(code, code_verifier=None)
    refused(answer, 400, "invalid_grant", "The mandatory 'code_verifier' parameter is missing.")
    assert (await op.redeem(code)).status == 200


@pytest.mark.parametrize("verifier", [WRONG_VERIFIER, "short", VERIFIER + "!", "x" * 129])
async def test_tok_22_asos_29_a_wrong_verifier_is_invalid_grant_and_burns_nothing(
    op: Installation, verifier: str
) -> None:
    """Row 22: wrong, or off the grammar of 43 to 128 unreserved characters: invalid_grant."""
    code = await op.code()
    answer = await op.redeem(code, code_verifier=verifier)
    refused(answer, 400, "invalid_grant", "The specified 'code_verifier' parameter is invalid.")
    assert (await op.redeem(code)).status == 200


async def test_tok_22_asos_30_the_right_verifier_gives_tokens(op: Installation) -> None:
    """Row 22: S256, with the pair of RFC 7636 Appendix B."""
    code = await op.code(challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    answer = await op.redeem(code, code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert "access_token" in answer.json()


async def test_tok_22_an_unexpected_verifier_is_refused_and_burns_nothing(op: Installation) -> None:
    """Row 22, RFC 9700 §2.1.1: a verifier for a code without a challenge is a downgrade."""
    code = await op.code("lax", challenge=None, scopes=["openid"])
    refused(await op.redeem(code, client_id="lax"), 400, "invalid_grant")
    assert (await op.redeem(code, client_id="lax", code_verifier=None)).status == 200


@pytest.mark.parametrize("resource", ["https://c.example", "https://api.example/", API.upper()])
async def test_tok_23_a_resource_beyond_the_grant_is_invalid_target(op: Installation, resource: str) -> None:
    """Row 23: not among the granted: invalid_target, also when none was granted; nothing is burned."""
    granted = await op.code(resources=(API, "https://b.example"))
    refused(await op.redeem(granted, resource=resource), 400, "invalid_target")
    refused(await op.redeem(await op.code(), resource=resource), 400, "invalid_target")
    assert (await op.redeem(granted, resource=[API, "https://b.example"])).status == 200


async def test_tok_23_a_resource_narrows_the_access_token_only(op: Installation) -> None:
    """Row 23: within the grant it narrows this access token, and the refresh token keeps all."""
    granted = await op.code(resources=(API, "https://b.example"))
    tokens = (await op.redeem(granted, resource="https://b.example")).json()
    seen = (await op.post("/introspect", token=tokens["access_token"])).json()
    assert seen["aud"] == "https://b.example"
    again = (await op.refresh(tokens["refresh_token"])).json()
    seen = (await op.post("/introspect", token=again["access_token"])).json()
    assert seen["aud"] == [API, "https://b.example"]


async def test_tok_24_asos_31_a_scope_where_none_was_granted_is_invalid_scope(clock: FrozenClock) -> None:
    """Row 24: scope sent and none granted: invalid_scope (the reference: invalid_grant)."""
    op = await provider(clock)
    first = (await op.redeem(await op.code())).json()
    without = await op.stores.tickets.current((await last_grant(op)), TokenKind.REFRESH_TOKEN)
    assert without is not None
    bare = msgspec.structs.replace(without, ticket=msgspec.structs.replace(without.ticket, scopes=()))
    await op.stores.tickets.commit(id="t", now=op.clock(), replace=(Change(without, bare),))
    answer = await op.refresh(first["refresh_token"], scope="profile phone")
    refused(answer, 400, "invalid_scope", "The 'scope' parameter is not valid in this context.")


async def last_grant(op: Installation) -> str:
    return (await op.stores.tickets.grants(subject="u-alice"))[-1].grant_id


async def test_tok_24_asos_32_a_scope_beyond_the_grant_is_invalid_scope(op: Installation) -> None:
    """Row 24: not a subset: invalid_scope, and the refresh token still works."""
    first = (await op.redeem(await op.code())).json()
    answer = await op.refresh(first["refresh_token"], scope="profile phone")
    refused(answer, 400, "invalid_scope", "The specified 'scope' parameter is invalid.")
    refused(await op.refresh(first["refresh_token"], scope="read  profile"), 400, "invalid_scope")
    assert (await op.refresh(first["refresh_token"], scope="read read")).json()["scope"] == "read"


async def test_tok_24_scope_is_no_parameter_of_the_code_grant(op: Installation) -> None:
    """Row 24: ignored there."""
    answer = await op.redeem(await op.code(scopes=["openid", "read"]), scope="admin")
    assert answer.json()["scope"] == "openid read"


async def test_tok_25_for_code_and_refresh_the_event_sees_what_was_found_and_checked(
    clock: FrozenClock,
) -> None:
    """Row 25: asked after the checks of rows 15 to 24, with the ticket; a refusal burns nothing."""
    seen: list[StoredTicket | None] = []

    async def policy(request: AuthenticatedTokenRequest[Any], found: StoredTicket | None) -> None:
        seen.append(found)
        if len(seen) == 1:
            raise Refused()

    op = await provider(clock, events=ProviderEvents(validate_token_request=policy))
    refused(await op.redeem("unknown"), 400, "invalid_grant")
    code = await op.code()
    refused(await op.redeem(code, code_verifier=WRONG_VERIFIER), 400, "invalid_grant")
    assert seen == []
    refused(await op.redeem(code), 400, "invalid_request")
    tokens = (await op.redeem(code)).json()
    refused(await op.refresh(tokens["refresh_token"], scope="admin"), 400, "invalid_scope")
    assert (await op.refresh(tokens["refresh_token"])).status == 200
    assert [found.kind for found in seen if found] == [
        TokenKind.AUTHORIZATION_CODE,
        TokenKind.AUTHORIZATION_CODE,
        TokenKind.REFRESH_TOKEN,
    ]


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
async def test_tok_26_asos_33_the_grant_events_may_refuse(
    clock: FrozenClock, grant: str, choice: tuple[str | None, str, str]
) -> None:
    """Row 26: grant_authorization_code and grant_refresh_token refuse with their own code, else invalid_grant."""
    op = await with_event(clock, f"grant_{grant}", refusal(choice))
    refused_as_chosen(await ask_for(op, grant), choice, "invalid_grant")


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
async def test_tok_26_asos_34_asos_35_they_may_swap_the_ticket_answer_or_pass_on(
    clock: FrozenClock, grant: str
) -> None:
    """Row 26: a ticket in its place, an answer of its own, or none."""
    for outcome, status in ((json_response(200, {"name": "Bob"}), 200), (PASS, 404)):
        op = await with_event(clock, f"grant_{grant}", outcome)
        assert (await ask_for(op, grant)).status == status

    async def swapped(request: Any, ticket: Ticket) -> Ticket:
        return Ticket(grant_id=ticket.grant_id, client_id="web", subject="u-alice", scopes=("read",))

    op = await provider(clock, events=ProviderEvents(**{f"grant_{grant}": swapped}))
    assert (await ask_for(op, grant)).json()["scope"] == "read"


async def test_tok_26_pass_is_no_answer_of_ours(clock: FrozenClock) -> None:
    """Row 26: the wrapped application answers what an event passed on."""
    op = await with_event(clock, "grant_client_credentials", PASS)
    body = b"grant_type=client_credentials&client_id=poster&client_secret=" + SECRET.encode()
    request = HttpRequest.to("POST", "https://op.example/token", headers=FORM, body=body)
    assert await op.provider.try_handle(request) is None
