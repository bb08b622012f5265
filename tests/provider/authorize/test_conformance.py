"""The modules of the OpenID Foundation's Basic OP plan that judge the authorization endpoint, each as one test."""

import base64
import json
from typing import Any

import pytest

from tests.provider.authorize.sign_in import Site, request_pairs
from tests.provider.installation import CALLBACK, ISSUER


def claims_of(id_token: str) -> dict[str, Any]:
    payload = id_token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


async def id_token_of(site: Site, page: Any, client_id: str = "web") -> dict[str, Any]:
    return claims_of((await site.tokens(page, client_id))["id_token"])


async def test_oidf_oidcc_prompt_login(site: Site) -> None:
    """oidcc-prompt-login: shows the login page though signed in; auth_time is later than before."""
    first = await id_token_of(site, await site.sign_in())
    site.clock.advance(5)
    page = await site.authorize(prompt="login")
    assert page.has("login-submit")
    second = await id_token_of(site, await site.login())
    assert second["auth_time"] == first["auth_time"] + 5
    assert second["sub"] == first["sub"]
    assert second["sid"] == first["sid"]


async def test_oidf_oidcc_prompt_none_not_logged_in(site: Site) -> None:
    """oidcc-prompt-none-not-logged-in: login_required, with a state of 128 characters intact."""
    state = "s" * 128
    page = await site.authorize(prompt="none", state=state)
    assert page.params.one("error") == "login_required"
    assert page.params.one("state") == state
    assert site.browser.cookies == ()


async def test_oidf_oidcc_prompt_none_logged_in(site: Site) -> None:
    """oidcc-prompt-none-logged-in: silent success, the same sub, the same auth_time."""
    first = await id_token_of(site, await site.sign_in())
    site.clock.advance(30)
    second = await id_token_of(site, await site.authorize(prompt="none"))
    assert (second["sub"], second["auth_time"]) == (first["sub"], first["auth_time"])


async def test_sec_A16_prompt_none_shows_no_page(site: Site) -> None:
    """A16: login_required without a session, consent_required without consent; `none login` is invalid_request."""
    assert (await site.authorize(prompt="none")).params.one("error") == "login_required"
    await site.authorize()
    await site.login()
    assert (await site.authorize(prompt="none")).params.one("error") == "consent_required"
    assert (await site.authorize(prompt="none login")).params.one("error") == "invalid_request"


async def test_oidf_oidcc_max_age_1(site: Site) -> None:
    """oidcc-max-age-1: after two seconds the user signs in again; auth_time is there, later and recent."""
    first = await id_token_of(site, await site.sign_in())
    site.clock.advance(2)
    page = await site.authorize(max_age="1")
    assert page.has("login-submit")
    second = await id_token_of(site, await site.login())
    assert second["auth_time"] == first["auth_time"] + 2


async def test_oidf_oidcc_max_age_10000(site: Site) -> None:
    """oidcc-max-age-10000: the first request with max_age=15000 gives auth_time; the second is silent and equal."""
    first = await id_token_of(site, await site.sign_in(max_age="15000"))
    site.clock.advance(2)
    second = await id_token_of(site, await site.authorize(max_age="10000"))
    assert second["auth_time"] == first["auth_time"]


async def test_oidf_oidcc_id_token_hint(site: Site) -> None:
    """oidcc-id-token-hint: prompt=none with the first ID token succeeds silently, even when that has expired."""
    tokens = await site.tokens(await site.sign_in())
    assert (await site.authorize(prompt="none", id_token_hint=tokens["id_token"])).params.one("code")
    site.clock.advance(3600)
    assert (await site.authorize(prompt="none", id_token_hint=tokens["id_token"])).params.one("code")


async def test_an_access_token_is_no_id_token_hint(site: Site) -> None:
    """RFC 8725 §3.11: the wrong type of a token of ours is refused."""
    tokens = await site.tokens(await site.sign_in())
    page = await site.authorize(prompt="none", id_token_hint=tokens["access_token"])
    assert page.params.one("error") == "invalid_request"


async def test_another_user_than_hinted_is_refused(site: Site) -> None:
    """A17: an id_token_hint for another user is login_required."""
    tokens = await site.tokens(await site.sign_in())
    await _make_bob(site)
    await site.authorize(prompt="login")
    page = await site.login("bob", "alice-secret")
    assert page.has("consent-allow")
    for prompt in ("none", None):
        page = await site.authorize(prompt=prompt, id_token_hint=tokens["id_token"])
        assert page.params.one("error") == "login_required"
    # With a sign-in the right one may come; the wrong one is told to the client.
    await site.authorize(prompt="login", id_token_hint=tokens["id_token"])
    assert (await site.login("bob", "alice-secret")).params.one("error") == "login_required"
    await site.authorize(prompt="login", id_token_hint=tokens["id_token"])
    assert (await site.login()).params.one("code")


async def test_the_sub_of_the_claims_parameter_is_as_binding(site: Site) -> None:
    """OpenID Connect Core §5.5.1: an answer for that subject only."""
    await site.sign_in("own")
    right = json.dumps({"id_token": {"sub": {"value": "u-alice"}}})
    wrong = json.dumps({"id_token": {"sub": {"value": "u-bob"}}})
    assert (await site.authorize("own", claims=right)).params.one("code")
    assert (await site.authorize("own", claims=wrong)).params.one("error") == "login_required"


