"""Redirect URIs are compared byte for byte (RFC 9700 §2.1, RFC 8252 §7.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authwright.protocol.errors import InvalidRedirectUri
from authwright.protocol.redirect_uri import (
    MAX_REDIRECT_URI,
    check_registrable,
    is_loopback_host,
    is_registered,
)

REGISTERED = ("https://good.example/cb", "https://good.example/cb?tenant=1", "http://127.0.0.1/cb")

NASTY = (
    # User names, and what one parser takes for one.
    "https://good.example@evil.example/cb", "https://good.example:80@evil.example/cb", "https://a:b@good.example/cb",
    "https://@good.example/cb", "https://good.example\\@evil.example/cb", "https://good.example%40evil.example/cb",
    "https://good.example%2F@evil.example/cb", "http://localhost:80@evil.example/cb", "http://127.0.0.1@evil.example",
    # Nothing before the host, or nothing after it.
    "//evil.example/cb", "///evil.example/cb", "/cb", "cb", "", "https:", "https:/", "https://", "https:///cb",
    "https:evil.example", "https:/evil.example/cb", "http:evil.example", "https://:443/cb", "https://?x", "://x", ":",
    # Blanks and control characters, sent as they are.
    "/\t/evil.example", " https://good.example/cb", "https://good.example/cb ", "https://good.example /cb",
    "https://good.example/c b", "https://good.example/\tcb", "https://good.example/cb\r\nSet-Cookie: a=b",
    "https://good.example/cb\n", "https://good.example/cb\x00", "https://good.example/\x7f", "\x01https://good.example",
    "https://go\x00od.example/cb", "https://good.example\t.evil.example",
    # Slashes of the other kind.
    "https:\\\\good.example\\cb", "https://good.example\\cb", "https:/\\evil.example", "\\\\evil.example",
    # Other alphabets, and dots that are none.
    "https://gооd.example/cb", "https://good。evil.example", "https://good．example/cb", "https://gööd.example/cb",
    "https://good.example/é", "https://ⓖood.example", "https://good.example\u202e/cb", "https://good.example/\ufeff",
    # Active schemes, in every dress.
    "javascript:alert(1)", "JavaScript:alert(1)", "javascript://good.example/%0aalert(1)", "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)",
    "file:///etc/passwd", "blob:https://good.example/1", "about:blank", "view-source:https://good.example",
    "ws://good.example/cb", "wss://good.example/cb", "ftp://good.example/cb", "mailto:a@evil.example",
    # http beyond loopback, and loopback look-alikes.
    "http://good.example/cb", "http://127.0.0.1.evil.example/cb", "http://localhost.evil.example/cb",
    "http://127.0.0.2/cb", "http://127.1/cb", "http://2130706433/cb", "http://0x7f000001/cb", "http://0177.0.0.1/cb",
    "http://[::ffff:127.0.0.1]/cb", "http://[::]/cb", "http://0.0.0.0/cb", "http://localhost./cb", "http://[::1",
    # Hosts that are none, ports that are none.
    "https://good..example/cb", "https://.good.example/cb", "https://good.example./cb", "https://./cb", "https://*/cb",
    "https://*.good.example/cb", "https://good.example:/cb", "https://good.example:x/cb", "https://good.example:0/cb",
    "https://good.example:65536/cb", "https://good.example:443:443/cb", "https://good%2eexample/cb", "https://~/cb",
    "https://[fe80::1%25eth0]/cb", "https://good.example;evil.example/cb", "https://good.example,evil.example/cb",
    # Fragments, broken escapes, characters no URI has, spellings that others fold.
    "https://good.example/cb#", "https://good.example/cb#x", "https://good.example#@evil.example/",
    "https://good.example/cb%", "https://good.example/cb%2", "https://good.example/cb%zz", "https://good.example/<b>",
    'https://good.example/"onload=x', "https://good.example/{a}", "https://good.example/a|b", "https://good.example/`",
    "HTTPS://good.example/cb", "https://GOOD.example/cb", "hTTps://good.example/cb",
    # Private schemes that belong to nobody, and text that is too long.
    "myapp:/cb", "myapp://cb", "1com.example:/cb", "com.example.app://good@evil.example/cb", "urn:ietf:wg:oauth:2.0:oob",
    "https://good.example/" + "a" * MAX_REDIRECT_URI,
)  # fmt: skip


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("uri", NASTY)
def test_sec_A2_a_nasty_uri_is_neither_registered_nor_registrable(uri: str, native: bool) -> None:
    """Row A2: invalid_redirect_uri at registration; at the authorization endpoint it is not the registered one."""
    with pytest.raises(InvalidRedirectUri) as raised:
        check_registrable(uri, native=native)
    assert raised.value.code == "invalid_redirect_uri"
    assert raised.value.http_status == 400
    assert not is_registered(uri, REGISTERED, native=native)


def test_sec_A2_the_corpus_is_no_smaller_than_promised() -> None:
    """Row A2: at least 60 payloads, each another one."""
    assert len(set(NASTY)) == len(NASTY) >= 60


@pytest.mark.parametrize(
    "uri",
    [
        "https://good.example",
        "https://good.example/",
        "https://good.example?x=1",
        "https://good.example/cb?x=1&y=%2F",
        "https://good.example:8443/cb",
        "https://xn--gd-fkaa.example/cb",
        "https://[2001:db8::1]:8443/cb",
        "https://my_host.internal/cb",
        "http://localhost:3000/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:9/cb",
        "https://good.example/a;b=c,d/@me/~x!$'()*+",
    ],
)
def test_an_ordinary_uri_is_registrable_and_stays_as_it_is(uri: str) -> None:
    """A check that refuses everything would be no check."""
    assert check_registrable(uri) == uri
    assert is_registered(uri, (uri,))


def test_a_private_scheme_is_for_native_clients_and_a_domain_name_reversed() -> None:
    """RFC 8252 §7.1."""
    assert check_registrable("com.example.app:/cb", native=True) == "com.example.app:/cb"
    with pytest.raises(InvalidRedirectUri):
        check_registrable("com.example.app:/cb")


@pytest.mark.parametrize(
    "uri",
    [
        "https://good.example/cb/",
        "https://good.example/CB",
        "https://good.example/%63b",
        "https://good.example/cb?",
        "https://good.example/cb?x",
        "https://good.example/cb?tenant=2",
        "https://good.example/cb?tenant=1&x=1",
        "https://good.example:443/cb",
        "https://good.example/./cb",
        "https://good.example/x/../cb",
        "https://good.example//cb",
        "https://good.example",
        "https://good.example/c",
        "http://good.example/cb",
        "https://good.example/cb&",
    ],
)
def test_sec_A2_one_character_off_is_another_uri(uri: str) -> None:
    """Row A2: byte-exact comparison; no parser sits on the way to the decision."""
    assert not is_registered(uri, REGISTERED)
    assert not is_registered(uri, REGISTERED, native=True)


@given(st.text(max_size=30), st.text(max_size=30))
def test_for_a_web_client_registered_means_equal(presented: str, known: str) -> None:
    """RFC 9700 §2.1: exact string matching."""
    assert is_registered(presented, [known]) == (presented == known)
    assert is_registered(known, [presented, known])


@given(st.integers(0, 99999), st.sampled_from(["127.0.0.1", "[::1]"]))
def test_sec_A3_a_native_app_may_listen_on_any_loopback_port(port: int, host: str) -> None:
    """Row A3, RFC 8252 §7.3: whichever port was registered, or none."""
    presented = f"http://{host}:{port}/cb?x=1"
    for registered in (f"http://{host}/cb?x=1", f"http://{host}:4711/cb?x=1"):
        assert is_registered(presented, [registered], native=True)
        assert is_registered(f"http://{host}/cb?x=1", [registered], native=True)
        assert not is_registered(presented, [registered]) or presented == registered


@pytest.mark.parametrize(
    "presented",
    [
        "http://127.0.0.1:8080/other",
        "http://127.0.0.1:8080/cb/",
        "http://127.0.0.1:8080/cb?x=1",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:8080/cb#x",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:123456/cb",
        "http://127.0.0.1:8080.evil.example/cb",
        "http://127.0.0.1.evil.example:8080/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:٨٠/cb",
        "http://[::1]:8080/cb",
        "http://localhost:8080/cb",
        "https://127.0.0.1:8080/cb",
        "HTTP://127.0.0.1:8080/cb",
        "http://127.0.0.2:8080/cb",
    ],
)
def test_sec_A3_nothing_but_the_port_may_differ(presented: str) -> None:
    """Row A3: path and query are exact, and one loopback address does not stand for the other."""
    assert not is_registered(presented, ["http://127.0.0.1/cb"], native=True)


def test_sec_A3_only_loopback_literals_lose_their_port() -> None:
    """Row A3: neither localhost (RFC 8252 §8.3), nor https, nor a host that only starts like one."""
    for host in (
        "http://localhost",
        "https://good.example",
        "http://localhost.evil.example",
        "https://127.0.0.1",
    ):
        assert not is_registered(f"{host}:8080/cb", [f"{host}:4711/cb"], native=True)
        assert not is_registered(f"{host}:8080/cb", [f"{host}/cb"], native=True)


@pytest.mark.parametrize(
    ("authority", "loopback"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("127.0.0.1:80", True),
        ("[::1]", True),
        ("[::1]:80", True),
        ("::1", False),
        ("localhost.evil.example", False),
        ("localhost:80:90", False),
        ("127.0.0.1.evil.example:80", False),
        ("user@localhost", False),
        ("", False),
    ],
)
def test_a_loopback_host_is_one_of_three(authority: str, loopback: bool) -> None:
    """RFC 8252 §7.3, §8.3."""
    assert is_loopback_host(authority) is loopback
