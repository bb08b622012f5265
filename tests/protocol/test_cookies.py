"""Cookies are read tolerantly, written strictly (RFC 6265)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.cookies import MAX_COOKIES, cookie_header, read_cookies
from authwright.protocol.http import Headers


def _cookies(*lines: bytes) -> dict[str, str]:
    return read_cookies(Headers((b"cookie", line) for line in lines))


def test_every_pair_of_every_line_is_read() -> None:
    """HTTP/2 may split the field (RFC 9113 §8.2.3)."""
    assert _cookies(b"a=1; b=2", b"c=3") == {"a": "1", "b": "2", "c": "3"}


def test_of_two_cookies_with_one_name_the_first_counts() -> None:
    """RFC 6265 §5.4: the one with the longer path comes first."""
    assert _cookies(b"sid=ours; sid=planted", b"sid=later") == {"sid": "ours"}


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b"", {}),
        (b"novalue", {}),
        (b"=x", {}),
        (b"a=", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b'a="quoted"', {"a": "quoted"}),
        (b'a="', {}),
        (b"a=with space; b=2", {"b": "2"}),
        (b"a\x00=1; b=2", {"b": "2"}),
        (b"a=1\x0d\x0aset-cookie: x=y; b=2", {"b": "2"}),
        (b"a=\xe9; b=2", {"b": "2"}),
        (b";;; b=2 ;", {"b": "2"}),
    ],
)
def test_a_malformed_pair_is_skipped_and_the_others_count(line: bytes, read: dict[str, str]) -> None:
    """One bad cookie of a sibling site must not sign anyone out."""
    assert _cookies(line) == read


def test_cookies_beyond_the_limit_are_as_if_not_sent() -> None:
    """What fits counts; a pair that the limit cuts in two does not count with half its value."""
    bomb = b"x=" + b"y" * MAX_COOKIES
    assert _cookies(b"a=1; " + bomb) == {"a": "1"}
    assert _cookies(b"a=1", bomb, b"b=2") == {"a": "1"}


@given(st.binary(max_size=300))
def test_whatever_is_sent_reading_it_raises_nothing(line: bytes) -> None:
    """Only names and values that a cookie may have come out."""
    for name, value in _cookies(line).items():
        assert cookie_header(name, value, secure=True)[0] == "set-cookie"


def test_a_cookie_is_written_with_all_its_attributes() -> None:
    """The order is fixed, so that tests and caches can compare."""
    assert cookie_header("__Host-sid", "v", secure=True, max_age=60) == (
        "set-cookie",
        "__Host-sid=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax",
    )
    assert cookie_header("sid", "", secure=False, max_age=0, http_only=False, same_site="Strict")[1] == (
        "sid=; Path=/; Max-Age=0; SameSite=Strict"
    )


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("a b", "v", {"secure": True}),
        ("", "v", {"secure": True}),
        ("a", "x;y", {"secure": True}),
        ("a", "x\r\nset-cookie: b=c", {"secure": True}),
        ("a", "v", {"secure": True, "path": "/;Domain=evil.example"}),
        ("a", "v", {"secure": True, "path": "auth"}),
        ("__Host-a", "v", {"secure": False}),
        ("__Secure-a", "v", {"secure": False}),
        ("__Host-a", "v", {"secure": True, "path": "/auth"}),
        ("a", "v", {"secure": False, "same_site": "None"}),
    ],
)
def test_a_cookie_a_browser_would_drop_or_misread_is_refused(
    name: str, value: str, options: dict[str, object]
) -> None:
    """RFC 6265bis §4.1.3, §5.7; the error never shows the value."""
    with pytest.raises(ValueError, match=r"cookie") as raised:
        cookie_header(name, value, **options)  # type: ignore[arg-type]
    assert "evil" not in str(raised.value)