async def test_an_essential_acr_that_cannot_be_met_is_refused(site: Site) -> None:
    """A17: unmet_authentication_requirements; one that can be met is in the ID token."""
    unmet = json.dumps({"id_token": {"acr": {"essential": True, "values": ["gold"]}}})
    page = await site.authorize(claims=unmet)
    assert page.params.one("error") == "unmet_authentication_requirements"
    met = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:authwright:acr:password"]}}})
    claims = await id_token_of(site, await site.sign_in(claims=met))
    assert claims["acr"] == "urn:authwright:acr:password"


async def _make_bob(site: Site) -> None:
    import msgspec

    alice = await site.op.stores.accounts.get("u-alice")
    assert alice is not None
    await site.op.stores.accounts.put(msgspec.structs.replace(alice, subject="u-bob", username="bob"))


async def test_another_person_starts_another_session(site: Site) -> None:
    """A sign-in as somebody else ends the session before and has its own sid."""
    first = await id_token_of(site, await site.sign_in())
    await _make_bob(site)
    await site.authorize(prompt="login")
    await site.login("bob", "alice-secret")
    page = await site.browser.click("consent-allow")
    second = await id_token_of(site, page)
    assert second["sub"] == "u-bob"
    assert second["sid"] != first["sid"]
    assert await site.op.stores.sessions.find(first["sid"]) is None


async def test_oidf_oidcc_login_hint(site: Site) -> None:
    """oidcc-login-hint: no error; the name is filled in."""
    page = await site.authorize(login_hint="bob@example.com")
    assert dict(page.forms[0].fields)["username"] == "bob@example.com"


@pytest.mark.parametrize(
    "accepted",
    [
        {"display": "page"},
        {"display": "popup"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"claims": '{"userinfo":{"name":{"essential":true}}}'},
    ],
)
async def test_oidf_oidcc_display_locales_and_claims_are_accepted(
    site: Site, accepted: dict[str, str]
) -> None:
    """oidcc-display-page, -display-popup, -ui-locales, -claims-locales, -claims-essential: no error."""
    assert (await site.sign_in(**accepted)).params.one("code")


async def test_oidf_oidcc_ensure_request_with_unknown_parameter_succeeds(site: Site) -> None:
    """oidcc-ensure-request-with-unknown-parameter-succeeds: extra=foobar is ignored."""
    assert (await site.sign_in(extra="foobar")).params.one("code")


@pytest.mark.parametrize("acr_values", ["urn:authwright:acr:password", "1 2"])
async def test_oidf_oidcc_ensure_request_with_acr_values_succeeds(site: Site, acr_values: str) -> None:
    """oidcc-ensure-request-with-acr-values-succeeds: a wish, not a demand; the ID token says what it was."""
    claims = await id_token_of(site, await site.sign_in(acr_values=acr_values))
    assert claims["acr"] == "urn:authwright:acr:password"
    assert claims["amr"] == ["pwd"]


async def test_oidf_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(site: Site) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow: and the ID token has none."""
    assert "nonce" not in await id_token_of(site, await site.sign_in(nonce=None))
    assert (await id_token_of(site, await site.authorize(nonce="n-2")))["nonce"] == "n-2"


async def test_oidf_oidcc_ensure_registered_redirect_uri(site: Site) -> None:
    """oidcc-ensure-registered-redirect-uri: registered + "/random" gets an error page that says so."""
    page = await site.authorize(redirect_uri=f"{CALLBACK}/x8s7d6f")
    assert page.status == 400
    assert page.texts["error-code"] == "invalid_request"
    assert page.texts["error-description"] == "The redirect_uri is not registered for this client."


async def test_oidf_oidcc_ensure_post_request_succeeds(site: Site) -> None:
    """oidcc-ensure-post-request-succeeds: a request by form POST from the client's site, without a query."""
    page = await site.browser.post(f"{ISSUER}/authorize", request_pairs(), initiator="https://app.example")
    assert page.has("login-submit")
    await site.login()
    assert (await site.browser.click("consent-allow")).params.one("code")


async def test_a_post_from_the_clients_site_finds_who_is_signed_in(site: Site) -> None:
    """SameSite=Lax cookies stay at home on such a POST; the answer must not be another login page."""
    await site.sign_in()
    before = site.browser.cookies
    page = await site.browser.post(f"{ISSUER}/authorize", request_pairs(), initiator="https://app.example")
    assert page.params.one("code")
    assert site.browser.cookies == before


async def test_oidf_oidcc_alternate_happy_flow(site: Site) -> None:
    """oidcc-alternate-happy-flow: the order of scopes and of parameters does not matter."""
    pairs = request_pairs(scope="email openid")[::-1]
    await site.browser.post(f"{ISSUER}/authorize", pairs, initiator="https://app.example")
    await site.login()
    page = await site.browser.click("consent-allow")
    assert (await site.tokens(page))["scope"] == "email openid"


async def test_discovery_names_what_is_here(site: Site) -> None:
    """The endpoints, the iss parameter and the acr values that a login gives."""
    metadata = (await site.op.get("/.well-known/openid-configuration")).json()
    assert metadata["authorization_endpoint"] == f"{ISSUER}/authorize"
    assert metadata["end_session_endpoint"] == f"{ISSUER}/end_session"
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["acr_values_supported"] == ["urn:authwright:acr:password"]
