"""Events at the token endpoint: what each may do, and that nothing is spent by a refusal."""

import asyncio
from typing import Any

import msgspec
import pytest

from authwright.protocol.errors import Refused
from authwright.protocol.http import PASS, HttpResponse, Pass, json_response
from authwright.protocol.token import TokenResponse
from authwright.provider.events import EVENT_NAMES, ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.installation import Installation, install

DEFAULTS = {
    "validate_client_authentication": (401, "invalid_client"),
    "validate_token_request": (400, "invalid_request"),
    "grant_authorization_code": (400, "invalid_grant"),
    "token_endpoint": (400, "invalid_grant"),
    "token_endpoint_response": (400, "invalid_request"),
}


async def with_event(clock: FrozenClock, name: str, outcome: Any) -> Installation:
    """A provider on whose event `name` returns, or raises, `outcome`."""

    async def event(*_: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return await install(memory_stores(clock), clock, events=ProviderEvents(**{name: event}))


@pytest.mark.parametrize(("name", "expected"), DEFAULTS.items())
async def test_a_refusal_takes_the_events_default_code_and_spends_nothing(
    clock: FrozenClock, name: str, expected: tuple[int, str]
) -> None:
    """`Refused()` without a code."""
    op = await with_event(clock, name, Refused(description="Not today."))
    code = await op.code()
    for _ in range(2):
        answer = await op.redeem(code)
        assert (answer.status, answer.json()) == (
            expected[0],
            {"error": expected[1], "error_description": "Not today."},
        )


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refused("custom_error", "Custom.", "https://op.example/why"), 400),
        (Refused("invalid_client"), 401),
        (Refused("server_error"), 500),
        (Refused("temporarily_unavailable"), 503),
    ],
)
async def test_a_refusal_may_choose_its_code_description_and_uri(
    clock: FrozenClock, name: str, refusal: Refused, status: int
) -> None:
    """Any valid code; 400 but for the three whose status is fixed."""
    op = await with_event(clock, name, refusal)
    answer = await op.redeem(await op.code())
    assert answer.status == status
    assert answer.json() == refusal.members()


@pytest.mark.parametrize("name", DEFAULTS)
async def test_an_event_may_answer_itself(clock: FrozenClock, name: str) -> None:
    """Its response is what goes out, and nothing else is done."""
    op = await with_event(clock, name, json_response(200, {"name": "Bob"}))
    answer = await op.redeem(await op.code())
    assert (answer.status, answer.json()) == (200, {"name": "Bob"})


@pytest.mark.parametrize("name", DEFAULTS)
async def test_an_event_may_pass_the_request_on(clock: FrozenClock, name: str) -> None:
    """PASS: the provider has no answer, and the wrapped application gives one."""
    op = await with_event(clock, name, PASS)
    assert (await op.redeem(await op.code())).status == 404


@pytest.mark.parametrize(
    ("name", "spent"),
    [
        ("validate_token_request", False),
        ("grant_authorization_code", True),
        ("token_endpoint", True),
        ("token_endpoint_response", True),
    ],
)
async def test_an_answered_code_is_a_spent_code(clock: FrozenClock, name: str, spent: bool) -> None:
    """An event that answers after the grant decided still commits the consumption; one before does not."""
    stores = memory_stores(clock)

    async def answered(*_: Any) -> HttpResponse:
        return json_response(200, {})

    op = await install(stores, clock, events=ProviderEvents(**{name: answered}))
    code = await op.code()
    assert (await op.redeem(code)).status == 200
    plain = await install(stores, clock)
    assert (await plain.redeem(code)).status == (400 if spent else 200)


