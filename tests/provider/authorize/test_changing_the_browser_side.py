"""What an application may change: events, pages of its own; and what happens when the provider itself is unwell."""

from typing import Any

import msgspec
import pytest

from authwright.crypto.passwords import Overloaded
from authwright.crypto.seal import RootKeys
from authwright.html_pages.pages import HtmlPages
from authwright.protocol.authorization import AuthorizationRequest, AuthorizationResponse
from authwright.protocol.errors import Refused
from authwright.protocol.http import PASS, HttpRequest, HttpResponse, html_response
from authwright.protocol.logout import LogoutRequest
from authwright.provider.events import ProviderEvents
from authwright.provider.pages import LoginPage
from authwright.records import Account, Client, Session
from authwright.registrations import client, user
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores, StoreUnavailable
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.authorize.sign_in import SIGNED_OUT, Site, open_site, request_pairs
from tests.provider.installation import CALLBACK, ISSUER, SECRET

ANSWER = html_response(200, "<p id=own>answered</p>")


async def site_with(clock: FrozenClock, **options: Any) -> Site:
    return await open_site(memory_stores(clock), clock, **options)


# -- events ----------------------------------------------------------------------------------------------------------


async def test_an_event_may_refuse_a_request(clock: FrozenClock) -> None:
    """A refusal without a code is invalid_request, sent to the client with state and iss."""

    async def refuse(request: AuthorizationRequest, client: Client, http: HttpRequest) -> None:
        assert (request.client_id, client.client_id, http.path) == ("web", "web", "/authorize")
        raise Refused(description="Not on Sundays.")

    site = await site_with(clock, events=ProviderEvents(validate_authorization_request=refuse))
    page = await site.authorize()
    assert page.params.one("error") == "invalid_request"
    assert page.params.one("error_description") == "Not on Sundays."
    assert page.params.one("iss") == ISSUER


@pytest.mark.parametrize(("outcome", "status"), [(ANSWER, 200), (PASS, 404)])
async def test_an_event_may_answer_or_pass(clock: FrozenClock, outcome: Any, status: int) -> None:
    """Its response is the answer; PASS leaves it to the application behind."""

    async def answer(*_: Any) -> Any:
        return outcome

    site = await site_with(clock, events=ProviderEvents(validate_authorization_request=answer))
    assert (await site.authorize()).status == status


async def test_an_event_may_amend_the_ticket(clock: FrozenClock) -> None:
    """The code stands for what the event granted."""

    async def less(request: AuthorizationRequest, client: Client, ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(ticket, scopes=("openid",))

    site = await site_with(clock, events=ProviderEvents(authorization_endpoint=less))
    assert (await site.tokens(await site.sign_in()))["scope"] == "openid"


async def test_an_event_that_refuses_the_ticket_denies_access(clock: FrozenClock) -> None:
    """The default code there is access_denied."""

    async def refuse(*_: Any) -> None:
        raise Refused()

    site = await site_with(clock, events=ProviderEvents(authorization_endpoint=refuse))
    assert (await site.sign_in()).params.one("error") == "access_denied"


async def test_a_code_that_an_event_answered_with_works(clock: FrozenClock) -> None:
    """An application that sends the code in its own way sends one that is stored."""
    codes: list[str] = []

    async def by_hand(
        request: AuthorizationRequest, client: Client, response: AuthorizationResponse
    ) -> HttpResponse:
        assert response.code is not None
        codes.append(response.code)
        return ANSWER

    site = await site_with(clock, events=ProviderEvents(authorization_endpoint_response=by_hand))
    assert (await site.sign_in()).has("own")
    assert (await site.op.redeem(codes[0])).status == 200


async def test_a_code_that_was_not_sent_is_not_stored(clock: FrozenClock) -> None:
    """Taken out of the response, or passed on: nothing was given."""
    codes: list[str] = []

    async def take_out(
        request: AuthorizationRequest, client: Client, response: AuthorizationResponse
    ) -> AuthorizationResponse:
        assert response.code is not None
        codes.append(response.code)
        return AuthorizationResponse(error="access_denied", state=response.state, iss=response.iss)

    site = await site_with(clock, events=ProviderEvents(authorization_endpoint_response=take_out))
    assert (await site.sign_in()).params.one("error") == "access_denied"
    assert (await site.op.redeem(codes[0])).json()["error"] == "invalid_grant"


async def test_events_see_a_sign_out(clock: FrozenClock) -> None:
    """Before and after; a refusal before keeps the session."""
    seen: list[str] = []

    async def before(request: LogoutRequest, client: Client | None, session: Session | None) -> None:
        seen.append("before")
        if request.state == "no":
            raise Refused(description="Not now.")

    async def after(request: LogoutRequest, client: Client | None, session: Session | None) -> None:
        assert session is not None
        assert client is not None
        seen.append(f"after {session.subject} {client.client_id}")

    site = await site_with(
        clock, events=ProviderEvents(validate_logout_request=before, logout_endpoint=after)
    )
    hint = (await site.tokens(await site.sign_in()))["id_token"]
    url = f"{ISSUER}/end_session?id_token_hint={hint}&post_logout_redirect_uri={SIGNED_OUT}"
    assert (await site.browser.get(f"{url}&state=no")).texts["error-description"] == "Not now."
    assert (await site.browser.get(url)).url == SIGNED_OUT
    assert seen == ["before", "before", "after u-alice web"]


# -- pages -----------------------------------------------------------------------------------------------------------


class OwnPages(HtmlPages):
    """A login page of the application's own; the rest as they are."""

    async def login(self, page: LoginPage) -> HttpResponse:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{value}">' for name, value in page.form.hidden
        )
        return html_response(
            page.status,
            f'<form method="post" action="{page.form.action}">{hidden}<input name="username"><input name="password">'
            '<button id="login-submit">Hello</button></form>',
        )


