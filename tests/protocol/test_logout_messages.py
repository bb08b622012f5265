"""Logout messages between servers and through the browser, built and parsed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.logout import (
    FrontChannelLogout,
    LogoutToken,
    LogoutTokenRejected,
    build_backchannel_logout,
    build_frontchannel_logout,
    build_logout_token,
    parse_backchannel_logout,
    parse_frontchannel_logout,
    parse_logout_token,
)
from authwright.protocol.params import NO_PARAMS, Params, parse_params

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)

EXAMPLE = {
    "iss": "https://server.example.com",
    "sub": "248289761001",
    "aud": "s6BhdRkqt3",
    "iat": 1471566154,
    "exp": 1471569754,
    "jti": "bWJq",
    "sid": "08a5019c-17e1-4977-8f42-65a12843ea02",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}
READ = LogoutToken(
    issuer="https://server.example.com",
    audience="s6BhdRkqt3",
    jti="bWJq",
    issued_at=datetime.fromtimestamp(1471566154, UTC),
    expires_at=datetime.fromtimestamp(1471569754, UTC),
    subject="248289761001",
    session_id="08a5019c-17e1-4977-8f42-65a12843ea02",
)


def parse(claims: dict[str, Any], now: datetime = READ.issued_at) -> LogoutToken:
    return parse_logout_token(claims, issuer=READ.issuer, client_id="s6BhdRkqt3", now=now)


def test_back_channel_logout_2_4_token() -> None:
    """The specification's own example, both ways."""
    assert parse(dict(EXAMPLE)) == READ
    assert build_logout_token(READ) == EXAMPLE


@given(TEXT, TEXT, TEXT, st.none() | TEXT, TEXT)
def test_a_logout_token(issuer: str, client_id: str, jti: str, subject: str | None, sid: str) -> None:
    """What was built is what is parsed, with or without a subject."""
    now = READ.issued_at
    token = LogoutToken(
        issuer=issuer,
        audience=client_id,
        jti=jti,
        issued_at=now,
        expires_at=now + timedelta(minutes=2),
        subject=subject,
        session_id=sid,
    )
    claims = build_logout_token(token)
    assert parse_logout_token(claims, issuer=issuer, client_id=client_id, now=now) == token


@pytest.mark.parametrize(
    ("seconds", "good"), [(-61, False), (-59, True), (659, True), (661, False), (3659, False), (3661, False)]
)
def test_a_logout_token_has_its_time(seconds: int, good: bool) -> None:
    """Back-Channel Logout §2.6: exp and iat, a minute of difference between clocks, and not older than ten minutes."""
    now = READ.issued_at + timedelta(seconds=seconds)
    if good:
        assert parse(dict(EXAMPLE), now) == READ
    else:
        with pytest.raises(LogoutTokenRejected):
            parse(dict(EXAMPLE), now)


def test_an_expired_logout_token_is_refused_for_that() -> None:
    """exp, with a minute for the clocks."""
    claims = {**EXAMPLE, "exp": EXAMPLE["iat"]}
    assert parse(claims, READ.issued_at + timedelta(seconds=59)).jti == "bWJq"
    with pytest.raises(LogoutTokenRejected, match="exp"):
        parse(claims, READ.issued_at + timedelta(seconds=60))


def test_back_channel_logout_2_5_request() -> None:
    """One parameter, once."""
    params = build_backchannel_logout("eyJhbGciOiJS.eyJpc3MiOiJo.ZXhhbXBsZQ")
    assert params.encoded() == "logout_token=eyJhbGciOiJS.eyJpc3MiOiJo.ZXhhbXBsZQ"
    assert parse_backchannel_logout(parse_params(params.encoded().encode())) == params.one("logout_token")
    for wrong in (NO_PARAMS, parse_params(b"logout_token=a&logout_token=b"), Params.of({"token": "a"})):
        with pytest.raises(InvalidRequest):
            parse_backchannel_logout(wrong)


@given(st.none() | TEXT, st.none() | TEXT)
def test_a_front_channel_logout(issuer: str | None, sid: str | None) -> None:
    """OpenID Connect Front-Channel Logout 1.0 §3: iss and sid in the query."""
    message = FrontChannelLogout(issuer=issuer, session_id=sid)
    assert parse_frontchannel_logout(build_frontchannel_logout(message)) == message


def test_sec_A6_a_front_channel_parameter_is_given_once() -> None:
    """Row A6: no first or last wins."""
    with pytest.raises(InvalidRequest):
        parse_frontchannel_logout(parse_params(b"iss=a&iss=b&sid=c"))
