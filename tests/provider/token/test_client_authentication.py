"""Who may ask: rows T8 and the client half of T11, at the token endpoint."""

import base64

import pytest

from authwright.protocol.client_credentials import basic_authorization
from tests.provider.installation import SECRET, Installation

FORM = {"content-type": "application/x-www-form-urlencoded"}
BODY = b"grant_type=client_credentials"


def basic(raw: bytes) -> dict[str, str]:
    return {**FORM, "authorization": "Basic " + base64.b64encode(raw).decode()}


async def test_basic_and_post_authenticate_the_clients_registered_for_them(op: Installation) -> None:
    """Exactly the registered method."""
    assert (await op.post("/token", client_id="machine", grant_type="client_credentials")).status == 200
    body = BODY + f"&client_id=poster&client_secret={SECRET}".encode()
    assert (await op.post_raw("/token", body, FORM)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        f"&client_id=machine&client_secret={SECRET}",
        "&client_id=machine",
        "&client_id=nobody&client_secret=x",
        "&client_id=nobody",
    ],
)
async def test_sec_T8_another_method_than_the_registered_one_is_invalid_client(
    op: Installation, body: str
) -> None:
    """T8: bad credential: 401 invalid_client with WWW-Authenticate."""
    answer = await op.post_raw("/token", BODY + body.encode(), FORM)
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    assert (answer.headers.get("www-authenticate") or "").startswith("Basic realm=")


async def test_sec_T8_two_methods_at_once_are_invalid_request(op: Installation) -> None:
    """T8: two auth methods at once: 400 invalid_request."""
    headers = {**FORM, "authorization": basic_authorization("machine", SECRET)}
    for extra in (
        f"&client_secret={SECRET}",
        "&client_assertion=x",
        f"&client_id=machine&client_secret={SECRET}",
        "&client_id=other",
    ):
        answer = await op.post_raw("/token", BODY + extra.encode(), headers)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert (await op.post_raw("/token", BODY + b"&client_id=machine", headers)).status == 200


async def test_sec_T8_a_secret_in_the_query_is_refused(op: Installation) -> None:
    """T8: secret in the query: 400 invalid_request, and the query is never read."""
    for query in (
        f"client_id=machine&client_secret={SECRET}",
        "grant_type=client_credentials",
        "refresh_token=x",
    ):
        answer = await op.post_raw("/token", BODY, FORM, query)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "raw",
    [
        b"machine",
        b"",
        b":",
        b"machine:%zz",
        b"machine:%",
        b"mach%FFine:x",
        b"machine:a&b",
        b"machine:a=b",
        b"machine:\xff",
    ],
)
async def test_sec_T8_a_malformed_basic_header_is_invalid_client(op: Installation, raw: bytes) -> None:
    """T8: bad %-coding, no colon: 401 invalid_client."""
    answer = await op.post_raw("/token", BODY, basic(raw))
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


async def test_sec_T8_loose_base64_is_invalid_client(op: Installation) -> None:
    """T8: Basic with loose base64: white space, missing or excess padding, the URL alphabet, junk behind."""
    exact = base64.b64encode(f"machine:{SECRET}".encode()).decode()
    for loose in (
        exact.rstrip("="),
        exact + "=",
        exact + " x",
        " " + exact,
        exact[:4] + "\t" + exact[4:],
        exact + "!!",
        "Ü",
    ):
        if loose == exact:
            continue
        headers = {**FORM, "authorization": "Basic " + loose}
        answer = await op.post_raw("/token", BODY, headers)
        assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


async def test_an_id_with_special_characters_is_form_decoded(op: Installation) -> None:
    """RFC 6749 §2.3.1: both halves are form-encoded before base64."""
    encoded = "".join(f"%{ord(character):02x}" for character in "machine")
    answer = await op.post_raw("/token", BODY, basic(f"{encoded}:{SECRET}".encode()))
    assert answer.status == 200


async def test_unknown_client_and_wrong_secret_get_the_same_answer(op: Installation) -> None:
    """X2: nobody learns which clients exist."""
    unknown = await op.post("/token", client_id="nobody", grant_type="client_credentials")
    wrong = await op.post("/token", client_id="machine", secret="wrong", grant_type="client_credentials")
    disabled = await op.post("/token", client_id="gone", grant_type="client_credentials")
    assert unknown.body == wrong.body == disabled.body
    assert unknown.status == wrong.status == disabled.status == 401


async def test_many_failures_are_slowed_down_and_a_client_that_authenticates_is_not_limited(
    op: Installation,
) -> None:
    """Limits count failures only: past them 429 with Retry-After, and the right secret still works."""
    answers = [
        await op.post("/token", client_id="machine", secret="wrong", grant_type="client_credentials")
        for _ in range(25)
    ]
    assert [answer.status for answer in answers] == [401] * 20 + [429] * 5
    assert int(answers[-1].headers.get("retry-after") or 0) >= 1
    assert (await op.post("/token", client_id="machine", grant_type="client_credentials")).status == 200
    op.clock.advance(60)
    assert (
        await op.post("/token", client_id="machine", secret="wrong", grant_type="client_credentials")
    ).status == 401


async def test_introspection_needs_a_client_that_authenticates(op: Installation) -> None:
    """D10: without authentication 401."""
    for body in (b"token=x&client_id=spa", b"token=x&client_id=machine&client_secret=wrong"):
        answer = await op.post_raw("/introspect", body, FORM)
        assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    assert (await op.post_raw("/introspect", b"token=x", FORM)).json()["error"] == "invalid_request"
