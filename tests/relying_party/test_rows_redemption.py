"""rp_F: the code redeemed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from authwright.crypto.jwt import unverified_claims
from authwright.protocol.http import Headers, HttpResponse, json_response
from authwright.protocol.token import TokenResponse
from authwright.relying_party.client import RelyingPartyClient, SecretBasic
from authwright.relying_party.errors import ProviderRefused
from authwright.relying_party.events import (
    AuthorizationCodeReceived,
    RemoteFailure,
    TokenResponseReceived,
    TokenValidated,
)
from authwright.relying_party.user import User
from tests.relying_party.hostile_provider import (
    BASE,
    ISSUER,
    SECRET,
    Browser,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)
from tests.relying_party.ways import arrive, at, pairs_of, session_of, unsigned


async def test_rp_F1_the_token_request(provider: HostileProvider) -> None:
    """F1: grant type, code, redirect URI and verifier, as a form; the secret as it is registered."""
    client = RelyingPartyClient(client_id="web", auth=SecretBasic(SECRET))
    await sign_in(provider, Browser(relying_party(provider, client=client)))
    (request,) = [request for request in provider.requests if request.path == "/token"]
    assert request.headers.get("content-type") == "application/x-www-form-urlencoded"
    form = provider.last("/token")
    assert form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert (form["grant_type"], form["redirect_uri"]) == ("authorization_code", BASE + "/auth/callback")


async def test_rp_F2_the_event_sees_who_signed_in_so_far_and_may_edit_the_request(
    provider: HostileProvider,
) -> None:
    """F2: in a hybrid flow the front channel's user and claims; in the code flow nobody yet."""
    seen: list[object] = []

    def look(context: AuthorizationCodeReceived) -> AuthorizationCodeReceived:
        seen.append((context.user, (context.id_token or {}).get("sub")))
        assert context.fetch is not None
        return replace(context, redemption=replace(context.redemption, parameters={"extra": "1"}))

    for response_type in ("code", "code id_token"):
        browser = at(provider, response_type)
        browser.party.on(AuthorizationCodeReceived)(look)
        assert (await arrive(provider, browser)).status == 303
        assert provider.last("/token")["extra"] == "1"
    assert seen == [(None, None), (User(ISSUER, "u-alice"), "u-alice")]


@pytest.mark.parametrize("given", ["all", "without an ID token", "without anything"])
async def test_rp_F3_a_hybrid_login_keeps_its_user_when_the_application_redeems(
    provider: HostileProvider, given: str
) -> None:
    """F3: an ID token is needed only if none came before; the access token is optional."""
    browser = at(provider, "code id_token")
    seen: list[object] = []

    @browser.party.on(AuthorizationCodeReceived)
    async def redeem(context: AuthorizationCodeReceived) -> TokenResponse:
        response = await browser.party.redeem_code(context.redemption)
        if given == "without an ID token":
            return msgspec.structs.replace(response, id_token=None)
        return response if given == "all" else TokenResponse()

    browser.party.on(TokenResponseReceived)(lambda context: seen.append("token_response_received"))
    assert (await arrive(provider, browser)).status == 303
    assert seen == ["token_response_received"]
    signed_in = await session_of(browser)
    assert signed_in.sub == "u-alice"
    assert (signed_in.data.access_token is None) == (given == "without anything")


async def test_rp_F3_a_code_flow_without_an_id_token_is_refused_by_name(
    provider: HostileProvider, browser: Browser
) -> None:
    """F3: nobody would be signed in."""
    browser.party.on(AuthorizationCodeReceived)(lambda context: TokenResponse(access_token="x"))
    assert error_code(await sign_in(provider, browser)) == "id_token_missing"


@pytest.mark.parametrize("response_type", ["code", "code id_token"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nonce": "x"}, "nonce"),
        ({"azp": "other"}, "azp"),
        ({"at_hash": "x"}, "at_hash"),
        ({"iat": 1}, "iat"),
    ],
)
async def test_rp_F4_what_the_application_redeemed_is_validated_too(
    provider: HostileProvider, response_type: str, changes: dict[str, Any], reason: str
) -> None:
    """F4: nonce, azp, at_hash and iat, whoever sent the request."""
    browser = at(provider, response_type)

    @browser.party.on(AuthorizationCodeReceived)
    async def redeem(context: AuthorizationCodeReceived) -> TokenResponse:
        return await browser.party.redeem_code(context.redemption)

    provider.id_token = changes
    assert error_code(await arrive(provider, browser)) == f"id_token_{reason}"


