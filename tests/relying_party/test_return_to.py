"""sec_P4: where a browser is sent after signing in, judged by a URL parser of another make."""

import pytest

from authwright.protocol.http import Headers, HttpRequest
from authwright.relying_party.client import Paths, Site
from authwright.relying_party.return_to import local_path
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    Clock,
    HostileProvider,
    location,
    relying_party,
    sign_in,
)

SITE = Site(BASE, Paths())

GOOD = (
    "/", "/orders", "/orders/", "/orders?page=2", "/orders?next=https://other.example/x", "/orders?next=%2F%2Fx",
    "/orders#top", "/@alice", "/a@b.example", "/a:b", "/a;b=c", "/a.b/..c/.d", "/~alice", "/%C3%A9t%C3%A9",
    "/a%20b", "/a,b!$&'()*+=", "/x?y=//evil.example", "/x?a=b&c=d", "/x#//evil.example", "/100%25",
    "/authors", "/auth-x", "/.well-known/x", "/x?{y}=|^`",
)  # fmt: skip

# Written by hand from the classes of known bypasses: each either leaves the origin in some parser, or is spelled so
# that two parsers may disagree on it.
BAD = (
    # absolute, with and without a scheme
    "https://evil.example", "http://evil.example/", "HTTPS://evil.example", "https:evil.example", "https:/evil.example",
    "http:evil", "https:///evil.example", "https:\\\\evil.example", "//evil.example", "///evil.example",
    "////evil.example", "//evil.example/%2f..", "//evil.example/..", "//app.example@evil.example", "//app.example:x@evil",
    "https://app.example@evil.example/", "https://app.example.evil.example/", "https://app.example", "app.example/x",
    "https://app.example:443@evil.example", "evil.example", "www.evil.example/", "?x=y", "#x", "x", "./x", "../x", "..",
    ".", "@evil.example", ":80", ":@evil.example/", "/\\evil.example", "\\/evil.example", "\\\\evil.example", "\\evil",
    "/\\/evil.example", "/\\\\evil.example", "/x\\y", "//\\evil.example", "\\\\/evil.example", "/a\\..\\b",
    # control characters and white space that the URL standard drops or trims
    "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "//evil.example ",
    " https://evil.example", "\nhttps://evil.example", "java\nscript:alert(1)", "/\x00/evil.example", "/\x0b/evil",
    "/\x1f/evil.example", "/ /evil.example", "/x y", "/x\r\nset-cookie: a=b", "/x\nlocation: //evil", "/\x7f/evil",
    "\x00/x", "\x01//evil.example", "\u00a0//evil.example", "/\u2028/evil", "\u3000//evil.example", "\ufeff//evil.example",
    # the same, percent-encoded, for what decodes once more behind us
    "/%09/evil.example", "/%0a/evil.example", "/%0d/evil.example", "/%0D%0Aset-cookie:a=b", "/%00/evil.example",
    "/%2f/evil.example", "/%2F/evil.example", "/%2fevil.example", "/%5cevil.example", "/%5C/evil.example",
    "/%5c%5cevil.example", "/x%2f..%2fevil", "/x%2F%2Fevil", "/%1f/evil", "/%7f/evil", "/x/%0a", "%2f%2fevil.example",
    "%5c%5cevil.example", "/%2e%2e%2fevil", "%09//evil.example", "%20//evil.example",
    # dot segments, which a parser removes: what is left may begin with two slashes
    "/.//evil.example", "/..//evil.example", "/a/..//evil.example", "/../evil", "/./evil", "/x/..", "/x/.", "/x/../y",
    "/%2e/evil", "/%2e%2e/evil", "/.%2e/evil", "/%2E./evil", "/x//y", "/x///evil.example", "/x/;/..//evil",
    # schemes that run or read
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://app.example/%0aalert(1)", "data:text/html,x", "vbscript:x",
    "file:///etc/passwd", "blob:https://app.example/x", "about:blank", "view-source:x", "ftp://evil.example",
    "ws://evil.example", "mailto:x@evil.example", "intent://evil#Intent;end", "feed:https://evil.example",
    # look-alikes of "/" and "." and letters beyond ASCII
    "\uff0f\uff0fevil.example", "/\uff0fevil.example", "/\u2044evil", "/\u2215evil", "\u3002evil", "/\uff3cevil.example",
    "//evil\u3002example", "//\u24d4vil.example", "/\u00e9", "/\u202eelpmaxe", "/\ud83d\ude00",
    # broken escapes, quotes and angle brackets
    "/%", "/%2", "/%zz", "/x?%", "/%u002f", '/"onload=x', "/<script>", "/x>y", "/x?a=<b>",
    # our own endpoints: signing in for ever
    "/auth", "/auth/login", "/auth/login?return_to=/auth/login", "/auth/logout", "/auth/callback?code=x", "/auth?x",
    "/auth#x", "/auth/logout/callback",
    # too long, empty
    "/" + "x" * 1024, "/" * 1025, "",
)  # fmt: skip


