"""The password grant (RFC 6749 §4.3): off unless a client is allowed it, and then like the login page."""

import logging
from typing import Any

import pytest

from authwright.crypto.passwords import Overloaded
from authwright.protocol.errors import Refused
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import encode
from authwright.provider.audit import LoginFailed
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.records import Account
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.installation import API, CLIENTS, SECRET, Installation, install

CLI = client(
    "cli",
    SECRET,
    grant_types=["password", "refresh_token"],
    scope="openid profile email offline_access read",
)
PUBLIC = client("public-cli", grant_types=["password", "refresh_token"], scope="openid offline_access read")
# Not named in the tests above the warning's own, which is given once in each process.
WARNED = client("warned-cli", SECRET, grant_types=["password"], scope="read")


async def provider(clock: FrozenClock, **options: Any) -> Installation:
    return await install(memory_stores(clock), clock, clients=(*CLIENTS, CLI, PUBLIC), **options)


@pytest.fixture
async def op(clock: FrozenClock) -> Installation:
    return await provider(clock)


async def ask(op: Installation, client_id: str | None = "cli", **changes: Any) -> HttpResponse:
    """A password request of alice, but for `changes`; a change to None leaves the parameter out."""
    params = {"grant_type": "password", "username": "alice", "password": "alice-secret", **changes}
    given = {name: value for name, value in params.items() if value is not None}
    if client_id == "public-cli":
        return await public(op, **given)
    return await op.post("/token", client_id=client_id, **given)


async def public(op: Installation, **params: str) -> HttpResponse:
    body = encode((*params.items(), ("client_id", "public-cli"))).encode()
    return await op.post_raw("/token", body, {"content-type": "application/x-www-form-urlencoded"})


def outcome(answer: HttpResponse) -> tuple[int, str | None]:
    return answer.status, answer.json().get("error")


async def test_sec_T10_the_grant_is_for_clients_whose_grant_types_name_it(op: Installation) -> None:
    """T10: grant_type=password: 400 unauthorized_client unless the client's grant_types name it."""
    for other in ("web", "machine", "lax"):
        assert outcome(await ask(op, other)) == (400, "unauthorized_client")
    assert (await ask(op)).status == 200


async def test_sec_T10_a_client_that_may_not_use_it_cannot_try_passwords(op: Installation) -> None:
    """T10: a wrong and a right password get the same answer, and none of them counts as a login attempt."""
    answers = [await ask(op, "web", password=guess) for guess in ["alice-secret", *"0123456789"]]
    assert len({answer.body for answer in answers}) == 1
    assert (await ask(op)).status == 200


@pytest.mark.parametrize("missing", ["username", "password"])
async def test_tok_9_both_parameters_are_mandatory(op: Installation, missing: str) -> None:
    """Row 9: password without username or password: invalid_request."""
    for value in (None, ""):
        answer = await ask(op, **{missing: value})
        assert outcome(answer) == (400, "invalid_request")
        text = "The mandatory 'username' and/or 'password' parameters are missing."
        assert answer.json()["error_description"] == text


async def test_the_right_password_gives_what_the_scopes_call_for(op: Installation) -> None:
    """Rows 35 to 37: an access token always, an ID token with openid, a refresh token with offline_access."""
    members = (await ask(op, scope="openid offline_access read")).json()
    assert set(members) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    seen = (await op.post("/introspect", client_id="cli", token=members["access_token"])).json()
    assert (seen["sub"], seen["client_id"], seen["scope"]) == ("u-alice", "cli", "openid offline_access read")
    assert (seen["acr"], seen["auth_time"]) == ("urn:authwright:acr:password", int(op.clock().timestamp()))
    bare = (await ask(op, scope="read")).json()
    assert set(bare) == {"access_token", "token_type", "expires_in", "scope"}


async def test_asos_52_and_53_tokens_follow_the_scopes_that_were_granted(op: Installation) -> None:
    """52: NoRefreshTokenIsReturnedWhenOfflineAccessScopeIsNotGranted; 53: no ID token without openid.

    Without `scope` what the client is registered for is granted, but for the two that must be asked for.
    """
    members = (await ask(op)).json()
    assert members["scope"] == "profile email read"
    assert not {"id_token", "refresh_token"} & members.keys()


async def test_the_refresh_token_of_a_password_works_once(op: Installation) -> None:
    """It rotates like any other, and belongs to its client."""
    first = (await ask(op, scope="offline_access read")).json()["refresh_token"]
    assert (await op.refresh(first, client_id="cli")).status == 200
    assert outcome(await op.refresh(first, client_id="cli")) == (400, "invalid_grant")


async def test_unknown_name_and_wrong_password_get_the_same_answer(op: Installation) -> None:
    """Row 28: invalid_grant, and nobody learns who exists; the audit has a failed login."""
    unknown, wrong = await ask(op, username="nobody"), await ask(op, password="wrong")
    assert outcome(wrong) == (400, "invalid_grant")
    assert unknown.body == wrong.body
    assert [event.reason for event in op.audit if isinstance(event, LoginFailed)] == ["credentials"] * 2