@pytest.mark.parametrize("content_type", [None, "text/html", "application/octet-stream", "application/json"])
async def test_rp_F5_the_body_is_read_as_json_whatever_its_type(
    provider: HostileProvider, content_type: str | None, browser: Browser
) -> None:
    """F5: and checked all the same."""
    token, answers = provider._token, Headers.of({"content-type": content_type} if content_type else {})
    provider.answers["/token"] = lambda request: HttpResponse(
        200, answers, token(dict(pair.split("=") for pair in pairs_of(request.body))).body
    )
    assert (await sign_in(provider, browser)).status == 303


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"<html>", b"", b"a=b"])
async def test_rp_F6_what_is_no_object_is_refused(
    provider: HostileProvider, browser: Browser, body: bytes
) -> None:
    """F6: named, and nothing of it shown."""
    provider.answers["/token"] = lambda request: HttpResponse(200, body=body)
    reason = error_code(await sign_in(provider, browser))
    assert reason in ("token_response_malformed", "token_response_not_json")


async def test_rp_F8_an_error_of_the_token_endpoint_is_the_provider_s(
    provider: HostileProvider, browser: Browser
) -> None:
    """F8: error, description, uri and status, for the application and its log."""
    failures: list[object] = []
    browser.party.on(RemoteFailure)(lambda context: failures.append(context.failure))
    provider.answers["/token"] = lambda request: json_response(
        401, {"error": "invalid_client", "error_description": "d", "error_uri": "u"}
    )
    assert (await sign_in(provider, browser)).status == 400
    (failure,) = failures
    assert isinstance(failure, ProviderRefused)
    assert (failure.error, failure.error_description, failure.error_uri, failure.status) == (
        "invalid_client", "d", "u", 401,
    )  # fmt: skip


async def test_rp_F9_the_event_sees_the_response_before_it_is_believed(
    provider: HostileProvider, browser: Browser
) -> None:
    """F9: after the redemption, before the ID token is looked at."""
    seen: list[str] = []
    browser.party.on(TokenResponseReceived)(lambda context: seen.append("received"))
    browser.party.on(TokenValidated)(lambda context: seen.append("validated"))
    provider.id_token = {"nonce": "wrong"}
    await sign_in(provider, browser)
    assert seen == ["received"]


async def test_rp_F10_unsigned_only_where_it_is_registered_and_from_the_token_endpoint(
    provider: HostileProvider,
) -> None:
    """F10: `none` must be in the client's algorithms and in the metadata; then all claims are checked as ever."""
    mint = provider.mint_id_token
    provider.mint_id_token = lambda *a, **k: unsigned(mint(*a, **k))  # type: ignore[method-assign]
    assert error_code(await arrive(provider, at(provider))) == "id_token_alg"
    registered = ("ES256", "none")
    assert error_code(await arrive(provider, at(provider, id_token_algorithms=registered))) == "id_token_alg"
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none"]
    assert (await arrive(provider, at(provider, id_token_algorithms=registered))).status == 303
    hybrid = at(provider, "code id_token", id_token_algorithms=registered)
    assert error_code(await arrive(provider, hybrid)) == "id_token_alg"
    provider.id_token = {"nonce": "wrong"}
    assert (
        error_code(await arrive(provider, at(provider, id_token_algorithms=registered))) == "id_token_nonce"
    )


async def test_rp_F10_beside_a_signed_one_an_unsigned_id_token_has_no_place(
    provider: HostileProvider,
) -> None:
    """F10: hybrid: the second one is signed too."""
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none"]
    browser = at(provider, "code id_token", id_token_algorithms=("ES256", "none"))
    token = provider._token

    def answer(request: Any) -> HttpResponse:
        content = token(dict(pair.split("=", 1) for pair in pairs_of(request.body))).json()
        return json_response(200, {**content, "id_token": unsigned(content["id_token"])})

    provider.answers["/token"] = answer
    assert error_code(await arrive(provider, browser)) == "id_token_alg"


