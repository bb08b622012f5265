"""Tokens bound to a key of the session (RFC 9449): proofs wherever one is used, nonces, and a session that keeps its key."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from authwright.crypto.dpop import pack_proof_key, verify_proof
from authwright.crypto.keys import KeySet
from authwright.protocol.http import HttpRequest, HttpResponse, json_response
from authwright.protocol.token import TokenResponse
from authwright.relying_party.client import PrivateKeyJwt, Public, RelyingPartyClient
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.events import AuthorizationCodeReceived, RedirectToIdentityProvider
from authwright.relying_party.sessions import SignedIn, dpop_key
from tests.relying_party.hostile_provider import Browser, error_code, location, relying_party, sign_in
from tests.relying_party.modern_provider import ModernProvider, client_key


@pytest.fixture
def provider() -> ModernProvider:
    """Takes no request without a proof."""
    made = ModernProvider()
    made.dpop = True
    return made


def browser_of(provider: ModernProvider, **options: Any) -> Browser:
    auth = options.pop("auth", Public())
    client = RelyingPartyClient(client_id="web", auth=auth, dpop="require", **options)
    return Browser(relying_party(provider, client=client))


async def session_of(browser: Browser) -> SignedIn:
    signed_in = await browser.party.session(browser.request("GET", "/"))
    assert signed_in is not None
    return signed_in


async def test_every_use_of_the_tokens_is_proven_by_one_key(provider: ModernProvider) -> None:
    """PAR, code, UserInfo and refresh; the authorization request names the key (RFC 9449 §10)."""
    browser = browser_of(provider)
    await sign_in(provider, browser)
    named = provider.last("/par")["dpop_jkt"]
    signed_in = await session_of(browser)
    provider.clock.forward(seconds=601)
    renewed = await browser.party.refresh(signed_in)
    assert renewed.data.access_token != signed_in.data.access_token
    assert provider.proofs == [(path, named) for path in ("/par", "/token", "/userinfo", "/token")]
    key = dpop_key(renewed.data.dpop_key)
    assert key is not None
    assert key.kid == named


async def test_without_par_the_code_is_bound_by_the_request(provider: ModernProvider) -> None:
    """RFC 9449 §10: dpop_jkt."""
    browser = browser_of(provider, par="never")
    sent = location(await browser.get("/auth/login"))
    named = provider.asked_at(sent)["dpop_jkt"]
    assert (await browser.get(provider.authorize(sent))).status == 303
    assert {jkt for _, jkt in provider.proofs} == {named}


async def test_each_sign_in_has_a_key_of_its_own(provider: ModernProvider) -> None:
    """What one session leaks says nothing of another."""
    browser = browser_of(provider)
    await sign_in(provider, browser)
    first = (await session_of(browser)).data.dpop_key
    await sign_in(provider, browser)
    assert (await session_of(browser)).data.dpop_key != first


async def test_the_key_is_at_rest_and_in_the_cookie_only_sealed(provider: ModernProvider) -> None:
    """Neither the flow cookie nor the stored session shows it."""
    browser = browser_of(provider)
    sent = location(await browser.get("/auth/login"))
    cookies = dict(browser.cookies)
    await browser.get(provider.authorize(sent))
    signed_in = await session_of(browser)
    key = signed_in.data.dpop_key
    assert key is not None
    assert len(key) == 43
    assert key not in repr(signed_in.data)
    for sealed in (*cookies.values(), signed_in.record.sealed):
        assert key.encode() not in sealed.encode() + base64.urlsafe_b64decode(
            sealed + "=" * (-len(sealed) % 4)
        )


@pytest.mark.parametrize("path", ["/par", "/token", "/userinfo"])
async def test_a_server_that_wants_a_nonce_gets_one_more_try(provider: ModernProvider, path: str) -> None:
    """RFC 9449 §8, §9: the nonce from the refusal, at the authorization server and at the API, in whatever case."""
    provider.nonces[path] = "nonce-1"
    browser = browser_of(provider)
    assert (await sign_in(provider, browser)).status == 303
    assert provider.asked(path) == 2


async def test_a_nonce_is_remembered_for_the_next_request(provider: ModernProvider) -> None:
    """RFC 9449 §8.2: and replaced by the newest."""
    provider.nonces = dict.fromkeys(("/par", "/token", "/userinfo"), "nonce-1")
    browser = browser_of(provider)
    await sign_in(provider, browser)
    assert (provider.asked("/par"), provider.asked("/token"), provider.asked("/userinfo")) == (2, 1, 1)
    provider.nonces = dict.fromkeys(("/par", "/token", "/userinfo"), "nonce-2")
    await sign_in(provider, browser)
    assert (provider.asked("/par"), provider.asked("/token"), provider.asked("/userinfo")) == (4, 2, 2)


async def test_a_server_is_not_asked_for_ever(provider: ModernProvider) -> None:
    """A server that refuses each nonce it gives gets two requests, not a loop."""
    browser = browser_of(provider, par="never")
    count = 0

    def refuse(request: HttpRequest) -> HttpResponse:
        nonlocal count
        count += 1
        return json_response(400, {"error": "use_dpop_nonce"}).with_headers(("dpop-nonce", f"n{count}"))

    provider.answers["/token"] = refuse
    response = await sign_in(provider, browser)
    assert (response.status, error_code(response), count) == (400, "use_dpop_nonce", 2)


@pytest.mark.parametrize("nonce", [None, "", "x" * 2000, "bad\tnonce"])
async def test_a_refusal_without_a_usable_nonce_is_final(provider: ModernProvider, nonce: str | None) -> None:
    """There is nothing to try again with."""
    headers = () if nonce is None else (("dpop-nonce", nonce),)
    provider.answers["/token"] = lambda request: json_response(400, {"error": "use_dpop_nonce"}).with_headers(
        *headers
    )
    browser = browser_of(provider, par="never")
    assert error_code(await sign_in(provider, browser)) == "use_dpop_nonce"
    assert provider.asked("/token") == 1


async def test_a_second_try_has_a_new_assertion_and_a_new_proof(provider: ModernProvider) -> None:
    """A jti is used once: that of the assertion too."""
    key = client_key()
    provider.client_keys = KeySet.of(key)
    provider.nonces["/token"] = "nonce-1"
    browser = browser_of(provider, auth=PrivateKeyJwt(key))
    assert (await sign_in(provider, browser)).status == 303
    tried = [request for request in provider.requests if request.path == "/token"]
    assert len({request.headers.get("dpop") for request in tried}) == 2
    assert len(set(provider.assertions)) == len(provider.assertions) == 3


async def test_a_token_that_is_not_bound_is_refused(provider: ModernProvider) -> None:
    """RFC 9449 §5: a server that answers Bearer bound nothing."""
    provider.token_answer = {"token_type": "Bearer"}
    assert error_code(await sign_in(provider, browser_of(provider))) == "token_type"


@pytest.mark.parametrize("spelling", ["DPoP", "dPOP", "dpop"])
async def test_a_token_type_has_no_case(provider: ModernProvider, spelling: str) -> None:
    """FAPI 2 RP: token-type-case-insensitivity."""
    provider.token_answer = {"token_type": spelling}
    assert (await sign_in(provider, browser_of(provider))).status == 303


async def test_a_bound_token_is_refused_where_none_is_wanted() -> None:
    """RFC 6749 §7.1: a type that is not understood is not used."""
    provider = ModernProvider()
    provider.token_answer = {"token_type": "DPoP"}
    assert error_code(await sign_in(provider, Browser(relying_party(provider)))) == "token_type"


async def test_an_api_is_called_with_the_session_s_key(provider: ModernProvider) -> None:
    """RFC 9449 §7: `DPoP` scheme, `ath`, and the nonce of that API."""
    browser = browser_of(provider)
    await sign_in(provider, browser)
    signed_in = await session_of(browser)
    calls: list[HttpRequest] = []

    async def api(request: HttpRequest) -> HttpResponse:
        calls.append(request)
        proof = verify_proof(request.headers.get("dpop") or "").proof
        if proof.nonce != "api-nonce":
            return HttpResponse(401).with_headers(
                ("www-authenticate", 'Bearer, DPoP error="use_dpop_nonce"'), ("dpop-nonce", "api-nonce")
            )
        return json_response(200, {"htu": proof.htu, "htm": proof.htm})

    request = HttpRequest.to(
        "PUT", "https://api.example/orders?page=2", headers={"authorization": "Bearer stolen", "x-kept": "1"}
    )
    answer = await browser.party.channel.send_with_token(
        request,
        signed_in.data.access_token or "",
        dpop_key=dpop_key(signed_in.data.dpop_key),
        fetch=api,
    )
    assert answer.json() == {"htu": "https://api.example/orders", "htm": "PUT"}
    assert len(calls) == 2
    assert calls[1].headers.many("authorization") == (f"DPoP {signed_in.data.access_token}",)
    assert calls[1].headers.get("x-kept") == "1"


async def test_a_session_begun_before_dpop_goes_on_without_it(provider: ModernProvider) -> None:
    """Turning it on signs nobody out."""
    provider.dpop = False
    browser = Browser(relying_party(provider))
    await sign_in(provider, browser)
    client = RelyingPartyClient(client_id="web", auth=Public(), dpop="require")
    later = relying_party(provider, client=client, sessions=browser.party.sessions._store)
    signed_in = await later.session(browser.request("GET", "/"))
    assert signed_in is not None
    assert (await later.refresh(signed_in)).data.access_token != signed_in.data.access_token


async def test_an_application_that_redeems_the_code_itself_may_bring_a_bearer_token(
    provider: ModernProvider,
) -> None:
    """Then it is used as one: a proof for a token that is bound to nothing would be refused."""
    provider.dpop = False
    browser = browser_of(provider)

    @browser.party.on(AuthorizationCodeReceived)
    async def redeem(context: AuthorizationCodeReceived) -> TokenResponse:
        return await relying_party(provider).redeem_code(replace(context.redemption, dpop_key=None))

    provider._check_proof = lambda request: None  # type: ignore[method-assign]
    assert (await sign_in(provider, browser)).status == 303
    signed_in = await session_of(browser)
    assert (signed_in.data.token_type, signed_in.data.dpop_key) == ("Bearer", None)


async def test_sec_P3_a_refreshed_token_that_lost_its_binding_is_refused(provider: ModernProvider) -> None:
    """P3: the session is unchanged."""
    browser = browser_of(provider)
    await sign_in(provider, browser)
    signed_in = await session_of(browser)
    provider.token_answer = {"token_type": "Bearer"}
    with pytest.raises(ResponseRejected, match="token_type"):
        await browser.party.refresh(signed_in)
    assert (await session_of(browser)).data.access_token == signed_in.data.access_token


async def test_five_flows_with_keys_fit_their_cookies(provider: ModernProvider) -> None:
    """P5: at most 3.5 KB of flow cookies, the keys in them."""
    browser = browser_of(provider)
    for number in range(12):
        await browser.get(f"/auth/login?return_to=/orders/{number}")
    assert 2 <= len(browser.flow_cookies()) <= 5
    assert sum(len(name) + len(browser.cookies[name]) for name in browser.flow_cookies()) <= 3500


def test_nonces_are_remembered_for_a_bounded_number_of_servers() -> None:
    """An API that redirects us about cannot make us grow."""
    from authwright.relying_party.dpop_prover import MAX_ORIGINS, DpopProver

    prover = DpopProver(lambda: pytest.fail("no clock is needed"))
    for number in range(MAX_ORIGINS + 10):
        prover._remember(f"https://{number}.example", "nonce")
    assert len(prover._nonces) == MAX_ORIGINS


def test_only_a_p_256_key_is_packed() -> None:
    """Others do not fit a cookie."""
    from authwright.crypto.keys import SigningKey

    with pytest.raises(ValueError, match="P-256"):
        pack_proof_key(SigningKey.generate("EdDSA"))


async def test_an_event_cannot_ask_for_a_token_that_is_bound_to_nothing(provider: ModernProvider) -> None:
    """RFC 9449 §5: what comes through the browser is no key's, so nobody who wants bound tokens asks for it."""
    browser = browser_of(provider, response_mode="form_post", front_channel_access_tokens=True)

    @browser.party.on(RedirectToIdentityProvider)
    def weaken(event: RedirectToIdentityProvider) -> RedirectToIdentityProvider:
        return replace(event, message=replace(event.message, response_type="id_token token"))

    with pytest.raises(ValueError, match="dpop"):
        await browser.get("/auth/login")
