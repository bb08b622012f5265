"""What operators see of a refusal (security §1, rule d): reason, client and a fingerprint, and never a value."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.http import Headers, HttpRequest
from authwright.provider.audit import TokenRefused
from authwright.provider.presented import presented
from authwright.testing.clock import FrozenClock
from tests.provider.installation import Installation, install


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="authwright")


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The refusals of the log, as an operator gets them."""
    wanted = ("endpoint", "error", "reason", "client_id", "fingerprint")
    return [
        {name: vars(record)[name] for name in wanted if name in vars(record)}
        for record in caplog.records
        if record.getMessage().startswith("request.refused")
    ]


async def test_a_refused_token_request_is_told_with_reason_client_and_fingerprint(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tries with one code have one fingerprint, another code has another; log and audit say the same."""
    code = await op.code()
    await op.redeem(code, client_id="other")
    await op.redeem(code, redirect_uri="https://app.example/other")
    await op.redeem(await op.code(), client_id="other")
    first, second, third = told(caplog)
    assert first == {
        "endpoint": "token",
        "error": "invalid_grant",
        "reason": "authorization_code.wrong_client",
        "client_id": "other",
        "fingerprint": first["fingerprint"],
    }
    assert len(first["fingerprint"]) == 8
    int(first["fingerprint"], 16)
    assert second["fingerprint"] == first["fingerprint"] != third["fingerprint"]
    assert second["reason"] == "code.redirect_mismatch"
    audited = [event.fingerprint for event in op.audit if isinstance(event, TokenRefused)]
    assert audited == [line["fingerprint"] for line in told(caplog)]
    assert code not in caplog.text + repr(op.audit)


async def test_every_worker_tells_a_value_by_the_same_fingerprint(
    op: Installation, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is keyed by the root key, so a log alone tells nobody what was guessed."""
    other_worker = await install(op.stores, clock)
    for worker in (op, other_worker):
        await worker.refresh("rt_" + "0" * 10 + "A" * 47)
    first, second = told(caplog)
    assert first["fingerprint"] == second["fingerprint"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "rt_x"}, "refresh.unknown"),
        ({"grant_type": DEVICE_CODE, "device_code": "dc_x"}, "client.grant_not_allowed"),
        ({"grant_type": "authorization_code", "code": "ac_x", "scope": ["a", "b"]}, "req.duplicate_param"),
        ({"grant_type": "authorization_code", "code": ["ac_x", "ac_y"]}, "req.duplicate_param"),
    ],
)
async def test_whatever_was_shown_has_one(
    op: Installation, caplog: pytest.LogCaptureFixture, params: dict[str, Any], reason: str
) -> None:
    """Also where the request was refused before anything was looked up."""
    await op.post("/token", **params)
    (line,) = told(caplog)
    assert (line["reason"], len(line["fingerprint"])) == (reason, 8)


async def test_a_request_that_shows_nothing_has_none(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor has one that cannot be read; a wrong secret has none either, for it could be guessed from one."""
    await op.post("/token", client_id="machine", secret="wrong", grant_type="client_credentials")
    await op.post_raw("/token", b"\xff=%zz", {"content-type": "application/x-www-form-urlencoded"})
    await op.get("/token")
    lines = told(caplog)
    assert len(lines) == 3
    assert not any("fingerprint" in line for line in lines)
    assert [line["client_id"] for line in lines] == ["machine", None, None]


async def test_other_endpoints_tell_who_asked_and_with_what(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """UserInfo by the bearer token, revocation and introspection by the client that says who it is."""
    tokens = (await op.redeem(await op.code())).json()
    await op.get("/userinfo", authorization=f"Bearer {tokens['refresh_token']}")
    await op.post("/revoke", client_id="other", token=tokens["refresh_token"])
    await op.post("/introspect", secret="wrong", token=tokens["access_token"])
    userinfo, revoke, introspect = told(caplog)
    assert (userinfo["reason"], userinfo["client_id"]) == ("token.unknown", None)
    assert (revoke["reason"], revoke["client_id"]) == ("revocation.wrong_client", "other")
    assert (introspect["reason"], introspect["client_id"]) == ("client.auth_failed", "web")
    assert userinfo["fingerprint"] == revoke["fingerprint"] != introspect["fingerprint"]
    assert not any(str(value) in caplog.text for value in tokens.values() if str(value).count("_"))


@given(
    body=st.binary(max_size=200) | st.text(alphabet="cotdeknrfs_=&%+ \x00é", max_size=60).map(str.encode),
    authorization=st.binary(max_size=60) | st.binary(max_size=40).map(lambda raw: b"Basic " + raw),
    method=st.sampled_from(["GET", "POST"]),
)
def test_whatever_was_refused_can_be_told(body: bytes, authorization: bytes, method: str) -> None:
    """A refusal must not become a fault of ours because it is written down."""
    headers = Headers(
        ((b"content-type", b"application/x-www-form-urlencoded"), (b"authorization", authorization))
    )
    told_of = presented(HttpRequest(method, "/token", headers=headers, body=body), lambda value: value[:1])
    assert len(told_of.fingerprint) <= 1
