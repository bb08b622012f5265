"""Every event by name: it refuses in its own words or with its default code, answers itself, passes on, and amends."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import pytest

from authwright.protocol.errors import Refused
from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import PASS, HttpRequest, HttpResponse, html_response
from authwright.protocol.params import encode
from authwright.provider.events import EVENT_NAMES, REFERENCE_NAMES, ProviderEvents
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.browser import Browser, Page
from authwright.testing.clock import FrozenClock
from authwright.ticket import StoredTicket
from tests.provider.authorize.sign_in import BROWSER_CLIENTS, SIGNED_OUT, Site
from tests.provider.installation import CALLBACK, ISSUER, SECRET, Installation, install
from tests.provider.token.rows import ALL_CLIENTS, CUSTOM, always, ask_for

CLIENTS = (
    *BROWSER_CLIENTS,
    *(known for known in ALL_CLIENTS if known.client.client_id in ("owner", "custom")),
    client("exchanger", SECRET, grant_types=[TOKEN_EXCHANGE], scope="read", exchange_from=("web",)),
)
ANSWER = html_response(200, "answered by the application")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A provider with an event, beside a plain one on the same store, and a browser that is signed in."""

    site: Site
    plain: Installation
    tokens: Mapping[str, Any]

    @property
    def op(self) -> Installation:
        return self.site.op


async def prepared(clock: FrozenClock, events: ProviderEvents) -> Prepared:
    stores = memory_stores(clock)
    plain = await install(stores, clock, clients=CLIENTS)
    asked = [plain]

    async def handle(request: HttpRequest) -> HttpResponse:
        return await asked[0].provider.handle(request)

    browser = Browser({ISSUER: handle}, clock=clock)
    site = Site(op=plain, browser=browser)
    tokens = await site.tokens(await site.sign_in(scope="openid profile offline_access read"))
    asked[0] = await install(stores, clock, clients=CLIENTS, events=events)
    return Prepared(site=Site(op=asked[0], browser=browser), plain=plain, tokens=tokens)


Trigger = Callable[[Prepared], Awaitable[HttpResponse | Page]]


def asking(grant: str, **params: str) -> Trigger:
    return lambda ready: ask_for(ready.op, grant, **params)


async def refreshing(ready: Prepared) -> HttpResponse:
    return await ready.op.refresh(ready.tokens["refresh_token"])


async def exchanging(ready: Prepared) -> HttpResponse:
    return await ready.op.post(
        "/token",
        client_id="exchanger",
        grant_type=TOKEN_EXCHANGE,
        subject_token=ready.tokens["access_token"],
        subject_token_type=ACCESS_TOKEN,
    )


async def userinfo(ready: Prepared) -> HttpResponse:
    return await ready.op.get("/userinfo", authorization=f"Bearer {ready.tokens['access_token']}")


async def introspecting(ready: Prepared) -> HttpResponse:
    return await ready.op.post("/introspect", token=ready.tokens["access_token"])


async def introspecting_as_audience(ready: Prepared) -> HttpResponse:
    return await ready.op.post("/introspect", client_id="api", token=ready.tokens["access_token"])


async def authorizing(ready: Prepared) -> Page:
    return await ready.site.authorize(scope="openid profile offline_access read")


async def signing_out(ready: Prepared, **changes: str) -> Page:
    params = {
        "id_token_hint": ready.tokens["id_token"],
        "post_logout_redirect_uri": SIGNED_OUT,
        **changes,
    }
    return await ready.site.browser.get(f"{ISSUER}/end_session?{encode(params.items())}")


def reading(path: str) -> Trigger:
    return lambda ready: ready.op.get(path)


DOCUMENT = "/.well-known/openid-configuration"

