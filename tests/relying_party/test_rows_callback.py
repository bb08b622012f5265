"""rp_E: what comes back, read and checked."""

from dataclasses import replace

import pytest

from authwright.protocol.http import HttpResponse
from authwright.relying_party.client import Public, RelyingPartyClient
from authwright.relying_party.errors import ProviderRefused
from authwright.relying_party.events import (
    Accept,
    AccessDenied,
    AuthenticationFailed,
    MessageReceived,
    RemoteFailure,
    TokenValidated,
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
    sign_in_by_form,
)

HYBRID = RelyingPartyClient(client_id="web", auth=Public(), response_type="code id_token")


def at(provider: HostileProvider, response_type: str) -> Browser:
    """A browser at a client of that response type."""
    client = RelyingPartyClient(
        client_id="web",
        auth=Public(),
        response_type=response_type,  # type: ignore[arg-type]
        front_channel_access_tokens=True,
    )
    return Browser(relying_party(provider, client=client))


@pytest.mark.parametrize(
    "path", ["/auth/Callback", "/auth/callback/", "/AUTH/callback", "/auth//callback", "/auth/callback%2f"]
)
async def test_rp_E1_only_the_exact_path_is_ours(browser: Browser, path: str) -> None:
    """E1: no other spelling; everything else is the application's."""
    assert not browser.party.serves(path)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
    ],
)
async def test_rp_E2_an_answer_comes_in_the_query_or_in_a_form(
    provider: HostileProvider, content_type: str
) -> None:
    """E2: GET or POST, the media type in any case, parameters allowed."""
    browser = Browser(relying_party(provider, client=HYBRID))
    url, body = provider.authorize_form(location(await browser.get("/auth/login")))
    assert (await browser.post_back(url, body, content_type=content_type)).status == 303


@pytest.mark.parametrize(
    ("method", "content_type"),
    [("POST", "application/json"), ("POST", "text/plain"), ("POST", "multipart/form-data"), ("POST", ""),
     ("HEAD", ""), ("PUT", "application/x-www-form-urlencoded")],
)  # fmt: skip
async def test_rp_E3_anything_else_is_no_message(browser: Browser, method: str, content_type: str) -> None:
    """E3: refused by name."""
    request = browser.request(method, "/auth/callback?state=x", b"state=x", content_type=content_type)
    response = await browser.send(request)
    assert (response.status, error_code(response)) == (400, "no_message")


@pytest.mark.parametrize("name", ["id_token", "access_token", "refresh_token"])
async def test_rp_E4_E19_tokens_do_not_come_in_a_query(
    provider: HostileProvider, browser: Browser, name: str
) -> None:
    """E4, E19: nor does a refresh token ever come through the browser; the attempt of the user is not even touched."""
    sent = location(await browser.get("/auth/login"))
    url = provider.authorize(sent)
    assert error_code(await browser.get(f"{url}&{name}=x")) == "front_channel_tokens"
    assert (await browser.get(url)).status == 303


async def test_rp_E19_a_refresh_token_does_not_come_in_a_form_either(provider: HostileProvider) -> None:
    """E19: refused in every response type."""
    response = await sign_in_by_form(provider, at(provider, "code id_token"), refresh_token="rt")
    assert error_code(response) == "front_channel_tokens"


@pytest.mark.parametrize("name", ["state", "code", "iss", "id_token", "access_token", "error", "anything"])
async def test_rp_E5_a_repeated_parameter_is_refused(provider: HostileProvider, name: str) -> None:
    """E5: not the first one taken; in a form as in a query."""
    browser = at(provider, "code id_token")
    url, body = provider.authorize_form(location(await browser.get("/auth/login")))
    response = await browser.post_back(url, body + f"&{name}=x&{name}=x".encode())
    assert error_code(response) == "message_malformed"


