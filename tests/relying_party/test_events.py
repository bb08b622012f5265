"""Events: what an application may change, answer, accept or deny, and in which order it is asked."""

from dataclasses import replace

import pytest

from authwright.protocol.http import PASS, HttpResponse, html_response, json_response
from authwright.protocol.token import TokenResponse
from authwright.relying_party import events as names
from authwright.relying_party.errors import Denied, ProviderRefused, ResponseRejected
from authwright.relying_party.event_line import ALLOWED
from authwright.relying_party.events import (
    Accept,
    AccessDenied,
    AuthenticationFailed,
    AuthorizationCodeReceived,
    MessageReceived,
    RedirectToIdentityProvider,
    RelyingPartyEvents,
    RemoteFailure,
    TicketReceived,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)
from authwright.relying_party.user import User
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Browser,
    HostileProvider,
    error_code,
    location,
    relying_party,
    sign_in,
)

HANDLED = html_response(200, "handled")


async def test_every_event_has_a_context_and_a_method() -> None:
    """The classes, the methods and the table of outcomes are one set."""
    methods = {name for name in vars(RelyingPartyEvents) if not name.startswith("_")}
    assert {name for name, _ in ALLOWED.values()} == methods
    assert all(getattr(names, context.__name__) is context for context in ALLOWED)


async def test_rp_L1_the_redirect_may_be_changed(provider: HostileProvider, browser: Browser) -> None:
    """L1: message and properties; rp_C13: the state it sets comes back; rp_C14: so does the final redirect_uri."""
    shown: list[str | None] = []

    @browser.party.on(RedirectToIdentityProvider)
    def change(context: RedirectToIdentityProvider) -> RedirectToIdentityProvider:
        message = replace(
            context.message, state="mine", login_hint="bob", redirect_uri=BASE + "/auth/callback?x=1"
        )
        return replace(context, message=message, properties={"a": 1})

    @browser.party.on(MessageReceived)
    def look(context: MessageReceived) -> None:
        shown.append(context.message.state)

    sent = location(await browser.get("/auth/login"))
    assert "login_hint=bob" in sent
    assert "state=mine" not in sent
    await browser.get(provider.authorize(sent).replace("?x=1?", "?"))
    assert shown == ["mine"]
    assert provider.last("/token")["redirect_uri"] == BASE + "/auth/callback?x=1"
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.properties == {"a": 1}


async def test_rp_C11_a_handled_redirect_leaves_no_cookie(browser: Browser) -> None:
    """C11: cookies are set after the event."""
    browser.party.on(RedirectToIdentityProvider)(lambda context: HANDLED)
    response = await browser.get("/auth/login")
    assert response.body == b"handled"
    assert response.headers.many("set-cookie") == ()


FULL = (
    MessageReceived,
    AuthorizationCodeReceived,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)


@pytest.mark.parametrize("event", [*FULL, TicketReceived])
async def test_rp_L_an_event_may_answer_in_our_place(
    provider: HostileProvider, browser: Browser, event: type
) -> None:
    """1L: handled: the response is the event's, nobody is signed in, the attempt is over."""
    browser.party.on(event)(lambda context: HANDLED)
    response = await sign_in(provider, browser)
    assert response.body == b"handled"
    assert not browser.signed_in
    assert browser.flow_cookies() == []


@pytest.mark.parametrize("event", [*FULL, TicketReceived])
async def test_rp_L_an_event_may_pass_to_the_application(
    provider: HostileProvider, browser: Browser, event: type
) -> None:
    """1L: skip."""
    browser.party.on(event)(lambda context: PASS)
    url = provider.authorize(location(await browser.get("/auth/login")))
    assert await browser.party.handle(browser.request("GET", url)) is PASS


