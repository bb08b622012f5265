"""Pushed authorization requests (RFC 9126) and signed ones (RFC 9101): what the browser carries, and what it cannot change."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from authwright.crypto.keys import KeySet
from authwright.protocol.http import PASS, Headers, HttpResponse, json_response
from authwright.relying_party.client import Public, RelyingPartyClient, SecretBasic, SecretPost
from authwright.relying_party.events import PushAuthorization, Pushed
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    SECRET,
    Browser,
    error_code,
    location,
    relying_party,
    sign_in,
)
from tests.relying_party.modern_provider import ModernProvider, client_key


def browser_of(provider: ModernProvider, **options: Any) -> Browser:
    auth = options.pop("auth", SecretBasic(SECRET))
    return Browser(relying_party(provider, client=RelyingPartyClient(client_id="web", auth=auth, **options)))


def carried(response: HttpResponse) -> dict[str, str]:
    """What the browser is sent away with."""
    return dict(parse_qsl(urlsplit(location(response)).query))


@pytest.mark.parametrize("auth", [SecretBasic(SECRET), SecretPost(SECRET), Public()])
async def test_rp_C22_the_request_is_pushed_and_the_browser_carries_a_reference(auth: Any) -> None:
    """C22, B35: PAR where the provider has an endpoint; the client authenticates; the browser gets client_id and
    request_uri, nothing else."""
    provider = ModernProvider()
    browser = browser_of(provider, auth=auth)
    sent = await browser.get("/auth/login?return_to=/orders")
    assert set(carried(sent)) == {"client_id", "request_uri"}
    request = next(request for request in provider.requests if request.path == "/par")
    form = parse_qsl(request.body.decode())
    assert len({name for name, _ in form}) == len(form)
    pushed = dict(form)
    assert (pushed["redirect_uri"], pushed["scope"]) == (BASE + "/auth/callback", "openid profile")
    assert len(pushed["state"]) >= 43
    assert bool(request.headers.get("authorization")) == isinstance(auth, SecretBasic)
    assert ("client_secret" in pushed) == isinstance(auth, SecretPost)
    response = await browser.get(provider.authorize(location(sent)))
    assert location(response) == BASE + "/orders"
    assert browser.signed_in


async def test_rp_B35_without_an_endpoint_the_request_goes_with_the_browser() -> None:
    """B35: UseIfAvailable is the default."""
    provider = ModernProvider()
    del provider.metadata["pushed_authorization_request_endpoint"]
    browser = browser_of(provider)
    assert "code_challenge" in carried(await browser.get("/auth/login"))
    assert (await sign_in(provider, browser)).status == 303


async def test_rp_B35_never_pushes_and_says_so_when_the_provider_wants_it() -> None:
    """B35: Disable: an error if the provider requires it."""
    provider = ModernProvider()
    browser = browser_of(provider, par="never")
    assert "code_challenge" in carried(await browser.get("/auth/login"))
    assert provider.asked("/par") == 0
    provider.metadata["require_pushed_authorization_requests"] = True
    response = await browser_of(provider, par="never").get("/auth/login")
    assert (response.status, error_code(response)) == (503, "par_required")


@pytest.mark.parametrize(("par", "wanted"), [("require", False), ("auto", True)])
async def test_rp_B35_require_is_an_error_without_an_endpoint(par: str, wanted: bool) -> None:
    """B35: Require: an error if there is no endpoint; and so it is when the provider requires what it does not have."""
    provider = ModernProvider()
    del provider.metadata["pushed_authorization_request_endpoint"]
    provider.metadata["require_pushed_authorization_requests"] = wanted
    response = await browser_of(provider, par=par).get("/auth/login")
    assert (response.status, error_code(response)) == (503, "no_par_endpoint")
    assert not response.headers.many("set-cookie")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_response(201, {"expires_in": 60}), "par_malformed"),
        (json_response(201, {"request_uri": "", "expires_in": 60}), "par_malformed"),
        (json_response(201, {"request_uri": 5, "expires_in": 60}), "par_malformed"),
        (json_response(201, {"request_uri": "urn:x"}), "par_malformed"),
        (json_response(201, {"request_uri": "urn:x", "expires_in": 0}), "par_malformed"),
        (json_response(201, {"request_uri": "urn:x", "expires_in": True}), "par_malformed"),
        (json_response(201, ["urn:x"]), "par_malformed"),
        (HttpResponse(201, Headers.of({"content-type": "application/json"}), b"{"), "not_json"),
        (HttpResponse(201, body=b'{"request_uri": "urn:x", "expires_in": 60}'), "par_malformed"),
        (json_response(400, {"error": "invalid_request"}), "par_refused"),
        (json_response(401, {"error": "invalid_client"}), "par_refused"),
        (json_response(302, {}, Headers.of({"location": "https://evil.example"})), "par_refused"),
        (json_response(503, {}), "par_unavailable"),
        (json_response(429, {}), "par_unavailable"),
    ],
)
async def test_rp_C22_an_answer_that_is_none_is_a_page(answer: HttpResponse, reason: str) -> None:
    """C22: application/json with request_uri, else an error; and then no cookie is left behind."""
    provider = ModernProvider()
    provider.par_answer = lambda: answer
    response = await browser_of(provider).get("/auth/login")
    assert (response.status, error_code(response)) == (503, reason)
    assert not response.headers.many("set-cookie")


async def test_a_refused_push_is_logged_by_its_error_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """N4, N10: the error code, never the request or what else the answer says."""
    provider = ModernProvider()
    provider.par_answer = lambda: json_response(
        400, {"error": "invalid_request_object", "error_description": "s3cret"}
    )
    await browser_of(provider).get("/auth/login")
    record = next(record for record in caplog.records if getattr(record, "event", "") == "rp.push_refused")
    assert record.__dict__["reason"] == "invalid_request_object"
    assert not any("s3cret" in str(one.__dict__) for one in caplog.records)
    provider.par_answer = lambda: json_response(400, {"error": "a\nb"})
    await browser_of(provider).get("/auth/login")
    assert caplog.records[-2].__dict__["reason"] == "400"


async def test_rp_L2_an_event_may_edit_the_push() -> None:
    """L2: the event sees the request before it is pushed, and may add to it."""
    provider = ModernProvider()
    browser = browser_of(provider)
    seen = []

    @browser.party.on(PushAuthorization)
    async def edit(context: PushAuthorization) -> PushAuthorization:
        from dataclasses import replace

        seen.append((context.endpoint, context.message.client_id, dict(context.properties)))
        return replace(context, parameters={"tracking": "42"})

    await sign_in(provider, browser)
    assert seen == [(ISSUER + "/par", "web", {})]
    assert provider.last("/par")["tracking"] == "42"
    assert browser.signed_in


async def test_rp_L2_an_event_may_authenticate_the_client_itself() -> None:
    """L2: own client authentication; then none of ours is added."""
    provider = ModernProvider()
    browser = browser_of(provider)

    @browser.party.on(PushAuthorization)
    def own(context: PushAuthorization) -> PushAuthorization:
        from dataclasses import replace

        return replace(context, parameters={"client_secret": "mine"}, authenticated=True)

    await browser.get("/auth/login")
    request = next(request for request in provider.requests if request.path == "/par")
    assert request.headers.get("authorization") is None
    assert provider.last("/par")["client_secret"] == "mine"


async def test_rp_L2_an_event_may_skip_the_push_or_do_it_itself() -> None:
    """L2: skip push, or do push and supply the request_uri."""
    provider = ModernProvider()
    browser = browser_of(provider)
    browser.party.on(PushAuthorization)(lambda context: PASS)
    assert "code_challenge" in carried(await browser.get("/auth/login"))
    assert provider.asked("/par") == 0

    browser = browser_of(provider)
    browser.party.on(PushAuthorization)(lambda context: Pushed("urn:example:mine"))
    assert carried(await browser.get("/auth/login")) == {
        "client_id": "web",
        "request_uri": "urn:example:mine",
    }
    assert provider.asked("/par") == 0


async def test_a_request_is_signed_and_goes_with_the_browser() -> None:
    """RFC 9101 by value: beside the object only what OpenID Connect wants repeated, all of it the same."""
    provider, key = ModernProvider(), client_key()
    provider.client_keys = KeySet.of(key)
    browser = browser_of(
        provider, par="never", request_object=key, max_age=60, resource=("https://a", "https://b")
    )
    sent = await browser.get("/auth/login")
    outside = carried(sent)
    assert set(outside) == {"client_id", "response_type", "scope", "request"}
    provider.id_token = {"auth_time": int(provider.clock().timestamp())}
    assert (await browser.get(provider.authorize(location(sent)))).status == 303
    inside = provider.request_objects[0]
    assert inside["max_age"] == 60
    assert inside["resource"] == ["https://a", "https://b"]
    assert (inside["client_id"], inside["scope"]) == (outside["client_id"], outside["scope"])
    assert inside["exp"] - inside["nbf"] <= 3600
    assert {"state", "nonce", "code_challenge", "redirect_uri"} <= set(inside)


async def test_a_provider_that_takes_signed_requests_only_is_told_apart() -> None:
    """RFC 9101 §10.5: it would refuse anything else, and the user would not know why."""
    provider = ModernProvider()
    provider.metadata["require_signed_request_object"] = True
    response = await browser_of(provider).get("/auth/login")
    assert (response.status, error_code(response)) == (503, "request_object_required")


async def test_a_signed_request_can_be_pushed() -> None:
    """RFC 9126 §3: the object in the push, and the browser still carries a reference only."""
    provider, key = ModernProvider(), client_key()
    provider.client_keys = KeySet.of(key)
    browser = browser_of(provider, request_object=key)
    sent = await browser.get("/auth/login")
    assert set(carried(sent)) == {"client_id", "request_uri"}
    assert "code_challenge" not in provider.last("/par")
    assert (await browser.get(provider.authorize(location(sent)))).status == 303


async def test_the_claims_parameter_is_an_object_in_a_signed_request() -> None:
    """OpenID Connect Core §6.1: not the text of one."""
    provider, key = ModernProvider(), client_key()
    provider.client_keys = KeySet.of(key)
    asked = '{"userinfo":{"email":null}}'
    browser = browser_of(provider, par="never", request_object=key, parameters={"claims": asked})
    sent = provider.asked_at(location(await browser.get("/auth/login")))
    assert provider.request_objects[0]["claims"] == {"userinfo": {"email": None}}
    assert sent["claims"] == asked


def test_the_options_of_a_client_are_checked_at_start() -> None:
    """What cannot work is an error before the first user comes."""
    with pytest.raises(ValueError, match="par"):
        RelyingPartyClient(client_id="web", par="sometimes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dpop"):
        RelyingPartyClient(client_id="web", dpop="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="userinfo_algorithms"):
        RelyingPartyClient(client_id="web", userinfo_algorithms=("none",))
    with pytest.raises(ValueError, match="response_mode"):
        RelyingPartyClient(client_id="web", response_mode="query.jwt", response_type="code id_token")
    with pytest.raises(ValueError, match="dpop is not for"):
        RelyingPartyClient(
            client_id="web",
            dpop="require",
            response_type="code token",
            response_mode="form_post",
            front_channel_access_tokens=True,
        )
