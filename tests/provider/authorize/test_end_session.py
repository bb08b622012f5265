"""Signing out: the eleven modules of the RP-Initiated Logout plan, and what an attacker would like to do with it."""

import logging
from typing import Any

import pytest

from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.params import encode
from authwright.provider.audit import SignedOut
from authwright.provider.signing import Signing
from authwright.testing.browser import Page
from tests.provider.authorize.sign_in import EVIL, SIGNED_OUT, Site
from tests.provider.authorize.test_conformance import claims_of
from tests.provider.installation import ISSUER


async def signed_in(site: Site) -> str:
    """Sign in; the ID token."""
    return str((await site.tokens(await site.sign_in()))["id_token"])


async def end_session(site: Site, **params: str) -> Page:
    """The application sends the browser to sign out."""
    url = f"{ISSUER}/end_session?{encode(params.items())}"
    return await site.browser.get(url, initiator="https://app.example")


async def is_signed_in(site: Site) -> bool:
    page = await site.authorize(prompt="none")
    assert page.params.one("error") in (None, "login_required")
    return page.params.one("error") is None


async def test_oidf_oidcc_rp_initiated_logout(site: Site) -> None:
    """oidcc-rp-initiated-logout: back with a state of 128 characters and nothing else; then prompt=none fails."""
    hint = await signed_in(site)
    state = "t" * 128
    page = await end_session(site, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=state)
    assert page.url == f"{SIGNED_OUT}?state={state}"
    assert not await is_signed_in(site)
    assert site.browser.cookie("__Host-authwright_session") is None
    assert site.op.audit[-1] == SignedOut(
        subject="u-alice", session_id=claims_of(hint)["sid"], client_id="web"
    )


async def test_oidf_oidcc_rp_initiated_logout_no_state(site: Site) -> None:
    """oidcc-rp-initiated-logout-no-state: back without state; a query that was registered is kept."""
    page = await end_session(site, id_token_hint=await signed_in(site), post_logout_redirect_uri=SIGNED_OUT)
    assert page.url == SIGNED_OUT
    hint = await signed_in(site)
    page = await end_session(
        site, id_token_hint=hint, post_logout_redirect_uri="https://app.example/bye?from=op", state="s"
    )
    assert page.url == "https://app.example/bye?from=op&state=s"


@pytest.mark.parametrize("uri", [f"{EVIL}/", "https://app.example/signed-out/x", "https://app.example/"])
async def test_sec_L1_oidf_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(
    site: Site, uri: str
) -> None:
    """L1, oidcc-rp-initiated-logout-bad-post-logout-redirect-uri: a 400 page, never a redirect."""
    page = await end_session(site, id_token_hint=await signed_in(site), post_logout_redirect_uri=uri)
    assert page.status == 400
    assert (
        page.texts["error-description"] == "The post_logout_redirect_uri is not registered for this client."
    )
    assert await is_signed_in(site)


@pytest.mark.parametrize("added", ["?foo=bar", "#x", "/", "%20", "?"])
async def test_sec_L1_oidf_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    site: Site, added: str
) -> None:
    """L1, oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri: exactly as registered, or a 400 page."""
    page = await end_session(
        site, id_token_hint=await signed_in(site), post_logout_redirect_uri=SIGNED_OUT + added
    )
    assert page.status == 400
    assert "not registered" in page.texts["error-description"]


async def test_sec_L1_oidf_oidcc_rp_initiated_logout_modified_id_token_hint(site: Site) -> None:
    """L1, oidcc-rp-initiated-logout-modified-id-token-hint: alg none is a 400 page that names the id_token_hint."""
    payload = (await signed_in(site)).split(".")[1]
    for forged in (f"eyJhbGciOiJub25lIn0.{payload}.", f"eyJhbGciOiJub25lIn0.{payload}.AA"):
        page = await end_session(site, id_token_hint=forged, post_logout_redirect_uri=SIGNED_OUT)
        assert page.status == 400
        assert "id_token_hint" in page.texts["error-description"]
    assert await is_signed_in(site)


async def test_sec_L1_oidf_oidcc_rp_initiated_logout_bad_id_token_hint(site: Site) -> None:
    """L1, oidcc-rp-initiated-logout-bad-id-token-hint: signed by another key, a 400 page."""
    claims = claims_of(await signed_in(site))
    forged = sign_jwt(SigningKey.generate("ES256"), claims, typ="JWT")
    page = await end_session(site, id_token_hint=forged, post_logout_redirect_uri=SIGNED_OUT)
    assert page.status == 400
    assert page.texts["error-description"] == "The id_token_hint is not valid."
    assert await is_signed_in(site)