PIECES = ("/", "\\", ".", "..", "@", ":", "evil.example", "%2f", "%5c", "\t", "%09", "?", "#", "https:", " ")


def whatwg_origin(base: str, reference: str) -> str:
    """Where a browser goes: the parser of the URL standard, written from its state machine, for special schemes."""
    text = reference.strip("".join(map(chr, range(0x21))))
    text = "".join(character for character in text if character not in "\t\n\r")
    scheme, rest = base.split("://")
    head = text.split(":", 1)[0]
    if ":" in text and head[:1].isalpha() and all(c.isalnum() or c in "+-." for c in head) and head.isascii():
        if head.lower() not in ("http", "https"):
            return head.lower() + ":"
        after = text[len(head) + 1 :]
        # "special relative or authority": the base's own scheme without two slashes is a relative reference.
        if head.lower() == scheme and after[:2].replace("\\", "/") != "//":
            text = after
        else:
            scheme, text = head.lower(), "//" + after.lstrip("/\\")
    if len(text) >= 2 and text[0] in "/\\" and text[1] in "/\\":
        authority = text.lstrip("/\\")
        for end in "/\\?#":
            authority = authority.split(end, 1)[0]
        return f"{scheme}://{authority.rpartition('@')[2].lower()}"
    return f"{scheme}://{rest}"


@pytest.mark.parametrize("text", GOOD)
def test_sec_P4_a_path_of_ours_is_kept(text: str) -> None:
    """P4: same-origin paths, with query and fragment, come through unchanged."""
    assert SITE.return_to(text) == text
    assert whatwg_origin(BASE, text) == BASE


@pytest.mark.parametrize("text", BAD)
def test_sec_P4_anything_else_becomes_the_front_page(text: str) -> None:
    """P4: only a same-origin path after WHATWG-style parse and byte rules; else "/"."""
    assert SITE.return_to(text) == "/"


def test_sec_P4_the_corpus_is_worth_its_name() -> None:
    """P4: over a hundred payloads, and the other parser agrees that many of them leave the site."""
    assert len(BAD) > 100
    assert len(set(BAD)) == len(BAD)
    assert sum(whatwg_origin(BASE, text) != BASE for text in BAD) > 40


def test_sec_P4_what_is_kept_never_leaves_the_origin_whatever_is_put_together() -> None:
    """P4: every text of four pieces of the usual bypasses, judged by the other parser."""
    pieces = (
        "/",
        "\\",
        ".",
        "..",
        "@",
        ":",
        "evil.example",
        "%2f",
        "%5c",
        "\t",
        "%09",
        "?",
        "#",
        "https:",
        " ",
    )
    kept = 0
    for a in pieces:
        for b in pieces:
            for c in pieces:
                for d in pieces:
                    text = a + b + c + d
                    if local_path(text) is not None:
                        kept += 1
                        assert whatwg_origin(BASE, text) == BASE, text
    assert kept > 100


@pytest.mark.parametrize(
    "text", ["//evil.example", "/\\evil.example", "/auth/login", "https://evil.example/"]
)
async def test_sec_P4_the_location_after_a_sign_in_is_absolute_and_ours(text: str) -> None:
    """P4: 0 foreign `Location`, by login, by challenge and by sign-out."""
    provider = HostileProvider(Clock())
    browser = Browser(relying_party(provider))
    from urllib.parse import quote

    done = await sign_in(provider, browser, f"/auth/login?return_to={quote(text, safe='')}")
    assert location(done) == BASE + "/"
    response = await browser.party.challenge(browser.request("GET", "/x"), text)
    browser.keep(response)
    assert location(await browser.get(provider.authorize(location(response)))) == BASE + "/"
    del provider.metadata["end_session_endpoint"]
    browser = Browser(relying_party(provider))
    request = HttpRequest("POST", "/auth/logout", "", Headers(), b"")
    signed_out = await browser.party.sign_out(request, return_to=text)
    assert location(signed_out) == BASE + "/"