@pytest.mark.parametrize("event", FULL)
async def test_rp_L_an_event_may_accept_a_user_of_its_own(
    provider: HostileProvider, browser: Browser, event: type
) -> None:
    """1L: success: that user, those properties, and on to TicketReceived."""
    seen: list[str] = []
    browser.party.on(event)(lambda context: Accept(User(ISSUER, "local-7", {"sub": "local-7"}), {"p": 1}))
    browser.party.on(TicketReceived)(lambda context: seen.append(context.user.sub))
    assert (await sign_in(provider, browser, "/auth/login?return_to=/x")).status == 303
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (signed_in.sub, signed_in.properties, seen) == ("local-7", {"p": 1}, ["local-7"])


@pytest.mark.parametrize("event", FULL)
async def test_rp_L_an_event_may_deny(provider: HostileProvider, browser: Browser, event: type) -> None:
    """1L: fail: 403, and nobody is signed in."""

    @browser.party.on(event)
    async def deny(context: object) -> None:
        raise Denied("blocked")

    response = await sign_in(provider, browser)
    assert (response.status, error_code(response)) == (403, "access_denied")
    assert not browser.signed_in


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (RedirectToIdentityProvider, PASS),
        (RedirectToIdentityProvider, Accept(User(ISSUER, "x"))),
        (TicketReceived, Accept(User(ISSUER, "x"))),
        (TokenValidated, TokenResponse()),
        (TokenValidated, True),
        (MessageReceived, "yes"),
    ],
)
async def test_rp_L_an_outcome_the_table_does_not_have_is_a_programming_error(
    provider: HostileProvider, browser: Browser, event: type, outcome: object
) -> None:
    """1L: a column that says "–" refuses it, loudly."""
    browser.party.on(event)(lambda context: outcome)
    with pytest.raises(TypeError):
        await sign_in(provider, browser)


async def test_rp_L11_the_last_event_cannot_deny(provider: HostileProvider, browser: Browser) -> None:
    """1L: TicketReceived may skip or handle; denying belongs to an event before it."""

    @browser.party.on(TicketReceived)
    def deny(context: TicketReceived) -> None:
        raise Denied

    with pytest.raises(TypeError, match="ticket_received"):
        await sign_in(provider, browser)


def test_only_events_can_be_listened_to(browser: Browser) -> None:
    """A wrong class is found where it is written."""
    with pytest.raises(TypeError):
        browser.party.on(User)(lambda context: None)


async def test_rp_F3_an_application_may_redeem_the_code_itself(
    provider: HostileProvider, browser: Browser
) -> None:
    """F3, F4: no request of ours; TokenResponseReceived still runs, and the ID token is verified all the same."""
    seen: list[str] = []

    @browser.party.on(AuthorizationCodeReceived)
    async def redeem(context: AuthorizationCodeReceived) -> TokenResponse:
        return await browser.party.redeem_code(context.redemption)

    browser.party.on(TokenResponseReceived)(lambda context: seen.append("seen"))
    assert (await sign_in(provider, browser)).status == 303
    assert seen == ["seen"]
    provider.id_token = {"nonce": "wrong"}
    assert error_code(await sign_in(provider, browser)) == "id_token_nonce"


async def test_rp_L0_what_an_event_replaces_is_what_the_next_step_uses(
    provider: HostileProvider, browser: Browser
) -> None:
    """L0: token request, token response, principal, UserInfo and properties."""

    @browser.party.on(AuthorizationCodeReceived)
    def request(context: AuthorizationCodeReceived) -> AuthorizationCodeReceived:
        return replace(context, redemption=replace(context.redemption, parameters={"extra": "1"}))

    @browser.party.on(TokenResponseReceived)
    def response(context: TokenResponseReceived) -> TokenResponseReceived:
        import msgspec

        changed = msgspec.structs.replace(context.token_response, refresh_token=None)
        return replace(context, token_response=changed, properties={"step": 2})

    @browser.party.on(TokenValidated)
    def principal(context: TokenValidated) -> TokenValidated:
        return replace(context, user=replace(context.user, claims={**context.user.claims, "role": "admin"}))

    @browser.party.on(UserInformationReceived)
    def information(context: UserInformationReceived) -> UserInformationReceived:
        return replace(context, user_information={"email": "replaced@example.com"})

    await sign_in(provider, browser)
    assert provider.last("/token")["extra"] == "1"
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.data.refresh_token is None
    assert signed_in.properties == {"step": 2}
    assert (signed_in.claims["role"], signed_in.claims["email"]) == ("admin", "replaced@example.com")


