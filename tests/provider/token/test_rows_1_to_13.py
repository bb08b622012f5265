"""Rows 1 to 13b of the token table: reading a request, and who asks."""

import base64
from typing import Any

import pytest

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import PASS, HttpRequest, HttpResponse, json_response
from authwright.protocol.params import Params
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import ClientAuthentication
from authwright.registrations import client
from authwright.testing.clock import FrozenClock
from tests.provider.installation import ISSUER, SECRET, Installation
from tests.provider.token.rows import (
    CHOICES,
    FORM,
    always,
    ask_for,
    provider,
    refusal,
    refused,
    refused_as_chosen,
    with_event,
)

MACHINE = {**FORM, "authorization": basic_authorization("machine", SECRET)}
BODY = b"grant_type=client_credentials"


@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE", "PATCH"])
async def test_tok_1_asos_1_another_method_is_405_with_allow(op: Installation, method: str) -> None:
    """Row 1: any method but POST is 405 with Allow: POST, and the body of invalid_request."""
    answer = await op.provider.handle(HttpRequest.to(method, ISSUER + "/token", headers=MACHINE, body=BODY))
    refused(answer, 405, "invalid_request", "The specified HTTP method is not valid.")
    assert answer.headers.get("allow") == "POST"


async def test_tok_2_a_content_type_is_mandatory(op: Installation) -> None:
    """Row 2: no Content-Type: invalid_request."""
    answer = await op.post_raw("/token", BODY, {"authorization": MACHINE["authorization"]})
    refused(answer, 400, "invalid_request", "The mandatory 'Content-Type' header must be specified.")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 400),
        ("application/x-www-form-urlencodedX", 400),
        ("multipart/form-data", 400),
        ("application/x-www-form-urlencoded; charset=latin-1", 400),
        ("APPLICATION/x-www-form-urlencoded", 200),
        ("application/x-www-form-urlencoded; charset=utf-8; a=b", 200),
    ],
)
async def test_tok_3_the_media_type_is_parsed_and_not_a_prefix(
    op: Installation, content_type: str, status: int
) -> None:
    """Row 3: exactly the form type, with parameters, whose charset is UTF-8."""
    answer = await op.post_raw("/token", BODY, {**MACHINE, "content-type": content_type})
    assert answer.status == status
    if status == 400:
        refused(answer, 400, "invalid_request", "The specified 'Content-Type' header is not valid.")


@pytest.mark.parametrize(
    "body",
    [
        b"&grant_type=client_credentials",
        b"&scope=read&scope=read",
        b"&x=1&x=2",
        b"&x=%zz",
        b"&x=%ff",
        b"&x=" + b"y" * 9000,
        b"".join(b"&p%d=1" % index for index in range(70)),
    ],
)
async def test_tok_4_a_form_is_read_strictly(op: Installation, body: bytes) -> None:
    """Row 4: repeated parameters, bad escapes, bad UTF-8 and too much of anything are invalid_request."""
    refused(await op.post_raw("/token", BODY + body, MACHINE), 400, "invalid_request")


async def test_tok_4_an_empty_value_is_an_absent_one(op: Installation) -> None:
    """Row 4, RFC 6749 §3.2: a parameter without a value is treated as if it were omitted."""
    answer = await op.post_raw("/token", BODY + b"&scope=&scope=&client_secret=", MACHINE)
    assert answer.json()["scope"] == "read write"


async def test_tok_4_nothing_is_read_from_the_query(op: Installation) -> None:
    """Row 4: parameters never come from the URL, and credentials there are refused."""
    ignored = await op.post_raw("/token", BODY, MACHINE, "unrelated=1")
    assert ignored.status == 200
    refused(
        await op.post_raw("/token", b"", MACHINE, "grant_type=client_credentials"), 400, "invalid_request"
    )
    refused(
        await op.post_raw("/token", BODY, FORM, f"client_id=machine&client_secret={SECRET}"),
        400,
        "invalid_request",
    )


@pytest.mark.parametrize("choice", CHOICES)
async def test_tok_4b_asos_2_extract_token_request_may_refuse(
    clock: FrozenClock, choice: tuple[str | None, str, str]
) -> None:
    """Row 4b: extract_token_request refuses with its own code, description and URI, else invalid_request."""
    op = await with_event(clock, "extract_token_request", refusal(choice))
    refused_as_chosen(await ask_for(op, "client_credentials"), choice, "invalid_request")