async def test_rp_F10_a_signature_that_is_there_is_verified(provider: HostileProvider) -> None:
    """F10: also where `none` is registered; and "none" with a signature is nothing."""
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256", "none"]
    mint = provider.mint_id_token
    spoilers: list[Callable[[str], str]] = [
        lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        lambda token: unsigned(token) + "AAAA",
        lambda token: token.rpartition(".")[0] + ".",
    ]
    for spoil in spoilers:
        provider.mint_id_token = lambda *a, spoil=spoil, **k: spoil(mint(*a, **k))  # type: ignore[method-assign]
        response = await arrive(provider, at(provider, id_token_algorithms=("ES256", "none")))
        assert error_code(response).startswith("id_token_")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"sub": "u-mallory"}, "id_token_sub_changed"), ({"iss": "https://evil.example"}, "id_token_iss")],
)
async def test_rp_F11_both_id_tokens_are_of_one_user_and_one_issuer(
    provider: HostileProvider, changes: dict[str, Any], reason: str
) -> None:
    """F11: Core §3.3.3.6: iss and sub compared."""
    browser = at(provider, "code id_token")
    provider.id_token = changes
    assert error_code(await arrive(provider, browser)) == reason
    assert not browser.signed_in


async def test_rp_F12_the_front_channel_s_user_stays(provider: HostileProvider) -> None:
    """F12: token_validated runs once; the principal is the front channel's, the ID token kept is the second."""
    browser = at(provider, "code id_token", userinfo="never")
    seen: list[object] = []
    browser.party.on(TokenValidated)(lambda context: seen.append(context.token_response))
    provider.front_id_token = {"name": "Front"}
    provider.id_token = {"name": "Back", "email": "back@example.com"}
    assert (await arrive(provider, browser)).status == 303
    assert seen == [None]
    signed_in = await session_of(browser)
    assert signed_in.claims["name"] == "Front"
    assert (unverified_claims(signed_in.data.id_token or "") or {})["name"] == "Back"


async def test_rp_F12_a_user_the_event_put_there_is_used(provider: HostileProvider) -> None:
    """F12, L0: by token_validated or by authorization_code_received."""
    for event in (TokenValidated, AuthorizationCodeReceived):
        browser = at(provider, "code id_token", userinfo="never")
        browser.party.on(event)(
            lambda context: replace(context, user=User(ISSUER, "local-7", {"sub": "local-7"}))
        )
        assert (await arrive(provider, browser)).status == 303
        assert (await session_of(browser)).sub == "local-7"


async def test_rp_F13_in_the_code_flow_the_token_endpoint_s_is_the_only_one(
    provider: HostileProvider, browser: Browser
) -> None:
    """F13: nonce checked there, token_validated with the token response."""
    seen: list[object] = []
    browser.party.on(TokenValidated)(
        lambda context: seen.append((context.token_response is not None, context.nonce is not None))
    )
    await sign_in(provider, browser)
    assert seen == [(True, True)]


async def test_rp_F14_the_event_may_name_another_token_endpoint(
    provider: HostileProvider, browser: Browser
) -> None:
    """F14: also where the metadata has none."""
    del provider.metadata["token_endpoint"]
    assert error_code(await sign_in(provider, browser)) == "no_token_endpoint"
    browser.party.on(AuthorizationCodeReceived)(
        lambda context: replace(
            context, redemption=replace(context.redemption, token_endpoint="https://op.example/token")
        )
    )
    assert (await sign_in(provider, browser)).status == 303


@pytest.mark.parametrize("wrong", [True, False])
async def test_rp_F15_a_user_an_event_put_there_turns_no_check_off(
    provider: HostileProvider, browser: Browser, wrong: bool
) -> None:
    """F15: in the code flow nonce and token_validated depend on nothing an event did before; nor does who signs in."""
    seen: list[str] = []
    browser.party.on(AuthorizationCodeReceived)(
        lambda context: replace(context, user=User(ISSUER, "u-mallory"), id_token={"sub": "u-mallory"})
    )
    browser.party.on(TokenValidated)(lambda context: seen.append(context.user.sub))
    provider.id_token = {"nonce": "wrong"} if wrong else {}
    response = await sign_in(provider, browser)
    if wrong:
        assert error_code(response) == "id_token_nonce"
    else:
        assert seen == ["u-alice"]
        assert (await session_of(browser)).sub == "u-alice"
