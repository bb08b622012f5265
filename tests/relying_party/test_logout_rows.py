"""Signing out, row by row: what the provider is told, what the application may decide, where it ends."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.protocol.http import PASS, HttpResponse
from authwright.relying_party.audit import AuditEvent, SignedOutHere
from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.errors import Denied
from authwright.relying_party.events import (
    RedirectToIdentityProviderForSignOut,
    SignedOutCallbackRedirect,
)
from authwright.relying_party.logout import LogoutPolicy
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    SECRET,
    Browser,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)
from tests.relying_party.logout_tokens import is_signed_in


@pytest.fixture
async def browser(provider: HostileProvider) -> Browser:
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    provider.requests.clear()
    return browser


def query_of(response: HttpResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location(response)).query))


async def test_rp_K2_the_message_names_client_hint_and_landing(
    provider: HostileProvider, browser: Browser
) -> None:
    """K2: post_logout_redirect_uri, id_token_hint, and (the reference forgets it) always client_id."""
    asked = query_of(await browser.post("/auth/logout"))
    assert asked["post_logout_redirect_uri"] == BASE + "/auth/logout/callback"
    assert asked["client_id"] == "web"
    assert asked["id_token_hint"].count(".") == 2
    # Without a session there is no hint, and the client is still named.
    asked = query_of(await browser.post("/auth/logout"))
    assert "id_token_hint" not in asked
    assert asked["client_id"] == "web"


@pytest.mark.parametrize(
    ("chosen", "form", "landing"),
    [
        (None, b"", BASE + "/"),
        (None, b"return_to=/bye", BASE + "/bye"),
        (None, b"return_to=https://evil.example/", BASE + "/"),
        (None, b"return_to=//evil.example/", BASE + "/"),
        ("https://www.example/bye", b"", "https://www.example/bye"),
        ("/bye", b"", BASE + "/bye"),
        ("https://www.example/bye", b"return_to=/here", BASE + "/here"),
    ],
)
async def test_rp_K3_where_a_sign_out_ends(
    provider: HostileProvider, chosen: str | None, form: bytes, landing: str
) -> None:
    """K3: what was asked for when it is a path of ours, else the configured address, else the front page."""
    browser = Browser(relying_party(provider, signed_out_redirect=chosen))
    state = query_of(await browser.post("/auth/logout", form))["state"]
    assert location(await browser.get(f"/auth/logout/callback?state={state}")) == landing


async def test_rp_K4_an_event_may_answer_in_our_place(provider: HostileProvider, browser: Browser) -> None:
    """K4: handled: its response goes out, and the session is over all the same."""

    @browser.party.on(RedirectToIdentityProviderForSignOut)
    def answer(context: RedirectToIdentityProviderForSignOut) -> HttpResponse:
        return HttpResponse(299)

    assert (await browser.post("/auth/logout")).status == 299
    assert not browser.signed_in
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("outcome", [PASS, Denied("no")])
async def test_rp_K4_an_event_may_not_skip_or_refuse_a_sign_out(browser: Browser, outcome: Any) -> None:
    """K4, L12: handled is all it may; anything else is a mistake of the application's."""

    @browser.party.on(RedirectToIdentityProviderForSignOut)
    def answer(context: RedirectToIdentityProviderForSignOut) -> Any:
        if isinstance(outcome, Denied):
            raise outcome
        return outcome

    with pytest.raises(TypeError):
        await browser.post("/auth/logout")


async def test_rp_K5_the_items_of_a_sign_out_come_back(provider: HostileProvider, browser: Browser) -> None:
    """K5: properties travel in the sealed state; a state that an event chose is sent as it is."""
    seen: list[SignedOutCallbackRedirect] = []

    @browser.party.on(SignedOutCallbackRedirect)
    def back(context: SignedOutCallbackRedirect) -> None:
        seen.append(context)

    request = browser.request("POST", "/auth/logout")
    state = query_of(await browser.party.sign_out(request, items={"why": "lunch"}))["state"]
    assert "lunch" not in state
    await browser.get(f"/auth/logout/callback?state={state}")
    assert (seen[0].properties, seen[0].return_to) == ({"why": "lunch"}, "/")

    @browser.party.on(RedirectToIdentityProviderForSignOut)
    def own(context: RedirectToIdentityProviderForSignOut) -> RedirectToIdentityProviderForSignOut:
        return replace(context, message=replace(context.message, state="mine"))

    assert query_of(await browser.post("/auth/logout"))["state"] == "mine"
    answer = await browser.get("/auth/logout/callback?state=mine")
    assert answer.status == 200
    assert (seen[1].state, seen[1].properties, seen[1].return_to) == ("mine", None, None)


