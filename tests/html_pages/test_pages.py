"""The default pages as text: their ids, their policy, what they escape, and how they are changed."""

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from authwright.html_pages.pages import HtmlPages
from authwright.protocol.http import HttpResponse
from authwright.provider.pages import (
    MAX_DISPLAY_NAME,
    display_name,
    form_source,
    form_targets,
    redirect_host,
    shown,
    with_page_headers,
)
from authwright.records import Client
from tests.html_pages.sample_pages import CONSENT, ERROR, FORM_POST, LOGIN, SAMPLES


def text_of(response: HttpResponse) -> str:
    return response.body.decode()


def source_of(block: str, page: str) -> str:
    """The CSP hash of what stands between the tags of `block`."""
    content = page.partition(f"<{block}>")[2].partition(f"</{block}>")[0]
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


@pytest.mark.parametrize("name", SAMPLES)
async def test_every_page_has_its_policy_and_its_landmarks(name: str) -> None:
    """A strict policy that allows the page's own style by hash; a language, a title, one main, one heading."""
    response = await SAMPLES[name](HtmlPages(name="auth.example"))
    page = text_of(response)
    policy = dict(
        rule.split(" ", 1) for rule in (response.headers.get("content-security-policy") or "").split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == source_of("style", page)
    assert ("script-src" in policy) == ("<script>" in page) == (name == "form post")
    assert "auth.example" in page
    assert '<html lang="en">' in page
    assert page.count("<main") == page.count("<h1") == page.count("<title>") == 1
    assert "http://" not in page
    assert "javascript:" not in page


async def test_the_ids_that_others_rely_on() -> None:
    """The fields, buttons and elements of the contract."""
    pages = HtmlPages()
    expected = {
        "login": ('name="username"', 'name="password"', 'id="login-submit"', 'id="login-cancel"'),
        "account choice": ('id="login-continue"',),
        "consent": ('id="consent-allow"', 'id="consent-deny"'),
        "sign out": ('id="logout-confirm"',),
        "error": ('id="error-code"', 'id="error-description"'),
    }
    for name, marks in expected.items():
        page = text_of(await SAMPLES[name](pages))
        for mark in marks:
            assert page.count(mark) == 1


async def test_everything_that_is_shown_is_escaped() -> None:
    """Markup in a name, an account, a scope or a description is text."""
    nasty = "<img src=x onerror=alert(1)>\"'&"
    pages = HtmlPages()
    for page in (
        await pages.login(
            replace(
                LOGIN, client_name=nasty, username=nasty, problem=nasty, account=nasty, redirect_host=nasty
            )
        ),
        await pages.consent(
            replace(CONSENT, client_name=nasty, account=nasty, scopes=(nasty,), resources=(nasty,))
        ),
        await pages.error(replace(ERROR, description=nasty, error=nasty)),
        await pages.form_post(replace(FORM_POST, client_name=nasty, fields=(("state", nasty),))),
    ):
        assert "<img" not in text_of(page)
        assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;" in text_of(page)


async def test_the_form_post_script_is_allowed_by_its_hash() -> None:
    """OAuth 2.0 Form Post Response Mode: the page's own policy must not block it."""
    response = await HtmlPages().form_post(FORM_POST)
    policy = response.headers.get("content-security-policy") or ""
    assert f"script-src {source_of('script', text_of(response))};" in policy


async def test_scopes_are_told_in_plain_words() -> None:
    """Standard ones by text, further ones by the operator's text, unknown ones by name; all of them."""
    page = text_of(await HtmlPages(scope_texts={"albums.read": "Look at your albums"}).consent(CONSENT))
    for said in (
        "Confirm who you are",
        "See your profile",
        "Keep this access while you are away",
        "Look at your albums",
    ):
        assert said in page
    page = text_of(await HtmlPages().consent(CONSENT))
    assert "<code>albums.read</code>" in page
    assert "https://api.example" in page


async def test_a_template_can_be_replaced(tmp_path: Path) -> None:
    """One file in a directory of one's own; the others stay."""
    (tmp_path / "signed_out.html").write_text("<p>Bye from {{ service }}</p>")
    pages = HtmlPages(name="Acme", templates=[tmp_path])
    assert text_of(await SAMPLES["signed out"](pages)) == "<p>Bye from Acme</p>"
    assert "<h1>" in text_of(await SAMPLES["error"](pages))


async def test_a_limited_login_says_when_to_try_again() -> None:
    """429 and Retry-After."""
    response = await HtmlPages().login(replace(LOGIN, status=429, retry_after=30, problem="Wait."))
    assert (response.status, response.headers.get("retry-after")) == (429, "30")


def test_pages_of_ones_own_get_the_headers_they_lack() -> None:
    """What a replaced page forgot is added; what it has is kept."""
    bare = with_page_headers(HttpResponse(200))
    assert bare.headers.get("x-frame-options") == "DENY"
    assert "frame-ancestors 'none'" in (bare.headers.get("content-security-policy") or "")
    assert bare.headers.get("cache-control") == "no-store"
    own = HttpResponse(200).with_headers(
        ("content-security-policy", "default-src 'self'; frame-ancestors 'none'")
    )
    kept = with_page_headers(own)
    assert kept.headers.many("content-security-policy") == ("default-src 'self'; frame-ancestors 'none'",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Photos", "Photos"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("a\u200bb\u2066c\u2069", "abc"),
        ("two\r\nlines\u2028here", "two lines here"),
        ("  much   space  ", "much space"),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 60, "x" * 60),
        ("\u202e", "client-1"),
        ("", "client-1"),
        ("Ünïcödé 写真", "Ünïcödé 写真"),
    ],
)
def test_sec_G2_a_client_name_is_shown_without_tricks(name: str, expected: str) -> None:
    """G2: bidi stripped, one line, at most 60 characters."""
    assert display_name(Client(client_id="client-1", client_name=name)) == expected
    assert len(shown(name)) <= MAX_DISPLAY_NAME


@pytest.mark.parametrize(
    ("uri", "source", "host"),
    [
        ("https://app.example/cb?x=1", "https://app.example", "app.example"),
        ("https://app.example", "https://app.example", "app.example"),
        ("https://app.example:8443/cb", "https://app.example:8443", "app.example:8443"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004", "127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:", "[::1]:51004"),
        ("com.example.app:/cb", "com.example.app:", "com.example.app:"),
        ("https://a.example;script-src *//cb", "https:", "a.example;script-src *"),
        ("nonsense", "'none'", ":"),
    ],
)
def test_the_policy_lets_the_answer_go_to_the_client_only(uri: str, source: str, host: str) -> None:
    """CSP Level 3 §2.4: form-action has the client's origin, and nothing can be smuggled into it."""
    assert form_source(uri) == source
    assert redirect_host(uri) == host


def test_a_client_may_forward_to_its_other_registered_origins() -> None:
    """Each registered origin once, the one in use first; a source that is a whole scheme only when it is in use."""
    many = Client(
        client_id="c",
        redirect_uris=(
            "https://api.example/cb",
            "https://api.example/other",
            "http://[::1]/cb",
            "com.example.app:/cb",
        ),
        post_logout_redirect_uris=("https://www.example/bye",),
        client_uri="https://about.example/",
    )
    assert form_targets(many, "https://api.example/other") == (
        "https://api.example",
        "https://www.example",
        "https://about.example",
    )
    assert form_targets(many, "com.example.app:/cb")[0] == "com.example.app:"
