"""Rows 27 to 39 of the token table: what the grants give, the last looks, the tokens, the answer."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.protocol.http import PASS, json_response
from authwright.protocol.token import TokenResponse
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.serialization import Serialization
from authwright.provider.token_response import Issuance, TokenResponseGenerator
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.installation import CALLBACK, SECRET, Installation, install
from tests.provider.token.rows import (
    ALL_CLIENTS,
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

GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", CUSTOM)


def lived(lifetimes: dict[TokenKind, timedelta | None]) -> Any:
    async def event(request: Any, ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(ticket, lifetimes=lifetimes)

    return event


async def test_tok_27_new_tokens_get_their_own_lifetimes_unless_an_event_chose_one(
    clock: FrozenClock,
) -> None:
    """Row 27: the code's expiry is not the tokens'; a lifetime that an event sets is kept."""
    op = await provider(clock)
    assert (await op.redeem(await op.code())).json()["expires_in"] == 600
    chosen = lived({TokenKind.ACCESS_TOKEN: timedelta(seconds=33)})
    op = await provider(clock, events=ProviderEvents(grant_authorization_code=chosen))
    first = (await op.redeem(await op.code())).json()
    assert first["expires_in"] == 33
    # It was set on the ticket, so it is there again at the refresh.
    assert (await op.refresh(first["refresh_token"])).json()["expires_in"] == 33


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(
    ("grant", "event", "default"),
    [
        ("password", "grant_resource_owner_credentials", "invalid_grant"),
        ("client_credentials", "grant_client_credentials", "unauthorized_client"),
        (CUSTOM, "grant_custom_extension", "unsupported_grant_type"),
    ],
)
async def test_tok_28_tok_29_tok_30_the_other_grants_events_may_refuse(
    clock: FrozenClock, grant: str, event: str, default: str, choice: tuple[str | None, str, str]
) -> None:
    """Rows 28 to 30: each refuses with its own code, else the one of its grant."""
    op = await with_event(clock, event, refusal(choice))
    refused_as_chosen(await ask_for(op, grant), choice, default)


@pytest.mark.parametrize(
    ("grant", "event"),
    [
        ("password", "grant_resource_owner_credentials"),
        ("client_credentials", "grant_client_credentials"),
        (CUSTOM, "grant_custom_extension"),
    ],
)
async def test_tok_28_tok_29_tok_30_they_may_answer_or_pass_on(
    clock: FrozenClock, grant: str, event: str
) -> None:
    """Rows 28 to 30: an answer of its own, or the wrapped application's."""
    op = await with_event(clock, event, json_response(200, {"name": "Bob"}))
    assert (await ask_for(op, grant)).json() == {"name": "Bob"}
    op = await with_event(clock, event, PASS)
    assert (await ask_for(op, grant)).status == 404


async def test_tok_28_a_password_event_replaces_the_built_in_check(clock: FrozenClock) -> None:
    """Row 28: a ticket of the event stands for the accounts; None leaves it to them."""

    async def own(request: AuthenticatedTokenRequest[Any]) -> Ticket | None:
        if request.request.grant.username != "ldap":
            return None
        return Ticket(grant_id="g-1", client_id="owner", subject="u-ldap", scopes=("read",))

    op = await provider(clock, events=ProviderEvents(grant_resource_owner_credentials=own))
    answer = await op.post("/token", client_id="owner", grant_type="password", username="ldap", password="x")
    seen = (await op.post("/introspect", client_id="owner", token=answer.json()["access_token"])).json()
    assert seen["sub"] == "u-ldap"
    assert (await ask_for(op, "password")).status == 200
    refused(await op.post("/token", client_id="owner", **{**LOGIN, "password": "no"}), 400, "invalid_grant")


