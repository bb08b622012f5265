"""rp_L: the fourteen events: when each runs, what it is shown, and what each may give.

Every event is tried with everything: None, its own context changed, a response, PASS, Accept, Denied, and what only
one of them may give. What the table has no column for is a TypeError.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, fields, replace

import pytest

from authwright.protocol.http import PASS, Headers, HttpResponse, Pass, html_response
from authwright.protocol.token import TokenResponse
from authwright.relying_party.errors import Denied
from authwright.relying_party.event_line import ALLOWED
from authwright.relying_party.events import (
    Accept,
    AccessDenied,
    AuthenticationFailed,
    AuthorizationCodeReceived,
    MessageReceived,
    PushAuthorization,
    Pushed,
    RedirectToIdentityProvider,
    RedirectToIdentityProviderForSignOut,
    RemoteFailure,
    RemoteSignOut,
    SignedOutCallbackRedirect,
    TicketReceived,
    TokenResponseReceived,
    TokenValidated,
    UserInformationReceived,
)
from authwright.relying_party.logout import LogoutPolicy
from authwright.relying_party.user import User
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    Browser,
    HostileProvider,
    error_code,
    location,
    relying_party,
)

HANDLED = html_response(200, "handled")
LOCAL = User(ISSUER, "local-7", {"sub": "local-7"})
Way = Callable[[HostileProvider, Browser], Awaitable[HttpResponse | Pass]]


# --- The ways on which the events lie


async def asked_for_login(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    return await browser.party.handle(browser.request("GET", "/auth/login"))


async def came_back(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    url = provider.authorize(location(await browser.get("/auth/login?return_to=/x")))
    return await answered(browser, url)


async def declined(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    sent = location(await browser.get("/auth/login?return_to=/x"))
    return await answered(browser, provider.authorize(sent, code=None, error="access_denied"))


async def failed(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    provider.id_token = {"nonce": "wrong"}
    return await came_back(provider, browser)


async def signing_out(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    return await browser.party.handle(browser.request("POST", "/auth/logout"))


async def signed_out_there(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    path = f"/auth/frontchannel-logout?iss={ISSUER}&sid=op-session"
    return await browser.party.handle(browser.request("GET", path))


async def back_from_sign_out(provider: HostileProvider, browser: Browser) -> HttpResponse | Pass:
    sent = location(await browser.post("/auth/logout", b"return_to=/bye"))
    state = sent.partition("state=")[2].partition("&")[0]
    return await browser.party.handle(browser.request("GET", f"/auth/logout/callback?state={state}"))


async def answered(browser: Browser, url: str) -> HttpResponse | Pass:
    answer = await browser.party.handle(browser.request("GET", url))
    if isinstance(answer, HttpResponse):
        browser.keep(answer)
    return answer


def fresh(provider: HostileProvider) -> Browser:
    provider.id_token = {}
    return Browser(relying_party(provider, logout=LogoutPolicy(frontchannel=True)))


# --- What an outcome must lead to

Check = Callable[[Browser, HttpResponse | Pass], None]


def handled(browser: Browser, answer: HttpResponse | Pass) -> None:
    assert isinstance(answer, HttpResponse)
    assert answer.body == b"handled"
    assert not browser.signed_in


def passed(browser: Browser, answer: HttpResponse | Pass) -> None:
    assert answer is PASS
    assert not browser.signed_in


def accepted(browser: Browser, answer: HttpResponse | Pass) -> None:
    assert isinstance(answer, HttpResponse)
    assert answer.status == 303
    assert browser.signed_in


def denied(browser: Browser, answer: HttpResponse | Pass) -> None:
    assert isinstance(answer, HttpResponse)
    assert (answer.status, error_code(answer)) == (403, "access_denied")
    assert not browser.signed_in


def refused(browser: Browser, answer: HttpResponse | Pass) -> None:
    assert isinstance(answer, HttpResponse)
    assert answer.status == 403


@dataclass
class Raise:
    """What a listener raises instead of returning."""

    failure: Exception = field(default_factory=Denied)


SKIP_HANDLED: dict[str, tuple[object, Check]] = {"handled": (HANDLED, handled), "skip": (PASS, passed)}
ALL_FOUR: dict[str, tuple[object, Check]] = {
    **SKIP_HANDLED,
    "success": (Accept(LOCAL), accepted),
    "fail": (Raise(), denied),
}
EVERYTHING: dict[str, object] = {
    "handled": HANDLED, "skip": PASS, "success": Accept(LOCAL), "fail": Raise(), "redeemed": TokenResponse(),
    "pushed": Pushed("urn:x"), "nonsense": True, "foreign": RemoteFailure,
}  # fmt: skip


async def pin(
    provider: HostileProvider,
    event: type,
    way: Way,
    allowed: dict[str, tuple[object, Check]],
    *,
    shown: Iterable[str],
    others: Iterable[str] = (),
) -> None:
    """Try the event with everything. `others` are outcomes it may give that the caller looks at itself."""
    # Shown: exactly these members.
    assert {member.name for member in fields(event)} == {"request", *shown}
    # Nothing, and its own context: the way goes on as if nobody listened.
    plain = await way(provider, fresh(provider))
    for same in (lambda context: None, lambda context: replace(context)):
        browser = fresh(provider)
        browser.party.on(event)(same)
        answer = await way(provider, browser)
        assert isinstance(plain, HttpResponse)
        assert isinstance(answer, HttpResponse)
        assert answer.status == plain.status
    # Everything else: as the table says, or a TypeError.
    for name, outcome in EVERYTHING.items():
        browser = fresh(provider)
        browser.party.on(event)(_giving(outcome))
        if name in allowed:
            allowed[name][1](browser, await way(provider, browser))
        elif name not in others:
            with pytest.raises(TypeError, match=ALLOWED[event][0]):
                await way(provider, browser)


def _giving(outcome: object) -> Callable[[object], object]:
    def listener(context: object) -> object:
        if isinstance(outcome, Raise):
            raise Denied("no")
        return outcome

    return listener


async def test_rp_L1_redirect_to_identity_provider(provider: HostileProvider) -> None:
    """L1: before the authorize redirect; message, properties; – / handled / – / –."""
    await pin(
        provider, RedirectToIdentityProvider, asked_for_login, {"handled": (HANDLED, handled)},
        shown=("message", "properties", "authorization_endpoint"),
    )  # fmt: skip


async def test_rp_L2_push_authorization(provider: HostileProvider) -> None:
    """L2: before the push; the request; it may skip the push, do it itself, or bring the client's authentication."""
    provider.metadata["pushed_authorization_request_endpoint"] = ISSUER + "/par"
    headers = Headers.of({"content-type": "application/json"})
    pushed = HttpResponse(201, headers, b'{"request_uri":"urn:ours","expires_in":60}')
    provider.answers["/par"] = lambda request: pushed
    shown = ("message", "properties", "endpoint", "parameters", "authenticated", "fetch")

    def redirected(reference: str | None) -> Check:
        def check(browser: Browser, answer: HttpResponse | Pass) -> None:
            assert isinstance(answer, HttpResponse)
            assert ("request_uri=" in location(answer)) == (reference is not None)
            assert reference is None or reference in location(answer)

        return check

    allowed: dict[str, tuple[object, Check]] = {
        "skip": (PASS, redirected(None)),
        "pushed": (None, redirected("urn%3Ax")),
    }
    await pin(provider, PushAuthorization, asked_for_login, allowed, shown=shown)
    browser = fresh(provider)
    provider.requests.clear()
    browser.party.on(PushAuthorization)(
        lambda context: replace(
            context, authenticated=True, parameters={"client_assertion": "mine", "client_id": "web"}
        )
    )
    await asked_for_login(provider, browser)
    (request,) = [request for request in provider.requests if request.path == "/par"]
    assert request.headers.get("authorization") is None
    assert provider.last("/par")["client_assertion"] == "mine"