async def test_rp_K6_without_an_endpoint_the_sign_out_is_local(
    provider: HostileProvider, browser: Browser
) -> None:
    """K6: no error; and none is asked for when the application wants none."""
    del provider.metadata["end_session_endpoint"]
    local = Browser(relying_party(provider, logout=LogoutPolicy(rp_initiated=False)))
    for each in (Browser(relying_party(provider)), local):
        await sign_in(provider, each)
        provider.metadata["end_session_endpoint"] = ISSUER + "/end_session"
        assert location(await each.post("/auth/logout", b"return_to=/bye")) == BASE + "/bye"
        assert not each.signed_in


async def test_rp_K7_the_message_goes_by_form_where_requests_do(provider: HostileProvider) -> None:
    """K7: a redirect, or a form that sends itself: nothing of it in an address."""
    client = RelyingPartyClient(client_id="web", auth=SecretBasic(SECRET), authentication_method="form_post")
    party = relying_party(provider, client=client)
    browser = Browser(party)
    response = await browser.post("/auth/logout")
    page = response.body.decode()
    assert (response.status, response.headers.get("location")) == (200, None)
    assert 'action="https://op.example/end_session"' in page
    assert 'name="post_logout_redirect_uri"' in page
    assert 'name="state"' in page
    assert any("Max-Age=0" in field for field in response.headers.many("set-cookie"))


async def test_rp_K8_the_session_here_is_over_before_the_provider_is_asked(
    provider: HostileProvider, browser: Browser
) -> None:
    """K8: the reference leaves it to the application; here both end, ours first."""
    held = dict(browser.cookies)
    await browser.post("/auth/logout")
    browser.cookies = held
    assert not await is_signed_in(browser)


@pytest.mark.parametrize(
    ("outcome", "status"), [(HttpResponse(299), 299), (Denied("no"), 403), (PASS, None), (None, 303)]
)
async def test_rp_K9_an_event_may_take_the_signed_out_callback(
    browser: Browser, outcome: Any, status: int | None
) -> None:
    """K9, L14: handled, failed, skipped; else on to where the sign-out leads."""

    @browser.party.on(SignedOutCallbackRedirect)
    def back(context: SignedOutCallbackRedirect) -> Any:
        if isinstance(outcome, Denied):
            raise outcome
        return outcome

    state = query_of(await browser.post("/auth/logout"))["state"]
    answer = await browser.party.handle(browser.request("GET", f"/auth/logout/callback?state={state}"))
    assert (answer.status if isinstance(answer, HttpResponse) else None) == status


async def test_rp_K9_only_the_query_is_read(browser: Browser) -> None:
    """K9: a POST to the signed-out callback is not one."""
    state = query_of(await browser.post("/auth/logout"))["state"]
    assert (await browser.post("/auth/logout/callback", f"state={state}".encode())).status == 405


async def test_rp_K10_a_state_of_another_kind_leads_nowhere(
    provider: HostileProvider, browser: Browser
) -> None:
    """K10: what was sealed for a login does not open as a sign-out's."""
    sealed = browser.party.seal.seal(b'{"return_to":"https://evil.example","iat":"2026-11-22T12:00:00Z"}')
    answer = await browser.get(f"/auth/logout/callback?state={sealed}")
    assert (answer.status, answer.headers.get("location")) == (200, None)