async def test_tok_29_a_client_may_be_given_less_or_claims_of_its_own(clock: FrozenClock) -> None:
    """Row 29: the built-in decides, the event amends."""

    async def amended(request: Any, ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(ticket, scopes=("read",))

    op = await provider(clock, events=ProviderEvents(grant_client_credentials=amended))
    assert (await ask_for(op, "client_credentials")).json()["scope"] == "read"


async def test_tok_30_nobody_serves_an_unknown_grant(clock: FrozenClock) -> None:
    """Row 30: no event, or one that gives nothing: unsupported_grant_type."""
    refused(await ask_for(await provider(clock), CUSTOM), 400, "unsupported_grant_type")
    op = await with_event(clock, "grant_custom_extension", None)
    refused(await ask_for(op, CUSTOM), 400, "unsupported_grant_type")


@pytest.mark.parametrize("grant", GRANTS)
async def test_tok_31_token_endpoint_has_the_last_look(clock: FrozenClock, grant: str) -> None:
    """Row 31: it may refuse, replace the ticket, answer itself or pass on, for every grant."""

    def on(outcome: Any) -> ProviderEvents:
        async def last(request: AuthenticatedTokenRequest[Any], ticket: Ticket | None) -> Any:
            if request.request.grant_type != grant:
                return None
            if isinstance(outcome, Exception):
                raise outcome
            return outcome(ticket) if callable(outcome) else outcome

        return ProviderEvents(grant_custom_extension=custom_ticket, token_endpoint=last)

    op = await provider(clock, events=on(refusal((None, "Not now.", ""))))
    refused(await ask_for(op, grant), 400, "invalid_grant", "Not now.")
    op = await provider(clock, events=on(lambda ticket: msgspec.structs.replace(ticket, scopes=("read",))))
    assert (await ask_for(op, grant)).json()["scope"] == "read"
    op = await provider(clock, events=on(json_response(200, {"name": "Bob"})))
    assert (await ask_for(op, grant)).json() == {"name": "Bob"}
    op = await provider(clock, events=on(PASS))
    assert (await ask_for(op, grant)).status == 404


@pytest.mark.parametrize("extension", [None, always(None)])
async def test_tok_31_it_may_supply_a_ticket_where_the_grant_gave_none(
    clock: FrozenClock, extension: Any
) -> None:
    """Row 31: it runs for a registered grant type without a ticket, and supplies one."""

    async def supply(request: AuthenticatedTokenRequest[Any], ticket: Ticket | None) -> Ticket | None:
        return ticket or await custom_ticket(request)

    overrides = {"token_endpoint": supply} | ({"grant_custom_extension": extension} if extension else {})
    op = await provider(clock, events=ProviderEvents(**overrides))
    assert (await ask_for(op, CUSTOM, scope="read")).json()["scope"] == "read"


async def test_tok_32_asos_36_still_no_ticket_is_our_fault(clock: FrozenClock) -> None:
    """Row 32: token_endpoint was asked for one and gave none: server_error, without a description."""
    op = await with_event(clock, "token_endpoint", None)
    refused(await ask_for(op, CUSTOM), 500, "server_error", "")
    # A grant type the client is not registered for is the client's mistake.
    refused(await op.post("/token", grant_type=CUSTOM), 400, "unsupported_grant_type")


@pytest.mark.parametrize("grant", ["authorization_code", "password", CUSTOM])
async def test_tok_33_asos_43_a_refresh_token_of_an_authenticated_client_is_confidential(
    clock: FrozenClock, grant: str
) -> None:
    """Row 33: the client authenticated, so the ticket is confidential, whoever made it, and stays so."""
    stores = memory_stores(clock)
    op = await provider(clock, stores=stores, events=ProviderEvents(grant_custom_extension=custom_ticket))
    scope = {} if grant == "authorization_code" else {"scope": "openid offline_access"}
    tokens = (await ask_for(op, grant, **scope)).json()
    name = {"password": "owner", CUSTOM: "custom"}.get(grant, "web")
    # The same client, public by now.
    public = client(name, redirect_uris=[CALLBACK], scope="openid profile offline_access read")
    later = await install(stores, clock, clients=(public,))
    body = f"grant_type=refresh_token&client_id={name}&refresh_token={tokens['refresh_token']}"
    description = "Client authentication is required to use the specified refresh token."
    refused(await later.post_raw("/token", body.encode(), FORM), 400, "invalid_grant", description)
    again = (await op.refresh(tokens["refresh_token"], client_id=name)).json()
    body = f"grant_type=refresh_token&client_id={name}&refresh_token={again['refresh_token']}"
    refused(await later.post_raw("/token", body.encode(), FORM), 400, "invalid_grant", description)


async def test_tok_34_asos_44_scopes_default_to_openid_when_it_was_asked_for(clock: FrozenClock) -> None:
    """Row 34: a ticket of a user without scopes, and openid in the request: openid; never for a client itself."""

    async def scopeless(request: AuthenticatedTokenRequest[Any]) -> Ticket:
        return Ticket(grant_id="g-1", client_id="custom", subject="u-alice")

    op = await provider(clock, events=ProviderEvents(grant_custom_extension=scopeless))
    members = (await ask_for(op, CUSTOM, scope="openid profile")).json()
    assert members["scope"] == "openid"
    assert "id_token" in members
    assert "scope" not in (await ask_for(op, CUSTOM, scope="profile")).json()
    alone = (await ask_for(op, "client_credentials", scope="read openid")).json()
    assert alone["scope"] == "read"
    assert "id_token" not in alone


WISHING = (
    *ALL_CLIENTS,
    client(
        "wishing",
        SECRET,
        redirect_uris=[CALLBACK],
        grant_types=["password", "refresh_token"],
        scope="openid offline_access read",
        token_response_type=True,
    ),
)


async def wish(op: Installation, response_type: str | None, client_id: str = "wishing") -> dict[str, Any]:
    extra = {} if response_type is None else {"response_type": response_type}
    params = {**LOGIN, "scope": "openid offline_access read", **extra}
    members: dict[str, Any] = (await op.post("/token", client_id=client_id, **params)).json()
    return members


@pytest.mark.parametrize(
    ("response_type", "given"),
    [
        (None, {"access_token", "id_token", "refresh_token"}),
        ("", {"access_token", "id_token", "refresh_token"}),
        ("token", {"access_token"}),
        ("id_token", {"id_token"}),
        ("refresh_token", {"refresh_token"}),
        ("refresh_token token", {"access_token", "refresh_token"}),
        ("id_token refresh_token token", {"access_token", "id_token", "refresh_token"}),
    ],
)
async def test_tok_35_a_client_with_the_policy_says_which_tokens_it_wants(
    clock: FrozenClock, response_type: str | None, given: set[str]
) -> None:
    """Row 35: response_type in any order; absent or empty means all."""
    op = await provider(clock, clients=WISHING)
    members = await wish(op, response_type)
    assert members.keys() & {"access_token", "id_token", "refresh_token"} == given
    if "access_token" not in given:
        assert members.keys().isdisjoint({"token_type", "expires_in"})
    if given == {"refresh_token"}:
        # The choice was for that response; the refresh token still gives everything.
        again = (await op.refresh(members["refresh_token"], client_id="wishing")).json()
        assert again.keys() >= {"access_token", "id_token", "refresh_token"}


@pytest.mark.parametrize("response_type", ["code", "token code", "TOKEN", " "])
async def test_tok_35_an_unknown_response_type_or_none_left_is_invalid_request(
    clock: FrozenClock, response_type: str
) -> None:
    """Row 35: unknown, or nothing but spaces: invalid_request."""
    op = await provider(clock, clients=WISHING)
    assert (await wish(op, response_type))["error"] == "invalid_request"
    # Everyone else's is ignored.
    assert "access_token" in await wish(op, response_type, "owner")


async def test_tok_35_asos_46_an_event_may_choose_the_tokens(clock: FrozenClock) -> None:
    """Row 35: token_endpoint sets `issues`, after the request's own choice."""

    async def chosen(request: Any, ticket: Ticket | None) -> Ticket | None:
        issues = frozenset({TokenKind.ID_TOKEN, TokenKind.REFRESH_TOKEN})
        return ticket and msgspec.structs.replace(ticket, issues=issues)

    op = await provider(clock, clients=WISHING, events=ProviderEvents(token_endpoint=chosen))
    members = await wish(op, "token")
    assert members.keys() & {"access_token", "id_token", "refresh_token"} == {"id_token", "refresh_token"}


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("serialize_access_token", "server_error"),
        ("serialize_identity_token", "server_error"),
        ("serialize_refresh_token", None),
    ],
)
async def test_tok_35_tok_36_tok_37_an_empty_token_is_our_fault_but_for_a_refresh_token(
    clock: FrozenClock, event: str, outcome: str | None
) -> None:
    """Rows 35 to 37: no valid access or ID token was made: server_error; a refresh token may be left out."""

    async def empty(making: Serialization) -> Serialization:
        return msgspec.structs.replace(making, value="")

    stores = memory_stores(clock)
    op = await provider(clock, stores=stores, events=ProviderEvents(**{event: empty}))
    code = await op.code()
    answer = await op.redeem(code)
    if outcome is None:
        assert answer.status == 200
        assert "refresh_token" not in answer.json()
        return
    refused(answer, 500, outcome, "")
    # A signer that fails burns nothing.
    assert (await (await provider(clock, stores=stores)).redeem(code)).status == 200