async def test_sec_D12_an_event_cannot_hide_a_foreign_subject(
    provider: HostileProvider, browser: Browser
) -> None:
    """rp_I6: the sub is compared on what came, not on what the event made of it."""
    provider.userinfo = {"sub": "u-mallory"}
    browser.party.on(UserInformationReceived)(
        lambda context: replace(context, user_information={"sub": "u-alice"})
    )
    assert error_code(await sign_in(provider, browser)) == "userinfo_sub"


async def test_rp_L9_a_failed_authentication_can_be_rescued(
    provider: HostileProvider, browser: Browser
) -> None:
    """L9: success rescues the login; the failure says what happened."""
    failures: list[Exception] = []

    @browser.party.on(AuthenticationFailed)
    def rescue(context: AuthenticationFailed) -> Accept:
        failures.append(context.failure)
        return Accept(User(ISSUER, "guest", {"sub": "guest"}))

    provider.id_token = {"nonce": "wrong"}
    assert (await sign_in(provider, browser)).status == 303
    assert isinstance(failures[0], ResponseRejected)
    assert browser.signed_in


async def test_rp_L10_the_failure_page_can_be_the_application_s(
    provider: HostileProvider, browser: Browser
) -> None:
    """L10: handled; the provider's error and words are there for it."""
    failures: list[Exception] = []

    @browser.party.on(RemoteFailure)
    async def page(context: RemoteFailure) -> HttpResponse:
        failures.append(context.failure)
        return HANDLED

    response = await sign_in(provider, browser, code=None, error="login_required", error_description="why")
    assert response.body == b"handled"
    assert isinstance(failures[0], ProviderRefused)
    assert (failures[0].error, failures[0].error_description) == ("login_required", "why")


async def test_rp_E13_access_denied_goes_where_the_application_says(provider: HostileProvider) -> None:
    """E13: to the path with the page the user came from; L4 may change both."""
    browser = Browser(relying_party(provider, access_denied_path="/denied"))
    response = await sign_in(
        provider, browser, "/auth/login?return_to=/x%3Fa=b", code=None, error="access_denied"
    )
    assert location(response) == f"{BASE}/denied?return_to=%2Fx%3Fa%3Db"
    browser.party.on(AccessDenied)(
        lambda context: replace(context, access_denied_path="/no", return_url_parameter="")
    )
    response = await sign_in(provider, browser, code=None, error="access_denied")
    assert location(response) == f"{BASE}/no"


async def test_listeners_run_in_order_and_the_first_decision_stops(
    provider: HostileProvider, browser: Browser
) -> None:
    """4C: handlers run in registration order, each sees what those before it changed."""
    seen: list[object] = []
    browser.party.on(TicketReceived)(lambda context: replace(context, return_to="/first"))
    browser.party.on(TicketReceived)(lambda context: seen.append(context.return_to))
    browser.party.on(TicketReceived)(lambda context: HANDLED)
    browser.party.on(TicketReceived)(lambda context: seen.append("never"))
    await sign_in(provider, browser)
    assert seen == ["/first"]


async def test_nothing_secret_is_logged(
    provider: HostileProvider, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """rp_N10: no message URL, UserInfo, token, Location, Set-Cookie or nonce in a log or an exception."""
    caplog.set_level("DEBUG")
    sent = location(await browser.get("/auth/login"))
    url = provider.authorize(sent)
    await browser.get(url)
    provider.answers["/token"] = lambda request: json_response(
        400, {"error": "invalid_grant", "error_description": "code xyz-secret"}
    )
    await sign_in(provider, browser)
    written = "".join(str(vars(record)) for record in caplog.records)
    assert caplog.records
    secrets = [
        *provider.refresh_tokens,
        url,
        sent,
        "xyz-secret",
        "alice@example.com",
        *browser.cookies.values(),
    ]
    assert not any(secret in written for secret in secrets)