async def test_a_sign_out_everywhere_ends_the_users_other_browsers(provider: HostileProvider) -> None:
    """Log out everywhere: all sessions of (iss, sub), their refresh tokens too, and nobody else's."""
    told: list[AuditEvent] = []
    party = relying_party(provider, audit=told.append)
    one, other, bob = Browser(party), Browser(party), Browser(party)
    await sign_in(provider, one)
    await sign_in(provider, other)
    provider.subject, provider.userinfo = "u-bob", {"sub": "u-bob"}
    await sign_in(provider, bob)
    provider.requests.clear()
    answer = await party.sign_out(one.request("POST", "/auth/logout"), everywhere=True)
    assert location(answer).startswith(ISSUER + "/end_session")
    assert [await is_signed_in(each) for each in (one, other, bob)] == [False, False, True]
    assert provider.asked("/revoke") == 2
    assert [event for event in told if event.name == "logout.local"] == [
        SignedOutHere(
            issuer=ISSUER,
            client_id="web",
            subject="u-alice",
            session_id=None,
            reason="everywhere",
            sessions=2,
        )
    ]


async def test_the_sessions_of_a_user_are_listed_and_ended(provider: HostileProvider) -> None:
    """For an operator, or for a page that shows them: live ones, oldest first; ended from wherever."""
    party = relying_party(provider)
    browsers = [Browser(party) for _ in range(3)]
    for each in browsers:
        await sign_in(provider, each)
        provider.clock.forward(days=5)
    listed = await party.sessions_of("u-alice")
    assert [signed_in.record.created_at for signed_in in listed] == sorted(
        signed_in.record.created_at for signed_in in listed
    )
    # The first has expired by now.
    assert len(listed) == 2
    assert {signed_in.sub for signed_in in listed} == {"u-alice"}
    assert await party.sessions_of("u-bob") == ()
    provider.down.add("/revoke")
    assert await party.end_sessions("u-alice") == 2
    assert await party.sessions_of("u-alice") == ()
    assert await party.end_sessions("u-alice") == 0


async def test_one_session_of_a_user_is_ended(provider: HostileProvider) -> None:
    """From a page that lists them: the browser it was in is signed out, and no other; nobody ends somebody else's."""
    told: list[AuditEvent] = []
    party = relying_party(provider, audit=told.append)
    here, there = Browser(party), Browser(party)
    await sign_in(provider, here)
    provider.clock.forward(seconds=1)
    await sign_in(provider, there)
    first, second = await party.sessions_of("u-alice")
    assert second.id not in "".join(there.cookies.values())
    assert not await party.end_session("u-bob", second.id)
    assert not await party.end_session("u-alice", "unknown")
    assert await party.end_session("u-alice", second.id)
    assert [await is_signed_in(each) for each in (here, there)] == [True, False]
    assert provider.last("/revoke")["token"] == second.data.refresh_token
    assert [listed.id for listed in await party.sessions_of("u-alice")] == [first.id]
    assert not await party.end_session("u-alice", second.id)
    ended = [event for event in told if isinstance(event, SignedOutHere)]
    assert [(event.reason, event.sessions, event.session_id) for event in ended] == [
        ("ended", 1, "op-session")
    ]


async def test_revocation_can_be_left_to_the_provider(provider: HostileProvider) -> None:
    """revoke=False: the refresh token is forgotten, not revoked."""
    party = relying_party(provider, logout=LogoutPolicy(revoke=False))
    browser = Browser(party)
    await sign_in(provider, browser)
    await browser.post("/auth/logout")
    await sign_in(provider, browser)
    await party.end_sessions("u-alice")
    assert provider.asked("/revoke") == 0


async def test_a_sign_out_is_told_to_the_audit(provider: HostileProvider) -> None:
    """logout.local, once, and only when there was a session; a sink that fails changes nothing."""
    told: list[AuditEvent] = []

    def sink(event: AuditEvent) -> None:
        told.append(event)
        raise RuntimeError("the sink is broken")

    browser = Browser(relying_party(provider, audit=sink))
    await sign_in(provider, browser)
    await browser.post("/auth/logout")
    await browser.post("/auth/logout")
    assert [(event.name, vars_of(event)) for event in told if event.name.startswith("logout")] == [
        ("logout.local", ("u-alice", "op-session", "sign_out", 1))
    ]


def vars_of(event: AuditEvent) -> tuple[object, ...]:
    assert isinstance(event, SignedOutHere)
    return event.subject, event.session_id, event.reason, event.sessions
