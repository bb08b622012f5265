"""The backchannel authentication endpoint (CIBA Core 1.0 §4, §7, §13)."""

import re
from typing import Any

import pytest

from authwright.protocol.ciba import (
    BackchannelRequest,
    BackchannelResponse,
    build_backchannel_request,
    build_backchannel_response,
    parse_backchannel_request,
    parse_backchannel_response,
)
from authwright.protocol.errors import AccessDenied
from authwright.protocol.params import parse_params
from authwright.provider.backchannel_requests import PendingRequest
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.ciba.counter import SCOPE, TOKEN, Counter, open_counter
from tests.provider.installation import ISSUER


async def test_a_client_gets_something_to_wait_with(counter: Counter) -> None:
    """CIBA Core §7.3: auth_req_id, expires_in, interval; no cache keeps it."""
    answer = await counter.ask(binding_message="W4SCT")
    assert answer.status == 200
    assert answer.headers.get("cache-control") == "no-store"
    begun = answer.json()
    assert set(begun) == {"auth_req_id", "expires_in", "interval"}
    assert re.fullmatch(r"ar_[A-Za-z0-9_-]{47,}", begun["auth_req_id"])
    assert (begun["expires_in"], begun["interval"]) == (300, 5)
    (told,) = counter.announced
    assert (told.client_id, told.subject, told.binding_message) == ("bank", "u-alice", "W4SCT")
    assert told.scopes == tuple(SCOPE.split())
    assert begun["auth_req_id"] not in repr(told)


async def test_push_has_no_interval(counter: Counter) -> None:
    """CIBA Core §7.3: a client in push mode does not poll."""
    assert set((await counter.ask("push")).json()) == {"auth_req_id", "expires_in"}


async def test_discovery_names_endpoint_modes_and_grant(counter: Counter) -> None:
    """CIBA Core §4."""
    document = (await counter.op.get("/.well-known/openid-configuration")).json()
    assert document["backchannel_authentication_endpoint"] == f"{ISSUER}/backchannel_authentication"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert "urn:openid:params:grant-type:ciba" in document["grant_types_supported"]


@pytest.mark.parametrize(
    ("client_id", "changes", "status", "error"),
    [
        ("web", {}, 400, "unauthorized_client"),
        ("nobody", {}, 401, "invalid_client"),
        ("bank", {"scope": None}, 400, "invalid_request"),
        ("bank", {"scope": "profile"}, 400, "invalid_scope"),
        ("bank", {"scope": "openid email"}, 400, "invalid_scope"),
        ("bank", {"resource": "https://unknown.example"}, 400, "invalid_target"),
        ("bank", {"login_hint": None}, 400, "invalid_request"),
        ("bank", {"id_token_hint": "x"}, 400, "invalid_request"),
        ("bank", {"login_hint": None, "id_token_hint": "x"}, 400, "invalid_request"),
        ("bank", {"login_hint": None, "login_hint_token": "x"}, 400, "invalid_request"),
        ("bank", {"login_hint": ["alice", "alice"]}, 400, "invalid_request"),
        ("bank", {"login_hint": "nobody"}, 400, "unknown_user_id"),
        ("bank", {"user_code": "1234"}, 400, "invalid_request"),
        ("bank", {"request": "x.y.z"}, 400, "invalid_request"),
        ("bank", {"requested_expiry": "0"}, 400, "invalid_request"),
        ("bank", {"requested_expiry": "-1"}, 400, "invalid_request"),
        ("bank", {"requested_expiry": "1.5"}, 400, "invalid_request"),
        ("bank", {"requested_expiry": "٣"}, 400, "invalid_request"),
        ("bank", {"binding_message": "x" * 65}, 400, "invalid_binding_message"),
        ("bank", {"binding_message": "a\nb"}, 400, "invalid_binding_message"),
        ("bank", {"binding_message": "\u202eabc"}, 400, "invalid_binding_message"),
        ("bank", {"binding_message": "1234 \U0001f44d"}, 400, "invalid_binding_message"),
        ("ping", {"client_notification_token": None}, 400, "invalid_request"),
        ("ping", {"client_notification_token": "with space"}, 400, "invalid_request"),
        ("ping", {"client_notification_token": "x" * 1025}, 400, "invalid_request"),
        ("deaf", {"client_notification_token": TOKEN}, 400, "unauthorized_client"),
        ("insecure", {"client_notification_token": TOKEN}, 400, "unauthorized_client"),
        ("bound", {}, 400, "unauthorized_client"),
    ],
)
async def test_what_is_not_right_is_refused(
    counter: Counter, client_id: str, changes: dict[str, Any], status: int, error: str
) -> None:
    """CIBA Core §7.1, §7.2, §13: exactly one hint, an openid scope, a plain short message, a token to be called with."""
    answer = await counter.ask(client_id, **changes)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert counter.announced == []
    assert await counter.op.provider.ciba.pending("u-alice") == []


