"""The client's side of a token exchange: what is sent, and which answers are refused (RFC 8693 §2.2)."""

import json
from typing import Any

import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN
from authwright.protocol.http import HttpResponse
from authwright.remote.documents import RemoteFault
from authwright.remote.token_exchange import (
    ExchangedToken,
    ExchangeRefused,
    ExchangeRejected,
    read_exchange_response,
)

GOOD = {"access_token": "t-1", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60}


def answer(status: int = 200, /, **changes: Any) -> HttpResponse:
    members = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return HttpResponse(status, body=json.dumps(members).encode())


def read(response: HttpResponse, **asked: Any) -> ExchangedToken:
    return read_exchange_response(response, **asked)


def test_a_missing_scope_is_what_was_asked_for() -> None:
    """3.6: and one that is there is what was granted."""
    assert read(answer(), scope=["a", "b"]).scope == ("a", "b")
    assert read(answer(scope="a"), scope=["a", "b"]).scope == ("a",)
    assert read(answer()).scope is None


@pytest.mark.parametrize(
    ("changes", "asked", "reason"),
    [
        ({"issued_token_type": None}, {}, "malformed"),
        ({"issued_token_type": 7}, {}, "malformed"),
        ({"token_type": None}, {}, "token_type"),
        ({"token_type": "mac"}, {}, "token_type"),
        ({"token_type": "DPoP"}, {}, "token_type"),
        ({"token_type": "Bearer"}, {"token_type": "DPoP"}, "token_type"),
        ({"token_type": "N_A"}, {}, "token_type"),
        ({"issued_token_type": ID_TOKEN}, {"requested": ACCESS_TOKEN}, "issued_token_type"),
        ({"access_token": None}, {}, "malformed"),
        ({"access_token": "a\nb"}, {}, "malformed"),
        ({"access_token": 1}, {}, "malformed"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused(changes: Any, asked: Any, reason: str) -> None:
    """3.6: issued_token_type and token_type are required, and must be what can be used."""
    with pytest.raises(ExchangeRejected) as raised:
        read(answer(**changes), **asked)
    assert raised.value.reason == reason


def test_what_is_no_access_token_is_not_used_as_one() -> None:
    """3.6: N_A never goes to an API as a bearer token."""
    exchanged = read(answer(issued_token_type=REFRESH_TOKEN, token_type="N_A"), requested=REFRESH_TOKEN)
    assert exchanged.token == "t-1"
    with pytest.raises(ValueError, match="not an access token"):
        _ = exchanged.access_token
    assert read(answer(token_type="bearer")).access_token == "t-1"


def test_an_error_is_the_servers_own_word() -> None:
    """RFC 6749 §5.2."""
    with pytest.raises(ExchangeRefused) as raised:
        read(answer(400, error="invalid_target", error_description="no"))
    assert (raised.value.error, raised.value.error_description, raised.value.status) == (
        "invalid_target",
        "no",
        400,
    )
    for status, body in ((400, b"<html>"), (404, b"{}"), (400, b"[]"), (400, b'{"error": 1}')):
        with pytest.raises(ExchangeRejected):
            read(HttpResponse(status, body=body))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_decided_nothing(status: int) -> None:
    """Whatever error it names."""
    with pytest.raises(RemoteFault):
        read(answer(status, error="invalid_request"))


def test_the_token_is_not_in_a_representation() -> None:
    """House rule: tokens never reach a log."""
    assert "t-1" not in repr(read(answer()))
