"""rp_N: operators see why: one structured record each, with a reason code, and never a secret."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from authwright.crypto.keys import SigningKey
from authwright.protocol.http import PASS, Headers, HttpResponse, html_response, json_response
from authwright.protocol.token import TokenResponse
from authwright.relying_party.audit import AuditEvent
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import (
    Accept,
    AuthorizationCodeReceived,
    MessageReceived,
    RedirectToIdentityProvider,
    TicketReceived,
    TokenValidated,
)
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.user import User
from tests.relying_party.hostile_provider import (
    ISSUER,
    Browser,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)

Logged = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """The records of one event, as an operator's log has them."""
    caplog.set_level(logging.DEBUG)

    def records(event: str) -> list[dict[str, Any]]:
        return [vars(record) for record in caplog.records if getattr(record, "event", None) == event]

    return records


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(html_response(200, "x"), "handled"), (PASS, "skipped"), (Accept(User(ISSUER, "x")), "accepted")],
)
async def test_rp_N1_what_an_event_decided(
    provider: HostileProvider, browser: Browser, logged: Logged, outcome: object, reason: str
) -> None:
    """N1: every handled or skipped outcome, by the event's name."""
    browser.party.on(TokenValidated)(lambda context: outcome)
    url = provider.authorize(location(await browser.get("/auth/login")))
    await browser.party.handle(browser.request("GET", url))
    (record,) = logged("rp.event_decided")
    assert (record["decided_by"], record["reason"]) == ("token_validated", reason)


async def test_rp_N1_a_denial_and_a_redemption_are_decisions_too(
    provider: HostileProvider, browser: Browser, logged: Logged
) -> None:
    """N1: None and a changed context are not."""

    def deny(context: object) -> None:
        raise Denied("blocked")

    browser.party.on(TicketReceived)(lambda context: context)
    browser.party.on(AuthorizationCodeReceived)(lambda context: TokenResponse(id_token="x"))
    await sign_in(provider, browser)
    browser.party.on(MessageReceived)(deny)
    await sign_in(provider, browser)
    assert [record["reason"] for record in logged("rp.event_decided")] == ["redeemed", "denied"]
    assert logged("rp.failed")[-1]["reason"] == "blocked"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"state": None}, "state_missing"), ({"state": "x"}, "state_unknown")]
)
async def test_rp_N3_a_state_that_is_none(
    provider: HostileProvider, browser: Browser, logged: Logged, changes: dict[str, str | None], reason: str
) -> None:
    """N3: missing or unreadable."""
    await sign_in(provider, browser, **changes)
    assert [record["reason"] for record in logged("rp.failed")] == [reason]


@pytest.mark.parametrize(
    ("path", "answer", "reason", "status"),
    [
        ("/token", json_response(400, {"error": "invalid_grant"}), "provider_refused", 400),
        ("/token", json_response(418, {}), "token_response_status", 418),
        ("/token", json_response(502, {}), "token_endpoint_unavailable", None),
        ("/userinfo", json_response(403, {}), "userinfo_status", 403),
    ],
)
async def test_rp_N4_redemption_and_userinfo_errors_with_their_status(
    provider: HostileProvider, browser: Browser, logged: Logged, path: str, answer: HttpResponse, reason: str,
    status: int | None,
) -> None:  # fmt: skip
    """N4: whose fault, and what it said in numbers."""
    provider.answers[path] = lambda request: answer
    await sign_in(provider, browser)
    (record,) = logged("rp.failed")
    assert (record["reason"], record["status"]) == (reason, status)


async def test_rp_N5_an_unexpected_type_of_a_token_response(
    provider: HostileProvider, browser: Browser, logged: Logged
) -> None:
    """N5: read all the same, and told."""
    provider.answers["/token"] = lambda request: HttpResponse(
        200, Headers.of({"content-type": "text/html"}), b"{}"
    )
    await sign_in(provider, browser)
    assert [record["reason"] for record in logged("rp.token_type")] == ["not_json"]