async def test_tok_4b_asos_3_asos_4_extract_token_request_may_answer_pass_on_and_amend(
    clock: FrozenClock,
) -> None:
    """Row 4b: it may answer itself, leave the request to the wrapped application, or change the parameters."""
    op = await with_event(clock, "extract_token_request", json_response(200, {"name": "Bob le Bricoleur"}))
    assert (await op.post("/token")).json() == {"name": "Bob le Bricoleur"}
    op = await with_event(clock, "extract_token_request", PASS)
    request = HttpRequest.to("POST", ISSUER + "/token", headers=MACHINE, body=BODY)
    assert await op.provider.try_handle(request) is None

    async def narrowed(params: Params, http: HttpRequest) -> Params:
        return Params.of((*params.pairs(), ("scope", "read")))

    op = await provider(clock, events=ProviderEvents(extract_token_request=narrowed))
    assert (await ask_for(op, "client_credentials")).json()["scope"] == "read"


async def test_tok_5_asos_5_grant_type_is_mandatory(op: Installation) -> None:
    """Row 5: no grant_type: invalid_request."""
    answer = await op.post("/token", client_id="machine")
    refused(answer, 400, "invalid_request", "The mandatory 'grant_type' parameter is missing.")


async def test_tok_6_asos_6_without_an_authorization_endpoint_there_are_no_codes(clock: FrozenClock) -> None:
    """Row 6: the code grant where the authorization endpoint is off: unsupported_grant_type."""
    op = await provider(clock, authorization_endpoint=False)
    answer = await op.redeem("ac_x")
    description = "The authorization code grant is not allowed by this authorization server."
    refused(answer, 400, "unsupported_grant_type", description)
    assert (await ask_for(op, "client_credentials")).status == 200
    assert (await op.get("/authorize")).status == 404
    document = (await op.get("/.well-known/openid-configuration")).json()
    assert "authorization_endpoint" not in document
    assert "authorization_code" not in document["grant_types_supported"]


async def test_tok_7_asos_7_a_code_is_mandatory(op: Installation) -> None:
    """Row 7: authorization_code without code: invalid_request."""
    answer = await op.post("/token", grant_type="authorization_code")
    refused(answer, 400, "invalid_request", "The mandatory 'code' parameter is missing.")


async def test_tok_8_asos_8_a_refresh_token_is_mandatory(op: Installation) -> None:
    """Row 8: refresh_token without refresh_token: invalid_request."""
    answer = await op.post("/token", grant_type="refresh_token")
    refused(answer, 400, "invalid_request", "The mandatory 'refresh_token' parameter is missing.")


@pytest.mark.parametrize("given", [{}, {"username": "alice"}, {"password": "alice-secret"}])
async def test_tok_9_asos_9_username_and_password_are_mandatory(
    clock: FrozenClock, given: dict[str, str]
) -> None:
    """Row 9: password without username or password: invalid_request."""
    op = await provider(clock)
    answer = await op.post("/token", client_id="owner", grant_type="password", **given)
    description = "The mandatory 'username' and/or 'password' parameters are missing."
    refused(answer, 400, "invalid_request", description)


async def test_tok_9_the_password_grant_is_off_by_default(op: Installation) -> None:
    """Row 9: a client whose grant_types do not name it gets unauthorized_client."""
    answer = await op.post("/token", grant_type="password", username="alice", password="alice-secret")
    refused(answer, 400, "unauthorized_client")


async def test_tok_10_asos_10_two_credentials_at_once_are_refused(op: Installation) -> None:
    """Row 10: Basic with a secret or an assertion in the body: invalid_request."""
    for extra in (f"&client_id=machine&client_secret={SECRET}", "&client_assertion=x"):
        answer = await op.post_raw("/token", BODY + extra.encode(), MACHINE)
        refused(answer, 400, "invalid_request", "Multiple client credentials cannot be specified.")


async def test_tok_10_a_client_id_beside_basic_must_be_the_same(op: Installation) -> None:
    """Row 10: an equal client_id in the body is fine, another is invalid_request."""
    assert (await op.post_raw("/token", BODY + b"&client_id=machine", MACHINE)).status == 200
    refused(await op.post_raw("/token", BODY + b"&client_id=web", MACHINE), 400, "invalid_request")