async def test_rp_E6_an_empty_name_means_nothing(provider: HostileProvider, browser: Browser) -> None:
    """E6: dropped."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    assert (await browser.get(url + "&=x&=y&&")).status == 303


async def test_rp_E7_the_properties_are_there_and_the_state_is_the_application_s(
    provider: HostileProvider, browser: Browser
) -> None:
    """E7: properties restored; message.state is the user state, or None."""
    seen: list[object] = []
    browser.party.on(MessageReceived)(
        lambda context: seen.append((context.message.state, context.properties))
    )
    response = await browser.party.challenge(browser.request("GET", "/"), items={"a": 1})
    browser.keep(response)
    await browser.get(provider.authorize(location(response)))
    assert seen == [(None, {"a": 1})]


async def test_rp_E8_the_event_is_asked_for_a_bad_state_too_and_may_supply_another(
    provider: HostileProvider, browser: Browser
) -> None:
    """E8: properties are None then; a state it supplies is looked up, and the whole attempt is there again."""
    sent = location(await browser.get("/auth/login?return_to=/x"))
    right = provider.authorize(sent).partition("state=")[2].partition("&")[0]
    seen: list[object] = []

    @browser.party.on(MessageReceived)
    def supply(context: MessageReceived) -> MessageReceived:
        seen.append(context.properties)
        return replace(context, message=replace(context.message, state=right))

    done = await browser.get(provider.authorize(sent, state="lost-on-the-way"))
    assert seen == [None]
    assert location(done) == BASE + "/x"
    assert browser.flow_cookies() == []


async def test_rp_E8_properties_alone_are_no_attempt(provider: HostileProvider, browser: Browser) -> None:
    """E8: without the browser's own attempt there is nothing to check the answer with."""
    browser.party.on(MessageReceived)(lambda context: replace(context, properties={"a": 1}))
    assert error_code(await sign_in(provider, browser, state=None)) == "state_missing"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"state": None}, "state_missing"), ({"state": "x"}, "state_unknown")]
)
async def test_rp_E9_E10_no_state_and_a_foreign_state_are_told_apart(
    provider: HostileProvider, browser: Browser, changes: dict[str, str | None], reason: str
) -> None:
    """E9, E10: each by its name, after the event."""
    seen: list[object] = []
    browser.party.on(MessageReceived)(lambda context: seen.append(context))
    assert error_code(await sign_in(provider, browser, **changes)) == reason
    assert len(seen) == 1


async def test_rp_E11_an_attempt_of_another_browser_is_none(
    provider: HostileProvider, browser: Browser
) -> None:
    """E11: correlation: the cookie must be in the browser that brings the answer."""
    url = provider.authorize(location(await browser.get("/auth/login")))
    assert error_code(await Browser(browser.party).get(url)) == "flow_missing"


async def test_rp_E12_a_forged_error_does_nothing(provider: HostileProvider, browser: Browser) -> None:
    """E12: an error is looked at only after state and browser were; no event of it runs before."""
    denied: list[object] = []
    browser.party.on(AccessDenied)(lambda context: denied.append(context))
    for query in ("error=access_denied", "error=access_denied&state=x"):
        assert error_code(await browser.get(f"/auth/callback?{query}")).startswith("state_")
    assert denied == []


async def test_rp_E13_L4_access_denied_may_be_answered_or_passed(
    provider: HostileProvider, browser: Browser
) -> None:
    """E13: the event, then the path if there is one, else it is a failure like others."""
    response = await sign_in(provider, browser, code=None, error="access_denied")
    assert (response.status, error_code(response)) == (400, "access_denied")
    browser.party.on(AccessDenied)(lambda context: HttpResponse(204))
    assert (await sign_in(provider, browser, code=None, error="access_denied")).status == 204