async def test_a_page_of_ones_own_takes_the_place_of_a_default(clock: FrozenClock) -> None:
    """It needs its form's hidden fields only, and gets the headers it lacks."""
    site = await site_with(clock, pages=OwnPages())
    page = await site.authorize("own")
    assert page.texts["login-submit"] == "Hello"
    assert page.header("x-frame-options") == "DENY"
    assert "frame-ancestors 'none'" in (page.header("content-security-policy") or "")
    assert (await site.login()).params.one("code")


# -- faults ----------------------------------------------------------------------------------------------------------


class Unreachable:
    """A store whose every verb fails."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable

        return fail


@pytest.mark.parametrize("room", ["sessions", "consents", "once", "tickets", "limits", "accounts"])
async def test_a_store_out_of_reach_is_a_503_page(clock: FrozenClock, room: str) -> None:
    """Never an error to the client, never a wrong answer: 503 with Retry-After, and a page that says try again."""
    stores = memory_stores(clock)
    site = await open_site(stores, clock)
    broken: Stores = msgspec.structs.replace(stores, **{room: Unreachable()})
    sound_steps = await site.sign_in("own")
    assert sound_steps.params.one("code")
    unwell = await _reopened(site, broken, clock)
    unwell.browser.cookies = site.browser.cookies if room in ("consents", "tickets", "accounts") else ()
    if room == "once":
        await site.authorize("web")
        unwell.browser.cookies = site.browser.cookies
        page = await unwell.authorize("web")
        page = await unwell.browser.click("consent-allow")
    elif room == "sessions":
        unwell.browser.cookies = site.browser.cookies
        page = await unwell.authorize("own")
    else:
        page = await unwell.authorize("own")
        if page.has("login-submit"):
            page = await unwell.login()
    assert page.status == 503
    assert page.header("retry-after") == "1"
    assert page.texts["error-code"] == "temporarily_unavailable"


async def _reopened(site: Site, stores: Stores, clock: FrozenClock) -> Site:
    """The same provider on other stores: same keys, so that its cookies open."""
    from tests.provider.authorize.sign_in import BROWSER_CLIENTS

    provider = standard_provider(
        issuer=ISSUER,
        stores=stores,
        keys=RootKeys([bytes(range(32))]),
        clients=BROWSER_CLIENTS,
        clock=clock,
    )
    return Site(op=site.op, browser=Browser({ISSUER: provider.handle}, clock=clock))


class ConsentsDuringSignOut:
    """A consent store that is just slow enough for the person to sign out meanwhile."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def get(self, subject: str, client_id: str) -> None:
        await self._stores.sessions.remove(subject=subject)


async def test_a_sign_out_that_was_faster_wins(clock: FrozenClock) -> None:
    """No code for a session that ended while the request was on its way."""
    stores = memory_stores(clock)
    site = await open_site(stores, clock)
    await site.sign_in("spa")
    slow: Stores = msgspec.structs.replace(stores, consents=ConsentsDuringSignOut(stores))
    racing = await _reopened(site, slow, clock)
    racing.browser.cookies = site.browser.cookies
    page = await racing.authorize("own")
    assert page.params.one("error") == "login_required"
    assert page.params.one("code") is None


async def test_a_login_flood_is_told_to_come_back(clock: FrozenClock) -> None:
    """When no thread is free for another password: 503, not a wrong-password answer."""

    class Busy:
        async def authenticate(self, username: str, password: str) -> Account | None:
            raise Overloaded

        async def get(self, subject: str) -> Account | None:
            return None

    site = await site_with(clock, accounts=Busy())
    await site.authorize()
    page = await site.login()
    assert page.status == 503
    assert page.header("retry-after") == "1"


# -- where the issuer is -----------------------------------------------------------------------------------------------


async def test_on_http_loopback_below_a_path(clock: FrozenClock) -> None:
    """Plain cookies without the prefix, and every link below the issuer's path."""
    issuer = "http://localhost:9000/op"
    provider = standard_provider(
        issuer=issuer,
        stores=memory_stores(clock),
        keys=RootKeys([bytes(32)]),
        clients=[
            client(
                "own",
                SECRET,
                redirect_uris=[CALLBACK],
                scope="openid profile",
                post_logout_redirect_uris=[SIGNED_OUT],
            )
        ],
        users=[user("alice", "alice-secret")],
        clock=clock,
    )
    await provider.open()
    browser = Browser({"http://localhost:9000": provider.handle}, clock=clock)
    query = HttpRequest.to("GET", f"{issuer}/authorize").url
    pairs = "&".join(f"{name}={value}" for name, value in request_pairs("own", scope="openid"))
    page = await browser.get(f"{query}?{pairs}")
    page = await browser.click("login-submit", username="alice", password="alice-secret")
    page = await browser.click("consent-allow")
    assert page.params.one("iss") == issuer
    assert {cookie.name for cookie in browser.cookies} == {"authwright_session", "authwright_browser"}
    assert not any(cookie.secure for cookie in browser.cookies)
    assert all(cookie.http_only and cookie.path == "/" for cookie in browser.cookies)
    page = await browser.get(f"{issuer}/end_session?client_id=own&post_logout_redirect_uri={SIGNED_OUT}")
    assert (await browser.click("logout-confirm")).url == SIGNED_OUT