async def test_tok_36_openid_brings_an_id_token(op: Installation) -> None:
    """Row 36: an ID token when the ticket has openid, at refresh too, about the same sign-in."""
    first = (await op.redeem(await op.code())).json()
    assert "id_token" in first
    assert "id_token" in (await op.refresh(first["refresh_token"])).json()
    assert "id_token" not in (await op.redeem(await op.code(scopes=["read"]))).json()


async def test_tok_37_offline_access_brings_a_refresh_token_to_clients_that_may_use_it(
    clock: FrozenClock,
) -> None:
    """Row 37: when the ticket has offline_access and the client is registered for the refresh_token grant."""
    registered = (
        client("web", SECRET, redirect_uris=[CALLBACK], scope="openid offline_access"),
        client(
            "once",
            SECRET,
            redirect_uris=[CALLBACK],
            scope="openid offline_access",
            grant_types=["authorization_code"],
        ),
    )
    op = await provider(clock, clients=registered)
    both = ["openid", "offline_access"]
    assert "refresh_token" in (await op.redeem(await op.code(scopes=both))).json()
    assert "refresh_token" not in (await op.redeem(await op.code(scopes=["openid"]))).json()
    answer = await op.redeem(await op.code("once", scopes=both), client_id="once")
    assert "refresh_token" not in answer.json()