async def test_rp_L3_message_received(provider: HostileProvider) -> None:
    """L3: callback parsed, before state checks; message, properties?; all four."""
    await pin(provider, MessageReceived, came_back, ALL_FOUR, shown=("message", "properties"))


async def test_rp_L4_access_denied(provider: HostileProvider) -> None:
    """L4: error=access_denied; path, where to, and its name, all editable; skip, handled."""
    shown = ("properties", "return_to", "access_denied_path", "return_url_parameter")
    await pin(provider, AccessDenied, declined, SKIP_HANDLED, shown=shown)
    browser = fresh(provider)
    browser.party.on(AccessDenied)(
        lambda context: replace(
            context, access_denied_path="/no?a=b", return_url_parameter="r", return_to="/y"
        )
    )
    answer = await declined(provider, browser)
    assert isinstance(answer, HttpResponse)
    assert location(answer) == f"{BASE}/no?a=b&r=%2Fy"


async def test_rp_L5_token_validated(provider: HostileProvider) -> None:
    """L5: the ID token is validated; principal, JWT, nonce, token response?; all four."""
    shown = ("user", "id_token", "nonce", "token_response", "properties")
    await pin(provider, TokenValidated, came_back, ALL_FOUR, shown=shown)


async def test_rp_L6_authorization_code_received(provider: HostileProvider) -> None:
    """L6: before redemption; token request and backchannel; all four, and "I redeemed it"."""
    shown = ("redemption", "properties", "fetch", "user", "id_token")
    await pin(provider, AuthorizationCodeReceived, came_back, ALL_FOUR, shown=shown, others=("redeemed",))
    browser = fresh(provider)

    @browser.party.on(AuthorizationCodeReceived)
    async def redeem(context: AuthorizationCodeReceived) -> TokenResponse:
        return await browser.party.redeem_code(context.redemption)

    accepted(browser, await came_back(provider, browser))
    assert provider.asked("/token") >= 1