EVENTS: Mapping[str, tuple[Trigger, str]] = {
    "match_endpoint": (reading("/jwks"), "invalid_request"),
    "extract_token_request": (asking("client_credentials"), "invalid_request"),
    "validate_client_authentication": (asking("client_credentials"), "invalid_client"),
    "deserialize_authorization_code": (asking("authorization_code"), "invalid_grant"),
    "deserialize_refresh_token": (refreshing, "invalid_grant"),
    "deserialize_access_token": (userinfo, "invalid_token"),
    "deserialize_identity_token": (signing_out, "invalid_request"),
    "validate_token_request": (asking("authorization_code"), "invalid_request"),
    "grant_authorization_code": (asking("authorization_code"), "invalid_grant"),
    "grant_refresh_token": (refreshing, "invalid_grant"),
    "grant_client_credentials": (asking("client_credentials"), "unauthorized_client"),
    "grant_token_exchange": (exchanging, "invalid_request"),
    "grant_resource_owner_credentials": (asking("password"), "invalid_grant"),
    "grant_custom_extension": (asking(CUSTOM), "unsupported_grant_type"),
    "token_endpoint": (asking("client_credentials"), "invalid_grant"),
    "serialize_authorization_code": (authorizing, "server_error"),
    "serialize_access_token": (refreshing, "server_error"),
    "serialize_identity_token": (refreshing, "server_error"),
    "serialize_refresh_token": (refreshing, "server_error"),
    "token_endpoint_response": (asking("client_credentials"), "invalid_request"),
    "validate_client_redirect_uri": (authorizing, "invalid_client"),
    "validate_authorization_request": (authorizing, "invalid_request"),
    "authorization_endpoint": (authorizing, "access_denied"),
    "authorization_endpoint_response": (authorizing, "access_denied"),
    "userinfo_endpoint": (userinfo, "invalid_request"),
    "userinfo_endpoint_response": (userinfo, "invalid_request"),
    "validate_client_presenters": (introspecting, "invalid_request"),
    "validate_client_audiences": (introspecting_as_audience, "invalid_request"),
    "introspection_endpoint": (introspecting, "invalid_request"),
    "introspection_endpoint_response": (introspecting, "invalid_request"),
    "validate_logout_request": (signing_out, "invalid_request"),
    "validate_client_logout_redirect_uri": (signing_out, "invalid_request"),
    "logout_endpoint": (signing_out, "invalid_request"),
    "logout_endpoint_response": (signing_out, "invalid_request"),
    "configuration_endpoint": (reading(DOCUMENT), "invalid_request"),
    "configuration_endpoint_response": (reading(DOCUMENT), "invalid_request"),
    "cryptography_endpoint": (reading("/jwks"), "invalid_request"),
    "cryptography_endpoint_response": (reading("/jwks"), "invalid_request"),
}
"""Event to what makes it happen, and the code it refuses with when it chooses none."""

REFERENCE = {
    "match_endpoint",
    "validate_client_redirect_uri",
    "validate_client_logout_redirect_uri",
    "validate_client_authentication",
    "validate_client_audiences",
    "validate_client_presenters",
    "validate_authorization_request",
    "validate_token_request",
    "grant_authorization_code",
    "grant_refresh_token",
    "grant_resource_owner_credentials",
    "grant_client_credentials",
    "grant_custom_extension",
    *(
        f"{endpoint}_endpoint{suffix}"
        for endpoint in (
            "token",
            "authorization",
            "logout",
            "profile",
            "configuration",
            "cryptography",
            "validation",
        )
        for suffix in ("", "_response")
    ),
    *(
        f"{verb}_{kind}"
        for verb in ("serialize", "deserialize")
        for kind in ("authorization_code", "access_token", "identity_token", "refresh_token")
    ),
}


def shown(outcome: HttpResponse | Page) -> str:
    """All that could be read of an answer: address and body."""
    if isinstance(outcome, Page):
        return unquote_plus(outcome.url) + outcome.html
    return outcome.body.decode()


def test_every_event_there_is_stands_in_the_table() -> None:
    """And every event of the reference is there by name."""
    assert EVENTS.keys() == EVENT_NAMES
    assert EVENT_NAMES | REFERENCE_NAMES.keys() >= REFERENCE


@pytest.mark.parametrize("name", EVENTS)
async def test_it_refuses_with_its_own_code_description_and_uri(clock: FrozenClock, name: str) -> None:
    """Whatever the endpoint: as JSON, in the redirect, or on the error page."""
    trigger, _ = EVENTS[name]
    refused = Refused("policy_violated", "Not on Sundays.", "https://op.example/policy")
    outcome = await trigger(await prepared(clock, ProviderEvents(**{name: always(refused)})))
    assert "policy_violated" in shown(outcome)
    assert "Not on Sundays." in shown(outcome)
    if not isinstance(outcome, Page):
        assert outcome.json()["error_uri"] == "https://op.example/policy"


@pytest.mark.parametrize("name", EVENTS)
async def test_it_refuses_with_its_default_code(clock: FrozenClock, name: str) -> None:
    """Where the event chooses none."""
    trigger, default = EVENTS[name]
    refused = Refused(description="Not on Sundays.")
    outcome = await trigger(await prepared(clock, ProviderEvents(**{name: always(refused)})))
    assert default in shown(outcome)
    assert "Not on Sundays." in shown(outcome)


@pytest.mark.parametrize("name", EVENTS)
async def test_it_answers_itself(clock: FrozenClock, name: str) -> None:
    """Its response goes out as it is."""
    trigger, _ = EVENTS[name]
    outcome = await trigger(await prepared(clock, ProviderEvents(**{name: always(ANSWER)})))
    assert "answered by the application" in shown(outcome)


@pytest.mark.parametrize("name", EVENTS)
async def test_it_passes_the_request_on(clock: FrozenClock, name: str) -> None:
    """With no application behind, that is a 404."""
    trigger, _ = EVENTS[name]
    outcome = await trigger(await prepared(clock, ProviderEvents(**{name: always(PASS)})))
    assert outcome.status == 404