async def test_a_client_that_cannot_authenticate_takes_no_part(counter: Counter) -> None:
    """CIBA Core §7: the client must authenticate; neither public nor with a wrong secret."""
    answer = await counter.op.post("/backchannel_authentication", client_id="bank", secret="wrong")
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = b"client_id=public&scope=openid&login_hint=alice"
    answer = await counter.op.post_raw("/backchannel_authentication", body, form)
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    assert (await counter.op.get("/backchannel_authentication")).status == 405


@pytest.mark.parametrize("message", ["W4SCT", "Überweisung 47,11 an Jørgen?", "確認 42", "a-b_c (d): #1"])
async def test_a_plain_binding_message_is_kept(counter: Counter, message: str) -> None:
    """CIBA Core §7.1: relatively short, plain text."""
    assert (await counter.ask(binding_message=message)).status == 200
    assert counter.announced[0].binding_message == message


@pytest.mark.parametrize(("asked", "given"), [("10", 10), ("300", 300), ("1200", 1200), ("99999", 1800)])
async def test_a_client_may_say_how_long(counter: Counter, asked: str, given: int) -> None:
    """CIBA Core §7.1 requested_expiry: taken, up to half an hour."""
    begun = await counter.begin(requested_expiry=asked)
    assert begun.expires_in == given
    counter.clock.advance(given)
    assert await counter.poll_error(begun.auth_req_id) == "authorization_pending"
    counter.clock.advance(1)
    assert await counter.poll_error(begun.auth_req_id) == "expired_token"


async def test_a_user_is_told_by_name_by_subject_or_by_id_token(counter: Counter) -> None:
    """CIBA Core §7.1: login_hint and id_token_hint; the ID token must be the client's own."""
    begun = await counter.begin()
    assert await counter.op.provider.ciba.approve(counter.announced[0].id)
    id_token = (await counter.poll(begun.auth_req_id)).json()["id_token"]
    for changes in ({"login_hint": "u-alice"}, {"login_hint": None, "id_token_hint": id_token}):
        await counter.begin(**changes)
    assert [told.subject for told in counter.announced] == ["u-alice"] * 3
    answer = await counter.ask("clinic", login_hint=None, id_token_hint=id_token)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    await counter.op.remove_user()
    answer = await counter.ask(login_hint=None, id_token_hint=id_token)
    assert answer.json()["error"] == "unknown_user_id"


async def test_an_approver_that_refuses_refuses_the_request(clock: FrozenClock) -> None:
    """What nobody could be told of does not wait."""

    async def busy(request: PendingRequest) -> None:
        raise AccessDenied("The user cannot be reached.")

    counter = await open_counter(memory_stores(clock), clock, ciba=busy)
    answer = await counter.ask()
    assert (answer.status, answer.json()["error"]) == (400, "access_denied")
    assert await counter.op.provider.ciba.pending("u-alice") == []


async def test_an_approver_that_fails_is_our_fault(clock: FrozenClock) -> None:
    """A 500 without a word of why, and nothing waits."""

    async def broken(request: PendingRequest) -> None:
        raise RuntimeError("secret detail")

    counter = await open_counter(memory_stores(clock), clock, ciba=broken)
    answer = await counter.ask()
    assert (answer.status, answer.json()) == (500, {"error": "server_error"})
    assert await counter.op.provider.ciba.pending("u-alice") == []


def test_both_sides_read_what_the_other_writes() -> None:
    """CIBA Core §7.1, §7.3."""
    request = BackchannelRequest(
        scope=("openid", "read"),
        resource=("https://api.example",),
        login_hint="alice@example.com",
        binding_message="W4SCT",
        acr_values=("gold", "silver"),
        client_notification_token=TOKEN,
        requested_expiry=120,
    )
    body = build_backchannel_request(request, client=(("client_id", "bank"),))
    assert parse_backchannel_request(parse_params(body)) == request
    assert "alice" not in repr(request)
    for response in (
        BackchannelResponse(auth_req_id="a", expires_in=120, interval=2),
        BackchannelResponse(auth_req_id="a", expires_in=120),
    ):
        assert parse_backchannel_response(build_backchannel_response(response)) == response


@pytest.mark.parametrize(
    "content", [None, [], {}, {"auth_req_id": "a"}, {"auth_req_id": "a", "expires_in": "x"}]
)
def test_an_answer_that_is_none_is_refused(content: object) -> None:
    """CIBA Core §7.3: auth_req_id and expires_in are required."""
    with pytest.raises(ValueError, match="backchannel authentication response"):
        parse_backchannel_response(content)