async def test_rp_E14_an_error_is_shown_to_remote_failure_alone(
    provider: HostileProvider, browser: Browser
) -> None:
    """E14: with error, description and uri; authentication_failed is not asked."""
    failures: list[object] = []
    browser.party.on(AuthenticationFailed)(lambda context: failures.append("authentication_failed"))
    browser.party.on(RemoteFailure)(lambda context: failures.append(context.failure))
    await sign_in(
        provider, browser, code=None, error="server_error", error_description="d", error_uri="https://e"
    )
    (failure,) = failures
    assert isinstance(failure, ProviderRefused)
    assert (failure.error, failure.error_description, failure.error_uri) == ("server_error", "d", "https://e")
    failures.clear()
    await sign_in(provider, browser, code=None, error="server_error")
    assert isinstance(failures[0], ProviderRefused)
    assert failures[0].error_description is None


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
async def test_rp_E16_an_id_token_of_the_browser_is_validated_first(
    provider: HostileProvider, response_type: str
) -> None:
    """E16: token_validated sees it without a token response; the code waits for it."""
    browser = at(provider, response_type)
    seen: list[object] = []
    browser.party.on(TokenValidated)(lambda context: seen.append(context.token_response))
    assert (await sign_in_by_form(provider, browser)).status == 303
    assert seen == [None]
    provider.requests.clear()
    provider.front_id_token = {"nonce": "another"}
    assert error_code(await sign_in_by_form(provider, browser)) == "id_token_nonce"
    assert provider.asked("/token") == 0


@pytest.mark.parametrize(
    ("response_type", "changes", "reason"),
    [
        ("code", {"code": None}, "code_missing"),
        ("id_token", {"id_token": None}, "id_token_missing"),
        ("code id_token", {"code": None}, "code_missing"),
        ("code id_token", {"id_token": None}, "id_token_missing"),
        ("id_token token", {"access_token": None}, "access_token_missing"),
        ("code id_token", {"code": None, "id_token": None}, "code_missing"),
        ("id_token", {"code": "x"}, "code_unexpected"),
        ("code id_token", {"access_token": "x"}, "front_channel_tokens"),
        ("code", {"id_token": "x"}, "front_channel_tokens"),
    ],
)
async def test_rp_E17_E18_the_answer_has_what_was_asked_for_and_no_more(
    provider: HostileProvider, response_type: str, changes: dict[str, str | None], reason: str
) -> None:
    """E17, E18: neither less nor more; authentication_failed is asked, and may rescue."""
    browser = at(provider, response_type)
    arrive = sign_in if response_type == "code" else sign_in_by_form
    assert error_code(await arrive(provider, browser, **changes)) == reason
    if response_type != "code":
        browser.party.on(AuthenticationFailed)(
            lambda context: Accept(User(ISSUER, "guest", {"sub": "guest"}))
        )
        assert (await sign_in_by_form(provider, browser, **changes)).status == 303
    assert provider.asked("/token") == 0


@pytest.mark.parametrize("name", ["code", "id_token", "access_token"])
async def test_rp_E17_an_error_comes_alone(provider: HostileProvider, name: str) -> None:
    """E17: an error beside an answer contradicts it."""
    response = await sign_in_by_form(provider, at(provider, "code id_token"), error="x", **{name: "y"})
    assert error_code(response) == "error_and_code"


async def test_rp_E22_E23_a_failure_is_a_page_and_never_a_500(
    provider: HostileProvider, browser: Browser
) -> None:
    """E22, E23: authentication_failed, remote_failure, then 400 with a way to start again."""
    seen: list[str] = []
    browser.party.on(AuthenticationFailed)(lambda context: seen.append("authentication_failed"))
    browser.party.on(RemoteFailure)(lambda context: seen.append("remote_failure"))
    provider.id_token = {"nonce": "wrong"}
    response = await sign_in(provider, browser)
    assert response.status == 400
    assert 'id="start-again"' in response.body.decode()
    assert seen == ["authentication_failed", "remote_failure"]