@pytest.mark.parametrize("name", EVENTS)
async def test_it_leaves_everything_as_it_was_by_returning_none(clock: FrozenClock, name: str) -> None:
    """The built-in decides; only a grant that no built-in serves is refused."""
    trigger, _ = EVENTS[name]
    outcome = await trigger(await prepared(clock, ProviderEvents(**{name: always(None)})))
    if name == "grant_custom_extension":
        assert "unsupported_grant_type" in shown(outcome)
    elif isinstance(outcome, Page):
        assert "error" not in unquote_plus(outcome.url)
        assert not outcome.has("error-code")
    else:
        assert outcome.status == 200


# -- what the ones outside the token endpoint may amend ----------------------------------------------------------------


async def test_match_endpoint_names_another_endpoint(clock: FrozenClock) -> None:
    """A path of the application's own is served by an endpoint of ours."""

    async def match(http: HttpRequest, path: str | None) -> str | None:
        return "/jwks" if http.path == "/old/keys" else None

    ready = await prepared(clock, ProviderEvents(match_endpoint=match))
    assert "keys" in (await ready.op.get("/old/keys")).json()
    assert (await ready.op.get("/other")).status == 404
    assert ready.op.provider.serves("/anything")


async def test_a_redirect_uri_may_be_taken_or_supplied_but_not_exchanged(clock: FrozenClock) -> None:
    """validate_client_redirect_uri: the application compares; one that was sent is never altered."""
    own = "https://tenant-7.app.example/callback"

    async def compare(client: Any, redirect_uri: str | None) -> str | None:
        if redirect_uri is None:
            return CALLBACK
        return own if redirect_uri in (own, "https://app.example/other") else None

    ready = await prepared(clock, ProviderEvents(validate_client_redirect_uri=compare))
    assert (await ready.site.authorize(redirect_uri=own)).url.startswith(own + "?code=")
    assert (await ready.site.authorize(redirect_uri=None)).url.startswith(CALLBACK + "?code=")
    assert (await ready.site.authorize(redirect_uri=CALLBACK)).url.startswith(CALLBACK + "?code=")
    unknown = await ready.site.authorize(redirect_uri="https://evil.example/")
    exchanged = await ready.site.authorize(redirect_uri="https://app.example/other")
    assert unknown.texts["error-code"] == "invalid_request"
    assert exchanged.texts["error-code"] == "server_error"


async def test_a_post_logout_redirect_uri_may_be_taken(clock: FrozenClock) -> None:
    """validate_client_logout_redirect_uri: likewise."""
    own = "https://tenant-7.app.example/bye"

    async def compare(client: Any, uri: str) -> str | None:
        return uri if uri == own else None

    ready = await prepared(clock, ProviderEvents(validate_client_logout_redirect_uri=compare))
    refused = await signing_out(ready, post_logout_redirect_uri="https://evil.example/")
    assert refused.texts["error-code"] == "invalid_request"
    assert (await signing_out(ready, post_logout_redirect_uri=own)).url == own


async def test_who_may_introspect_is_up_to_the_application(clock: FrozenClock) -> None:
    """validate_client_presenters and validate_client_audiences: True, False, or the built-in rule."""

    async def seen(presents: bool | None, is_for: bool | None, caller: str) -> bool:
        events = ProviderEvents(
            validate_client_presenters=always(presents), validate_client_audiences=always(is_for)
        )
        ready = await prepared(clock, events)
        return await ready.op.is_active(ready.tokens["access_token"], caller)

    assert await seen(None, None, "web")
    assert not await seen(None, None, "other")
    assert await seen(True, None, "other")
    assert await seen(None, True, "other")
    assert not await seen(False, None, "web")
    assert not await seen(None, False, "api")


async def test_the_last_edit_of_each_document(clock: FrozenClock) -> None:
    """The …_endpoint_response events, by the names of the reference too."""

    async def edited(*arguments: Any) -> dict[str, Any]:
        return {**arguments[-1], "edited": True}

    names = (
        "profile_endpoint_response",
        "validation_endpoint_response",
        "configuration_endpoint_response",
        "cryptography_endpoint_response",
    )
    ready = await prepared(clock, ProviderEvents(**dict.fromkeys(names, edited)))
    for trigger in (userinfo, introspecting, reading(DOCUMENT), reading("/jwks")):
        outcome = await trigger(ready)
        assert isinstance(outcome, HttpResponse)
        assert outcome.json()["edited"] is True
    inactive = (await ready.op.post("/introspect", token="unknown")).json()
    assert inactive == {"active": False, "edited": True}


async def test_a_subclass_may_use_the_names_of_the_reference() -> None:
    """`profile_endpoint` is `userinfo_endpoint`."""

    class Mine(ProviderEvents):
        async def profile_endpoint(self, token: StoredTicket, claims: Any) -> Any:
            return {"sub": "me"}

    events = Mine()
    assert events.wanted == {"userinfo_endpoint"}
    assert await events.ask("userinfo_endpoint", Refused, None, {}) == {"sub": "me"}