async def test_rp_N6_a_cookie_that_does_not_open(
    provider: HostileProvider, browser: Browser, logged: Logged
) -> None:
    """N6: the attempt cannot be read."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    browser.cookies[browser.flow_cookies()[0]] = "garbage"
    await browser.get(url)
    assert [record["reason"] for record in logged("rp.failed")] == ["flow_unreadable"]


async def test_rp_N7_what_is_fetched_of_the_provider(
    provider: HostileProvider, browser: Browser, logged: Logged
) -> None:
    """N7: metadata and keys, once each; a refetch for an unknown key; and why a fetch failed."""
    await sign_in(provider, browser)
    assert [record["url"] for record in logged("remote.fetched")] == [
        ISSUER + "/.well-known/openid-configuration",
        ISSUER + "/jwks",
    ]
    provider.key = SigningKey.generate("ES256")
    provider.down.add("/jwks")
    await sign_in(provider, browser)
    assert [record["reason"] for record in logged("remote.not_fetched")] == ["unreachable"]


async def test_rp_N8_challenge_sign_in_and_sign_out(
    provider: HostileProvider, browser: Browser, logged: Logged
) -> None:
    """N8: one record each, with the client."""
    await sign_in(provider, browser)
    await browser.post("/auth/logout")
    for event in ("rp.challenge", "rp.signed_in", "rp.signed_out"):
        (record,) = logged(event)
        assert record["client_id"] == "web"


async def test_rp_N9_a_malformed_redirect(browser: Browser, logged: Logged) -> None:
    """N9: nobody is sent there, and the log says so without saying where."""
    from dataclasses import replace

    browser.party.on(RedirectToIdentityProvider)(
        lambda context: replace(context, authorization_endpoint="https://op.example/a b?secret=1")
    )
    assert (await browser.get("/auth/login")).status == 503
    (record,) = logged("rp.unavailable")
    assert record["reason"] == "endpoint_malformed"
    assert "secret" not in str(record)


async def test_rp_N10_nothing_secret_is_ever_written(
    provider: HostileProvider, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """N10: no message URL, UserInfo, token, code, Location, Set-Cookie or nonce; neither in a success nor in a failure."""
    caplog.set_level(logging.DEBUG)
    secrets: list[str] = []
    for number in range(4):
        sent = location(await browser.get("/auth/login"))
        url = provider.authorize(sent)
        query = dict(pair.split("=", 1) for pair in sent.partition("?")[2].split("&"))
        secrets += [sent, url, query["nonce"], query["state"], url.partition("code=")[2].partition("&")[0]]
        secrets += browser.cookies.values()
        if number == 1:
            provider.id_token = {"nonce": "wrong"}
        if number == 2:
            provider.answers["/userinfo"] = lambda request: json_response(
                200, {"sub": "u-mallory", "x": "private"}
            )
            provider.id_token = {}
        if number == 3:
            provider.answers["/token"] = lambda request: json_response(
                400, {"error": "e", "error_description": "private"}
            )
        await browser.get(url)
        secrets += browser.cookies.values()
    secrets += [*provider.refresh_tokens, "alice@example.com", "private"]
    written = "\n".join(str(vars(record)) + str(record.exc_text) for record in caplog.records)
    assert len(caplog.records) > 8
    assert [secret for secret in secrets if secret in written] == []


async def test_rp_N8_an_audit_hears_of_logins(provider: HostileProvider) -> None:
    """N8: login.started, login.completed and login.failed with its reason; a sink that fails hinders nobody."""
    heard: list[AuditEvent] = []

    def sink(event: AuditEvent) -> None:
        heard.append(event)
        raise RuntimeError("the audit is broken")

    browser = Browser(relying_party(provider, audit=sink))
    assert (await sign_in(provider, browser)).status == 303
    provider.id_token = {"nonce": "wrong"}
    await sign_in(provider, browser)
    assert [event.name for event in heard] == [
        "login.started", "login.completed", "login.started", "login.failed",
    ]  # fmt: skip
    assert getattr(heard[1], "subject", None) == "u-alice"
    assert getattr(heard[3], "reason", None) == "id_token_nonce"


@pytest.mark.parametrize(
    ("query", "reason"),
    [("sid=op-session", "iss_or_sid_missing"), (f"iss={ISSUER}&sid=other", "sid_unknown"),
     ("iss=https://evil.example&sid=op-session", "iss_mismatch")],
)  # fmt: skip
async def test_rp_N2_a_remote_sign_out_that_is_ignored(
    provider: HostileProvider, logged: Logged, query: str, reason: str
) -> None:
    """N2: sid or iss missing or wrong: why."""
    browser = Browser(relying_party(provider, logout=LogoutPolicy(frontchannel=True)))
    await sign_in(provider, browser)
    await browser.get(f"/auth/frontchannel-logout?{query}")
    assert [record["reason"] for record in logged("rp.remote_sign_out_ignored")] == [reason]