async def test_guesses_are_limited_as_at_the_login_page(op: Installation) -> None:
    """RFC 9700 §2.4, RFC 6749 §4.3.2: protection against brute force; the right password then waits too."""
    answers = [await ask(op, password=f"guess-{number}") for number in range(8)]
    assert [answer.status for answer in answers] == [400] * 5 + [429] * 3
    assert int(answers[-1].headers.get("retry-after") or 0) >= 1
    assert (await ask(op)).status == 429
    op.clock.advance(180)
    assert (await ask(op)).status == 200


async def test_scopes_and_resources_are_the_clients(op: Installation) -> None:
    """RFC 6749 §3.3, RFC 8707 §2: refused before any password is looked at."""
    assert outcome(await ask(op, scope="openid write", password="wrong")) == (400, "invalid_scope")
    assert outcome(await ask(op, resource="https://no.example", password="x")) == (400, "invalid_target")
    token = (await ask(op, scope="read", resource=API)).json()["access_token"]
    assert (await op.post("/introspect", client_id="cli", token=token)).json()["aud"] == API


async def test_a_public_client_may_use_it_and_its_refresh_token_is_not_confidential(op: Installation) -> None:
    """RFC 6749 §4.3.2: client authentication is for confidential clients; row 33 for the others."""
    members = (await ask(op, "public-cli", scope="offline_access read")).json()
    answer = await public(op, grant_type="refresh_token", refresh_token=members["refresh_token"])
    assert answer.status == 200


async def test_a_wrong_client_secret_does_not_try_a_password(op: Installation) -> None:
    """Row 11 before row 28."""
    assert outcome(await ask(op, secret="wrong")) == (401, "invalid_client")
    assert not [event for event in op.audit if isinstance(event, LoginFailed)]


async def test_long_values_are_bounded(op: Installation) -> None:
    """Hashing megabytes is nobody's right."""
    assert outcome(await ask(op, password="x" * 1025)) == (400, "invalid_request")
    assert outcome(await ask(op, username="x" * 257)) == (400, "invalid_request")


async def test_too_many_passwords_at_once_are_a_fault_of_ours(clock: FrozenClock) -> None:
    """Overload: 503 with Retry-After, never invalid_grant."""

    class Busy:
        async def authenticate(self, username: str, password: str) -> Account | None:
            raise Overloaded

        async def get(self, subject: str) -> Account | None:
            return None

    op = await provider(clock, accounts=Busy())
    answer = await ask(op)
    assert outcome(answer) == (503, "temporarily_unavailable")
    assert answer.headers.get("retry-after")


async def test_tok_28_an_event_may_check_the_password_itself(clock: FrozenClock) -> None:
    """Row 28, grant_resource_owner_credentials: a ticket replaces the built-in check, None leaves it, Refused refuses."""

    async def decide(request: AuthenticatedTokenRequest[Any]) -> Ticket | None:
        if request.request.params.one("password") == "from-elsewhere":
            return Ticket(grant_id="g-1", client_id="cli", subject="u-elsewhere", scopes=("openid", "read"))
        if request.request.params.one("username") == "banned":
            raise Refused
        return None

    op = await provider(clock, events=ProviderEvents(grant_resource_owner_credentials=decide))
    members = (await ask(op, password="from-elsewhere")).json()
    seen = (await op.post("/introspect", client_id="cli", token=members["access_token"])).json()
    assert (seen["sub"], seen["scope"]) == ("u-elsewhere", "openid read")
    assert "id_token" in members
    assert (await ask(op)).status == 200
    assert outcome(await ask(op, password="wrong")) == (400, "invalid_grant")
    assert outcome(await ask(op, username="banned")) == (400, "invalid_grant")


async def test_without_accounts_every_password_is_refused(clock: FrozenClock) -> None:
    """Row 28: the default is a refusal with invalid_grant."""
    stores = memory_stores(clock)
    op = await install(stores, clock, clients=(*CLIENTS, CLI))
    await stores.accounts.remove("u-alice")
    assert outcome(await ask(op)) == (400, "invalid_grant")


async def test_discovery_lists_the_grant_only_when_a_client_has_it(
    op: Installation, clock: FrozenClock
) -> None:
    """Listed only when configured: password (a client has it)."""
    plain = await install(memory_stores(clock), clock)
    for installation, listed in ((op, True), (plain, False)):
        document = (await installation.get("/.well-known/openid-configuration")).json()
        assert ("password" in document["grant_types_supported"]) is listed


async def test_the_operator_is_warned_at_start(clock: FrozenClock, caplog: pytest.LogCaptureFixture) -> None:
    """A warning at start for each client that has it, and none without."""
    with caplog.at_level(logging.WARNING, logger="authwright"):
        await install(memory_stores(clock), clock)
        assert caplog.records == []
        await install(memory_stores(clock), clock, clients=(WARNED,))
        await install(memory_stores(clock), clock, clients=(WARNED,))
    warned = [record for record in caplog.records if "password grant" in record.getMessage()]
    assert [record.__dict__["client_id"] for record in warned] == ["warned-cli"]