@pytest.mark.parametrize("raw", [b"!!!", base64.b64encode(b"machine"), base64.b64encode(b"machine:%zz")])
async def test_tok_10_a_malformed_basic_header_is_invalid_client(op: Installation, raw: bytes) -> None:
    """Row 10: malformed Basic is 401 invalid_client, never swallowed."""
    answer = await op.post_raw("/token", BODY, {**FORM, "authorization": "Basic " + raw.decode()})
    refused(answer, 401, "invalid_client")


async def test_tok_10_both_halves_of_basic_are_form_decoded_and_split_at_the_first_colon(
    clock: FrozenClock,
) -> None:
    """Row 10, RFC 6749 §2.3.1: split at the first ':', then form-url-decode both."""
    odd = client("a b&c", "s:e c+r%t", grant_types=["client_credentials"], scope="read")
    op = await provider(clock, clients=(odd,))
    raw = base64.b64encode(b"a+b%26c:s:e+c%2Br%25t").decode()
    assert (await op.post_raw("/token", BODY, {**FORM, "authorization": "bAsIc " + raw})).status == 200


@pytest.mark.parametrize("choice", CHOICES)
async def test_tok_11_validate_client_authentication_may_refuse(
    clock: FrozenClock, choice: tuple[str | None, str, str]
) -> None:
    """Row 11: the event's code, else invalid_client, which is 401 with a challenge; another code is 400."""
    op = await with_event(clock, "validate_client_authentication", refusal(choice))
    answer = await ask_for(op, "client_credentials")
    refused_as_chosen(answer, choice, "invalid_client")
    assert answer.status == (400 if choice[0] else 401)
    challenge = answer.headers.get("www-authenticate") or ""
    assert challenge == ("" if choice[0] else f'Basic realm="{ISSUER}"')


async def test_tok_11_what_decides_by_default_is_the_registered_method(op: Installation) -> None:
    """Row 11: the default is that the built-in decides; a wrong secret is 401 with a challenge."""
    answer = await op.post("/token", client_id="machine", secret="wrong", grant_type="client_credentials")
    refused(answer, 401, "invalid_client")
    assert answer.headers.get("www-authenticate") == f'Basic realm="{ISSUER}"'


async def test_tok_12_asos_14_a_public_client_cannot_act_for_itself(clock: FrozenClock) -> None:
    """Row 12: no authentication and client_credentials: 401 invalid_client (RFC 6749 §5.2), before any event."""
    lax = client("lax-machine", grant_types=["client_credentials"], scope="read")
    awaited = always(refusal(("custom_error", "", "")))
    op = await provider(clock, clients=(lax,), events=ProviderEvents(validate_token_request=awaited))
    answer = await op.post_raw("/token", BODY + b"&client_id=lax-machine", FORM)
    description = "Client authentication is required when using the client credentials grant."
    refused(answer, 401, "invalid_client", description)


async def test_tok_13_asos_16_an_event_that_believes_another_client_is_our_fault(clock: FrozenClock) -> None:
    """Row 13: a validated client that is not the one of the request: server_error, and the reason in the log."""
    op = await provider(clock)
    believed = ClientAuthentication(op.clients["web"], "client_secret_basic")
    op = await with_event(clock, "validate_client_authentication", believed)
    answer = await ask_for(op, "client_credentials")
    refused(answer, 500, "server_error", "")


@pytest.mark.parametrize(
    "body",
    [
        "grant_type=authorization_code&code=x",
        "grant_type=refresh_token&refresh_token=x",
        "grant_type=password&username=alice&password=x",
        "grant_type=client_credentials",
        "grant_type=urn:example:custom",
    ],
)
async def test_tok_13b_asos_15_asos_17_client_id_is_mandatory_for_every_grant(
    clock: FrozenClock, body: str
) -> None:
    """Row 13b: no client at all: invalid_request, so that no event can validate nobody."""
    op = await provider(clock, events=ProviderEvents(validate_client_authentication=always(None)))
    answer = await op.post_raw("/token", body.encode(), FORM)
    refused(answer, 400, "invalid_request", "The mandatory 'client_id' parameter is missing.")


async def test_tok_13_an_event_that_answers_is_the_answer(clock: FrozenClock) -> None:
    """Row 11 and after: each event may answer itself."""
    mine: Any = HttpResponse(418, body=b"teapot")
    op = await with_event(clock, "validate_client_authentication", mine)
    assert (await ask_for(op, "client_credentials")).status == 418