async def test_sec_L1_oidf_oidcc_rp_initiated_logout_no_id_token_hint(site: Site) -> None:
    """L1, oidcc-rp-initiated-logout-no-id-token-hint: neither hint nor client_id: a page, no redirect, still signed in."""
    await signed_in(site)
    page = await end_session(site, post_logout_redirect_uri=SIGNED_OUT, state="s")
    assert page.status == 400
    assert "id_token_hint" in page.texts["error-description"]
    assert await is_signed_in(site)


@pytest.mark.parametrize("params", [{}, {"state": "s"}])
async def test_sec_L1_oidf_oidcc_rp_initiated_logout_no_params_and_only_state(
    site: Site, params: dict[str, str]
) -> None:
    """L1, oidcc-rp-initiated-logout-no-params, -only-state: asks first, then signs out and says so."""
    await signed_in(site)
    page = await end_session(site, **params)
    assert page.has("logout-confirm")
    assert "Alice Example" in page.html
    assert await is_signed_in(site)
    await end_session(site, **params)
    page = await site.browser.click("logout-confirm")
    assert page.status == 200
    assert page.texts["signed-out"] == "You are signed out"
    assert not await is_signed_in(site)


async def test_oidf_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(site: Site) -> None:
    """oidcc-rp-initiated-logout-no-post-logout-redirect-uri: signs out and shows the signed-out page."""
    page = await end_session(site, id_token_hint=await signed_in(site), state="s")
    assert page.has("signed-out")
    assert not await is_signed_in(site)


async def test_oidf_oidcc_discovery_has_the_end_session_endpoint(site: Site) -> None:
    """The plan's discovery check: end_session_endpoint is there."""
    metadata = (await site.op.get("/.well-known/openid-configuration")).json()
    assert metadata["end_session_endpoint"] == f"{ISSUER}/end_session"