async def test_rp_E22_an_error_of_the_application_stays_its_own(
    provider: HostileProvider, browser: Browser
) -> None:
    """E22: what a listener of the application raises is no verdict on the user: its framework sees it, and the attempt
    is over, so that a reload starts again once instead of raising again."""
    broken = True

    @browser.party.on(TokenValidated)
    def link(context: TokenValidated) -> None:
        if broken:
            raise ZeroDivisionError

    url = provider.authorize(location(await browser.get("/auth/login?return_to=/x")))
    with pytest.raises(ZeroDivisionError):
        await browser.get(url)
    assert not browser.signed_in
    broken = False
    again = await browser.get(url)
    assert (again.status, error_code(again)) == (400, "flow_used")
    assert "again=1&amp;return_to=%2Fx" in again.body.decode()


@pytest.mark.parametrize(
    ("supported", "changes", "reason"),
    [
        (True, {"iss": None}, "iss_missing"),
        (True, {"iss": "https://evil.example"}, "iss_mismatch"),
        (False, {"iss": "https://evil.example"}, "iss_mismatch"),
        (False, {"iss": None}, ""),
    ],
)
async def test_rp_E24_the_issuer_of_the_answer_is_read(
    provider: HostileProvider, browser: Browser, supported: bool, changes: dict[str, str | None], reason: str
) -> None:
    """E24: RFC 9207: compared when it is there, required when it is announced; for errors as well."""
    provider.metadata["authorization_response_iss_parameter_supported"] = supported
    response = await sign_in(provider, browser, **changes)
    assert response.status == (400 if reason else 303)
    assert not reason or error_code(response) == reason
    if reason:
        assert error_code(await sign_in(provider, browser, code=None, error="x", **changes)) == reason


async def test_rp_E25_a_session_of_another_provider_is_not_ours(
    provider: HostileProvider, browser: Browser
) -> None:
    """E25: what was stored for another issuer does not sign in here, whatever the cookie."""
    await sign_in(provider, browser)
    assert await browser.party.session(browser.request("GET", "/")) is not None
    stranger = relying_party(provider)
    assert await stranger.session(browser.request("GET", "/")) is None


async def test_rp_E20_E21_code_then_userinfo_then_session(
    provider: HostileProvider, browser: Browser
) -> None:
    """E20, E21: in this order, each once; the tokens are kept before the claims are shaped."""
    await sign_in(provider, browser)
    assert [request.path for request in provider.requests[1:]] == ["/token", "/jwks", "/userinfo"]
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert signed_in.data.access_token
    assert signed_in.claims["email"] == "alice@example.com"


@pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
async def test_rp_E24_an_id_token_beside_the_answer_names_the_issuer_too(
    provider: HostileProvider, response_type: str
) -> None:
    """E24: RFC 9207 §4: then `iss` may be left out, but not be another; in an error it may not be left out."""
    browser = at(provider, response_type)
    assert (await sign_in_by_form(provider, browser, iss=None)).status == 303
    assert error_code(await sign_in_by_form(provider, browser, iss="https://evil.example")) == "iss_mismatch"
    error = await sign_in_by_form(provider, browser, iss=None, code=None, id_token=None, error="x")
    assert error_code(error) == "iss_missing"
    provider.front_id_token = {"iss": "https://evil.example"}
    provider.requests.clear()
    assert error_code(await sign_in_by_form(provider, browser, iss=None)) == "id_token_iss"
    assert provider.asked("/token") == 0


async def test_rp_E24_an_id_token_nobody_asked_for_names_nobody(provider: HostileProvider) -> None:
    """E24: it cannot stand for the issuer of a code."""
    client = RelyingPartyClient(client_id="web", auth=Public(), response_mode="form_post")
    browser = Browser(relying_party(provider, client=client))
    response = await sign_in_by_form(provider, browser, iss=None, id_token="e30.e30.e30")
    assert error_code(response) == "front_channel_tokens"
    assert provider.asked("/token") == 0