async def test_of_two_requests_at_once_an_event_answers_one(clock: FrozenClock) -> None:
    """The other finds the code spent: invalid_grant, as for any reuse."""

    async def answered(*_: Any) -> HttpResponse:
        await asyncio.sleep(0.01)
        return json_response(200, {"name": "Bob"})

    op = await install(memory_stores(clock), clock, events=ProviderEvents(token_endpoint=answered))
    code = await op.code()
    answers = await asyncio.gather(*(op.redeem(code) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
    assert {answer.json()["error"] for answer in answers if answer.status == 400} == {"invalid_grant"}


async def test_an_event_may_amend_the_ticket_and_the_response(clock: FrozenClock) -> None:
    """What comes back is what the next step uses."""

    class Amending(ProviderEvents):
        async def grant_authorization_code(
            self, request: AuthenticatedTokenRequest[Any], ticket: Ticket
        ) -> Ticket:
            claims = {"department": "physics", "iss": "https://evil.example"}
            both = frozenset({TokenKind.ACCESS_TOKEN})
            return msgspec.structs.replace(
                ticket, claims=claims, destinations=dict.fromkeys(claims, both), properties={"order": 7}
            )

        async def token_endpoint_response(
            self, request: AuthenticatedTokenRequest[Any], ticket: Ticket, response: TokenResponse
        ) -> TokenResponse:
            return msgspec.structs.replace(response, custom={"greeting": ["hello"]}, id_token=None)

    op = await install(memory_stores(clock), clock, events=Amending())
    members = (await op.redeem(await op.code())).json()
    assert members["greeting"] == ["hello"]
    assert "id_token" not in members
    seen = (await op.post("/introspect", token=members["access_token"])).json()
    assert seen["department"] == "physics"
    assert seen["iss"] == "https://op.example"


async def test_properties_put_on_a_ticket_are_there_again_at_every_refresh(clock: FrozenClock) -> None:
    """The application's own data travels with code and refresh token, and never into a token."""
    seen: list[Any] = []

    class Remembering(ProviderEvents):
        async def grant_refresh_token(self, request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> None:
            seen.append(ticket.properties)

    op = await install(memory_stores(clock), clock, events=Remembering())
    first = (await op.redeem(await op.code(properties={"tenant": "blue"}))).json()
    second = (await op.refresh(first["refresh_token"])).json()
    assert (await op.refresh(second["refresh_token"])).status == 200
    assert seen == [{"tenant": "blue"}, {"tenant": "blue"}]
    assert "blue" not in str((await op.post("/introspect", token=second["access_token"])).json())


async def test_a_member_taken_out_of_the_response_leaves_no_record(clock: FrozenClock) -> None:
    """A refresh token nobody was given does not exist."""

    class NoRefresh(ProviderEvents):
        kept: list[str]

        async def token_endpoint_response(
            self, request: AuthenticatedTokenRequest[Any], ticket: Ticket, response: TokenResponse
        ) -> TokenResponse:
            self.kept = [response.refresh_token or ""]
            return msgspec.structs.replace(response, refresh_token=None)

    events = NoRefresh()
    op = await install(memory_stores(clock), clock, events=events)
    assert "refresh_token" not in (await op.redeem(await op.code())).json()
    assert not await op.is_active(events.kept[0])


async def test_a_custom_member_never_stands_over_a_registered_one(clock: FrozenClock) -> None:
    """It is an error of the application's, and no token goes out."""

    async def clashing(request: Any, ticket: Ticket, response: TokenResponse) -> TokenResponse:
        return msgspec.structs.replace(response, custom={"access_token": "mine"})

    op = await install(memory_stores(clock), clock, events=ProviderEvents(token_endpoint_response=clashing))
    answer = await op.redeem(await op.code())
    assert (answer.status, answer.json()) == (500, {"error": "server_error"})


async def test_a_grant_type_no_object_serves_can_be_served_by_an_event(clock: FrozenClock) -> None:
    """grant_custom_extension; None means unsupported_grant_type."""

    async def custom(request: AuthenticatedTokenRequest[Any]) -> Ticket | None:
        if request.request.params.one("magic") != "yes":
            return None
        return Ticket(grant_id="g-1", client_id=request.client.client_id, subject="u-alice", scopes=("read",))

    from authwright.registrations import client
    from tests.provider.installation import CALLBACK, SECRET

    registration = client(
        "web", SECRET, redirect_uris=[CALLBACK], scope="read", grant_types=["urn:example:magic"]
    )
    op = await install(
        memory_stores(clock),
        clock,
        clients=(registration,),
        events=ProviderEvents(grant_custom_extension=custom),
    )
    assert (await op.post("/token", grant_type="urn:example:magic", magic="yes")).json()["scope"] == "read"
    refused = await op.post("/token", grant_type="urn:example:magic")
    assert (refused.status, refused.json()["error"]) == (400, "unsupported_grant_type")


async def test_an_event_may_believe_a_client_but_only_the_one_that_asked(clock: FrozenClock) -> None:
    """Row 13 and ASOS test 16: another client_id is an error of ours."""
    from authwright.provider.requests import ClientAuthentication

    op = await install(memory_stores(clock), clock)
    web = op.clients["web"]

    async def believe(request: Any) -> ClientAuthentication:
        return ClientAuthentication(web, "client_secret_basic")

    op = await install(
        memory_stores(clock), clock, events=ProviderEvents(validate_client_authentication=believe)
    )
    assert (await op.redeem(await op.code(), secret="anything")).status == 200
    answer = await op.redeem(await op.code(), client_id="other")
    assert (answer.status, answer.json()["error"]) == (500, "server_error")


def test_only_what_was_overridden_is_awaited() -> None:
    """Found once, at construction."""

    class One(ProviderEvents):
        async def token_endpoint(self, request: Any, ticket: Ticket | None) -> Pass:
            return PASS

    assert ProviderEvents().wanted == frozenset()
    assert One().wanted == {"token_endpoint"}
    with pytest.raises(TypeError, match="no event named 'tokn_endpoint'"):
        ProviderEvents(tokn_endpoint=One().token_endpoint)
    assert {"grant_refresh_token", "authorization_endpoint", "cryptography_endpoint"} <= EVENT_NAMES
    assert "ask" not in EVENT_NAMES