async def test_rp_L7_token_response_received(provider: HostileProvider) -> None:
    """L7: after redemption; the token response; all four."""
    shown = ("token_response", "properties")
    await pin(provider, TokenResponseReceived, came_back, ALL_FOUR, shown=shown)


async def test_rp_L8_user_information_received(provider: HostileProvider) -> None:
    """L8: after UserInfo; its JSON, replaceable; all four."""
    shown = ("user", "user_information", "properties")
    await pin(provider, UserInformationReceived, came_back, ALL_FOUR, shown=shown)


async def test_rp_L9_authentication_failed(provider: HostileProvider) -> None:
    """L9: something after the state was found went wrong; the failure; all four, success rescues the login."""
    await pin(provider, AuthenticationFailed, failed, ALL_FOUR, shown=("failure", "properties"))
    browser, seen = fresh(provider), []
    browser.party.on(AuthenticationFailed)(lambda context: replace(context, failure=Denied("mine")))
    browser.party.on(RemoteFailure)(lambda context: seen.append(context.failure))
    denied(browser, await failed(provider, browser))
    assert isinstance(seen[0], Denied)


async def test_rp_L10_remote_failure(provider: HostileProvider) -> None:
    """L10: any failure; editable; skip, handled."""
    await pin(provider, RemoteFailure, failed, SKIP_HANDLED, shown=("failure", "properties"))
    browser = fresh(provider)
    browser.party.on(RemoteFailure)(lambda context: replace(context, failure=Denied("mine")))
    denied(browser, await failed(provider, browser))


async def test_rp_L11_ticket_received(provider: HostileProvider) -> None:
    """L11: before the sign-in; principal, properties, where to; skip, handled."""
    await pin(provider, TicketReceived, came_back, SKIP_HANDLED, shown=("user", "properties", "return_to"))


async def test_rp_L12_redirect_to_identity_provider_for_sign_out(provider: HostileProvider) -> None:
    """L12: before the end-session redirect; the message; handled."""
    await pin(
        provider, RedirectToIdentityProviderForSignOut, signing_out, {"handled": (HANDLED, handled)},
        shown=("message", "properties", "end_session_endpoint"),
    )  # fmt: skip


async def test_rp_L13_remote_sign_out(provider: HostileProvider) -> None:
    """L13: the provider's sign-out; its message, if there is one; skip, handled, fail."""
    allowed = {**SKIP_HANDLED, "fail": (Raise(), refused)}
    await pin(provider, RemoteSignOut, signed_out_there, allowed, shown=("channel", "notice"))


async def test_rp_L14_signed_out_callback_redirect(provider: HostileProvider) -> None:
    """L14: back from the sign-out; state, properties?; skip, handled, fail."""
    allowed = {**SKIP_HANDLED, "fail": (Raise(), refused)}
    shown = ("state", "properties", "return_to")
    await pin(provider, SignedOutCallbackRedirect, back_from_sign_out, allowed, shown=shown)


@pytest.mark.parametrize("event", [name for name, _ in ALLOWED.values()])
async def test_rp_L_a_first_decision_stops_the_later_listeners(provider: HostileProvider, event: str) -> None:
    """1L: any result stops what comes after it; the order is the object's method first, then functions as added."""
    (context,) = [kind for kind, (name, _) in ALLOWED.items() if name == event]
    seen: list[str] = []
    browser = fresh(provider)
    browser.party.on(context)(lambda given: seen.append("first"))
    browser.party.on(context)(_giving(PASS if Pass in ALLOWED[context][1] else HANDLED))
    browser.party.on(context)(lambda given: seen.append("never"))
    if context is PushAuthorization:
        provider.metadata["pushed_authorization_request_endpoint"] = ISSUER + "/par"
    ways: dict[type, Way] = {
        RedirectToIdentityProvider: asked_for_login, PushAuthorization: asked_for_login, AccessDenied: declined,
        AuthenticationFailed: failed, RemoteFailure: failed, RemoteSignOut: signed_out_there,
        RedirectToIdentityProviderForSignOut: signing_out, SignedOutCallbackRedirect: back_from_sign_out,
    }  # fmt: skip
    await ways.get(context, came_back)(provider, browser)
    assert seen == ["first"]