@pytest.mark.parametrize("grant", GRANTS)
async def test_tok_38_asos_37_asos_38_the_response_may_be_amended_answered_or_passed_on(
    clock: FrozenClock, grant: str
) -> None:
    """Row 38: typed extras, arrays too; an answer of its own; the wrapped application's; a refusal."""
    extras = {"custom_parameter": "custom_value", "list": ["one", "two"], "number": 3}

    async def amended(request: Any, ticket: Ticket, response: TokenResponse) -> TokenResponse:
        return msgspec.structs.replace(response, custom=extras)

    def on(event: Any) -> ProviderEvents:
        return ProviderEvents(grant_custom_extension=custom_ticket, token_endpoint_response=event)

    op = await provider(clock, events=on(amended))
    members = (await ask_for(op, grant)).json()
    assert {name: members[name] for name in extras} == extras
    if grant != "refresh_token":
        op = await provider(clock, events=on(always(json_response(200, {"name": "Bob"}))))
        assert (await ask_for(op, grant)).json() == {"name": "Bob"}
        op = await provider(clock, events=on(always(PASS)))
        assert (await ask_for(op, grant)).status == 404
        op = await provider(clock, events=on(always(refusal((None, "No.", "")))))
        refused(await ask_for(op, grant), 400, "invalid_request", "No.")


async def test_tok_38_a_clash_with_a_registered_member_burns_nothing(clock: FrozenClock) -> None:
    """Row 38: a custom member over a registered one is our fault, and found before anything is written."""
    stores = memory_stores(clock)

    async def clash(request: Any, ticket: Ticket, response: TokenResponse) -> TokenResponse:
        return msgspec.structs.replace(response, custom={"expires_in": 5})

    op = await provider(clock, stores=stores, events=ProviderEvents(token_endpoint_response=clash))
    code = await op.code()
    refused(await op.redeem(code), 500, "server_error", "")
    assert (await (await provider(clock, stores=stores)).redeem(code)).status == 200


class Slow:
    """A generator that waits until it is told to go on."""

    def __init__(self, inner: TokenResponseGenerator, reached: asyncio.Event, go_on: asyncio.Event) -> None:
        self.inner, self.reached, self.go_on = inner, reached, go_on

    async def process(self, request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Issuance:
        self.reached.set()
        await self.go_on.wait()
        return await self.inner.process(request, ticket)


async def test_tok_39_a_client_that_hangs_up_before_the_commit_burns_nothing(clock: FrozenClock) -> None:
    """Row 39: cancelled before the commit: the code is unspent, and gives tokens afterwards."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    op = await provider(clock, token_response=lambda inner: Slow(inner, reached, go_on))
    code = await op.code()
    hung_up = asyncio.create_task(op.redeem(code))
    await reached.wait()
    hung_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hung_up
    go_on.set()
    assert (await op.redeem(code)).status == 200


async def test_tok_39_a_commit_once_begun_finishes(op_on_each_store: Installation) -> None:
    """Row 39: cancelled at any moment: the code is spent with its tokens stored, or neither."""
    op = op_on_each_store
    spent = []
    for steps in (*range(0, 12, 2), None):
        grant_id = f"g-{steps}"
        code = await op.code(grant_id=grant_id)
        task = asyncio.create_task(op.redeem(code))
        if steps is None:
            await asyncio.wait({task}, timeout=20)
        for _ in range(steps or 0):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # What was begun is finished behind our back.
        await asyncio.sleep(0.05)
        stored = await op.stores.tickets.current(grant_id, TokenKind.REFRESH_TOKEN)
        spent.append(stored is not None)
        assert (await op.redeem(code)).status == (400 if stored is not None else 200)
    assert spent[0] is False
    assert spent[-1] is True


async def test_tok_39_a_success_is_200_json(op: Installation) -> None:
    """Row 39: 200, JSON, no-store."""
    answer = await op.redeem(await op.code())
    assert answer.status == 200
    assert (answer.headers.get("content-type") or "").startswith("application/json")
    assert answer.headers.get("cache-control") == "no-store"