async def test_sec_L1_an_expired_hint_is_as_good(site: Site) -> None:
    """L1: expired but genuine is accepted (RP-Initiated Logout 1.0 §4)."""
    hint = await signed_in(site)
    site.clock.advance(3600)
    page = await end_session(site, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
    assert page.url == SIGNED_OUT
    assert not await is_signed_in(site)


async def test_sec_L1_a_hint_of_another_session_does_not_end_this_one_silently(site: Site) -> None:
    """L1: a CSRF logout with a token of the attacker's own session is a question, not a sign-out."""
    other = site.another_browser()
    attackers_hint = await signed_in(other)
    await signed_in(site)
    page = await end_session(site, id_token_hint=attackers_hint, post_logout_redirect_uri=SIGNED_OUT)
    assert page.has("logout-confirm")
    assert await is_signed_in(site)


async def test_sec_L1_a_client_id_without_a_hint_asks_first(site: Site) -> None:
    """L1: client_id and a registered URI: the person confirms, then the browser goes there, with state."""
    await signed_in(site)
    page = await end_session(site, client_id="web", post_logout_redirect_uri=SIGNED_OUT, state="s")
    assert page.has("logout-confirm")
    assert "Web app" in page.html
    assert "form-action 'self' https://app.example;" in (page.header("content-security-policy") or "")
    page = await site.browser.click("logout-confirm")
    assert page.url == f"{SIGNED_OUT}?state=s"
    assert not await is_signed_in(site)


async def test_sec_L1_the_question_comes_even_when_nobody_is_signed_in(site: Site) -> None:
    """L1: without a hint no request redirects by itself."""
    page = await end_session(site, client_id="web", post_logout_redirect_uri=SIGNED_OUT)
    assert page.has("logout-confirm")
    assert (await site.browser.click("logout-confirm")).url == SIGNED_OUT


async def test_signing_out_twice_is_no_error(site: Site) -> None:
    """A genuine hint with nobody signed in goes straight on; nothing at all says what is so."""
    hint = await signed_in(site)
    for _ in range(2):
        page = await end_session(site, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
        assert page.url == SIGNED_OUT
    assert (await end_session(site)).has("signed-out")


async def test_sec_L1_the_question_is_for_one_browser_and_one_session(site: Site) -> None:
    """L1: another browser's or another site's confirmation is 403, and so is one for a session that changed."""
    await signed_in(site)
    other = site.another_browser()
    await signed_in(other)
    await end_session(other)
    foreign = dict(other.browser.page.forms[0].fields)
    assert (await site.browser.post(f"{ISSUER}/end_session/confirm", foreign)).status == 403
    await end_session(site)
    own = dict(site.browser.page.forms[0].fields)
    page = await site.browser.post(f"{ISSUER}/end_session/confirm", own, initiator=EVIL)
    assert page.status == 403
    # Also with every cookie, where a browser did not hold them back.
    answer = await site.send(
        f"{ISSUER}/end_session/confirm",
        method="POST",
        body=encode(own.items()).encode(),
        content_type="application/x-www-form-urlencoded",
        cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in site.browser.cookies),
        origin=EVIL,
    )
    assert answer.status == 403
    assert (await site.browser.post(f"{ISSUER}/end_session/confirm", {**own, "csrf": "x"})).status == 403
    assert await is_signed_in(site)
    await site.authorize(prompt="login")
    await site.login()
    assert (await site.browser.post(f"{ISSUER}/end_session/confirm", own)).status == 403
    site.clock.advance(601)
    await end_session(site)
    late = dict(site.browser.page.forms[0].fields)
    site.clock.advance(601)
    assert (await site.browser.post(f"{ISSUER}/end_session/confirm", late)).status == 403


async def test_logout_by_post_finds_the_session(site: Site) -> None:
    """RP-Initiated Logout 1.0 §2: POST is supported, though SameSite=Lax cookies do not come with it."""
    hint = await signed_in(site)
    fields = {"id_token_hint": hint, "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}
    page = await site.browser.post(f"{ISSUER}/end_session", fields, initiator="https://app.example")
    assert page.url == f"{SIGNED_OUT}?state=s"
    assert not await is_signed_in(site)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"client_id": "nobody"}, "client_id"),
        ({"state": "s" * 2049}, "state"),
        ({"id_token_hint": "x"}, "id_token_hint"),
    ],
)
async def test_what_is_wrong_is_said_on_a_page(site: Site, params: dict[str, Any], said: str) -> None:
    """400 with the stable words."""
    page = await end_session(site, **params)
    assert page.status == 400
    assert said in page.texts["error-description"]


async def test_the_client_must_be_the_one_of_the_hint(site: Site) -> None:
    """RP-Initiated Logout 1.0 §2: client_id and audience must match."""
    page = await end_session(site, id_token_hint=await signed_in(site), client_id="own")
    assert page.status == 400
    assert await is_signed_in(site)


async def test_a_hint_for_another_issuer_is_refused(site: Site) -> None:
    """Signed by our key is not enough: `iss` must be ours."""
    claims = claims_of(await signed_in(site))
    keys = RootKeys([bytes(range(32))])
    signing = Signing(site.op.stores.keys, Seal(keys, "signing-key"), algorithms=("ES256",), clock=site.clock)
    changes: list[dict[str, Any]] = [{"iss": "https://other.example"}, {"aud": []}, {"aud": 7}, {"sub": None}]
    for change in changes:
        token = sign_jwt(await signing.key("ES256"), {**claims, **change}, typ="JWT")
        assert (await end_session(site, id_token_hint=token)).status == 400
    genuine = sign_jwt(await signing.key("ES256"), claims, typ="JWT")
    assert (await end_session(site, id_token_hint=genuine)).has("signed-out")


async def test_a_repeated_parameter_is_refused(site: Site) -> None:
    """As everywhere."""
    page = await site.browser.get(f"{ISSUER}/end_session?state=a&state=b")
    assert page.status == 400


async def test_access_tokens_run_out_and_refresh_tokens_go_on(site: Site) -> None:
    """OpenID Connect Core §11: what was given for use while the person is away outlives the sign-out."""
    tokens = await site.tokens(await site.sign_in(scope="openid offline_access"))
    await end_session(site, id_token_hint=tokens["id_token"])
    assert (await site.op.refresh(tokens["refresh_token"])).status == 200


async def test_the_reason_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal has a reason code."""
    with caplog.at_level(logging.INFO, "authwright"):
        await end_session(site, id_token_hint="x")
    assert caplog.records[-1].__dict__["reason"] == "id_token_hint.segments"
