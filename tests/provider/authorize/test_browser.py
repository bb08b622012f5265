"""The browser for tests keeps to the rules that the tests rest on."""

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse, html_response, see_other
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock

FORM = (
    '<p id="a">one <b>two</b></p><a id="next" href="/next?x=1">next</a><form method="post" action="/post">'
    '<input name="kept" value="&amp;1"><input type="checkbox" name="off" value="1"><br>'
    '<button id="go" name="action" value="yes">Go</button></form>'
)


class Recorder:
    """A site that remembers what it was asked and answers with one page."""

    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer
        self.asked: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request)
        return self.answer

    @property
    def cookies(self) -> str:
        return self.asked[-1].headers.get("cookie") or ""


def with_cookie(*lines: str) -> HttpResponse:
    return html_response(200, FORM, *(("set-cookie", line) for line in lines))


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("a=1; Secure; HttpOnly; SameSite=Lax", True),
        ("__Host-a=1; Secure; Path=/", True),
        ("__Host-a=1; Path=/", False),
        ("__Host-a=1; Secure; Path=/x", False),
        ("__Host-a=1; Secure; Path=/; Domain=op.example", False),
        ("a=1; SameSite=None", False),
        ("a=1; Max-Age=0", False),
    ],
)
async def test_which_cookies_are_kept(line: str, kept: bool) -> None:
    """RFC 6265bis §5.5."""
    site = Recorder(with_cookie(line))
    browser = Browser({"https://op.example": site})
    await browser.get("https://op.example/")
    assert bool(browser.cookies) is kept


async def test_when_cookies_are_sent() -> None:
    """Lax goes along with navigation and not with another site's POST; Strict with neither; None with both."""
    site = Recorder(
        with_cookie("l=1; SameSite=Lax; Secure", "s=1; SameSite=Strict; Secure", "n=1; SameSite=None; Secure")
    )
    browser = Browser({"https://op.example": site, "http://op.example": site, "https://sub.op.example": site})
    await browser.get("https://op.example/")
    await browser.get("https://op.example/")
    assert site.cookies == "l=1; s=1; n=1"
    await browser.get("https://op.example/", initiator="https://rp.example2")
    assert site.cookies == "l=1; n=1"
    await browser.post("https://op.example/", {}, initiator="https://rp.example2")
    assert site.cookies == "n=1"
    await browser.get("http://op.example/")
    assert site.cookies == ""
    await browser.get("https://sub.op.example/")
    assert site.cookies == ""


async def test_cookies_run_out_and_keep_to_their_path() -> None:
    """Max-Age on the given clock; path by segments."""
    clock = FrozenClock()
    site = Recorder(with_cookie("a=1; Path=/in; Max-Age=60"))
    browser = Browser({"https://op.example": site}, clock=clock)
    for path, expected in (("/in", ""), ("/in", "a=1"), ("/in/side", "a=1"), ("/inside", ""), ("/", "")):
        await browser.get(f"https://op.example{path}")
        assert site.cookies == expected
    site.answer = html_response(200, "")
    clock.advance(60)
    await browser.get("https://op.example/in")
    assert site.cookies == ""


async def test_a_form_is_sent_as_it_stands() -> None:
    """Its fields, the button, the origin unless the page hides it; not what is unchecked or not there."""
    site = Recorder(html_response(200, FORM))
    browser = Browser({"https://op.example": site})
    page = await browser.get("https://op.example/")
    assert page.texts["a"] == "one two"
    await browser.click("go")
    assert (site.asked[-1].method, site.asked[-1].path) == ("POST", "/post")
    assert site.asked[-1].body == b"kept=%261&action=yes"
    assert site.asked[-1].headers.get("origin") == "https://op.example"
    assert site.asked[-1].headers.get("sec-fetch-site") == "same-origin"
    with pytest.raises(LookupError):
        await browser.click("go", absent="1")
    with pytest.raises(LookupError):
        await browser.click("absent")
    site.answer = html_response(200, FORM, ("referrer-policy", "no-referrer"))
    await browser.click("next")
    assert site.asked[-1].query == "x=1"
    await browser.click("go")
    assert site.asked[-1].headers.get("origin") == "null"


async def test_redirects_are_followed_to_where_nobody_answers() -> None:
    """303 turns a POST into a GET; the journey is noted; an address nobody serves is its end; circles are an error."""
    answers = {
        "/a": see_other("/b"),
        "/b": see_other("https://rp.example/cb?code=1#f"),
        "/o": see_other("/o"),
    }
    asked: list[str] = []

    async def site(request: HttpRequest) -> HttpResponse:
        asked.append(request.method)
        return answers[request.path]

    browser = Browser({"https://op.example": site})
    page = await browser.post("https://op.example/a", {"x": "1"})
    assert asked == ["POST", "GET"]
    assert (page.status, page.response, page.params.one("code")) == (0, None, "1")
    assert page.visited == ("https://op.example/a", "https://op.example/b", "https://rp.example/cb?code=1")
    with pytest.raises(RuntimeError):
        await browser.get("https://op.example/o")
