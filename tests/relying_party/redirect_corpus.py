"""Texts that somebody may hand us as "where the user wanted to go": three hundred ways to leave a site, or to try.

Written by hand from the classes of known bypasses. None of them may become a `Location`.
"""

from tests.relying_party.test_return_to import BAD

MORE = (
    # more slashes than two, in every mixture
    "/\\/\\evil.example", "\\/\\/evil.example", "//\\/evil.example", "/\\\\/evil.example", "\\\\\\evil.example",
    "/////evil.example", "/\\////evil.example", "///\\evil.example", "\\\\/\\evil.example", "//\\\\evil.example",
    "//evil.example\\@app.example", "//evil.example\\app.example", "/\\evil.example/%2e%2e", "\\/evil.example@app.example",
    "//evil.example/app.example", "//evil.example?app.example", "//evil.example#app.example", "//evil.example\\?x",
    "///evil.example@app.example/", "//////////////evil.example", "/\\/\\/\\/evil.example", "\\\t\\evil.example",
    # schemes with too few, too many or the wrong slashes
    "https:\\evil.example", "https:\\/evil.example", "https:/\\evil.example", "https:////evil.example",
    "https:\t//evil.example", "https://\\evil.example", "https:/\t/evil.example", "ht\ntps://evil.example",
    "h\tttp://evil.example", "http:\\\\evil.example", "http:/evil.example", "http:///evil.example", "http:evil.example",
    "HtTp:evil.example", "http:\\evil.example", "http:/\\/evil.example", "https:@evil.example", "https::@evil.example",
    "https:?evil.example", "https:#evil.example", "https:", "http:", "https:/", "https://", "http://", "://evil.example",
    ":/evil.example", ":evil.example", "//:80", "//:@/", "http//evil.example", "https//evil.example",
    # who the host is
    "https://app.example\\.evil.example", "https://app.example%2eevil.example", "https://app.example%00.evil.example",
    "https://app.example%0a.evil.example", "https://app.example\n.evil.example", "https://app.example#@evil.example/",
    "https://app.example?@evil.example/", "https://app.example;@evil.example/", "https://app.example&@evil.example/",
    "https://app.example%2f@evil.example", "https://app.example%5c@evil.example", "https://app.example\\@evil.example",
    "https://app.example:pass@evil.example", "https://@evil.example", "https://:@evil.example", "https://a:b@evil.example",
    "//a:b@evil.example", "//@evil.example", "//app.example@@evil.example", "//app.example%40evil.example",
    "//evil.example:443", "//evil.example:80/", "//evil.example:", "//evil.example.", "//EVIL.EXAMPLE",
    "//%65vil.example", "//xn--vil-9na.example", "//\u00ebvil.example", "//e\u200bvil.example", "//evil\u3002example/x",
    "//evil\uff0eexample", "//\u2488.example", "//app\u2024example", "//[::1]", "//[::ffff:127.0.0.1]/", "//127.0.0.1",
    "//2130706433", "//0x7f000001", "//0177.0.0.1", "//127.1", "//0", "//localhost", "//169.254.169.254/latest/meta-data",
    "//[evil.example", "//evil.example]", "//a@b@evil.example", "https://[::1]:80/", "https://evil.example:99999/",
    # what browsers strip, in other places
    "/\t\\evil.example", "/\n\\evil.example", "/\r\n/evil.example", "\t/\t/evil.example", "\r\n//evil.example", "\n\n/x",
    "/\t\t/evil.example", "\x00//evil.example", "\x1f//evil.example", "\x0c//evil.example", "\x0b//evil.example",
    "/x\t", "/x\n", "/x\r", "/x ", " /x", "\t/x", "/\x08/evil.example", "/x\x00.html", "\u2028//evil.example",
    "\u200b//evil.example", "\u180e//evil.example", "\u0085//evil.example", "/\u0085/evil.example", "/\u00ad/evil.example",
    # header injection
    "/%0d%0aLocation:%20//evil.example", "/%0aSet-Cookie:a=b", "/x%0d%0a%0d%0a<script>", "/\u560a\u560dLocation://evil",
    "/x%E5%98%8A%E5%98%8DLocation:evil\r", "/x\u010a", "/x\u010d\u010aSet-Cookie:a=b", "/x%0Dy", "/x\r\n\r\n<html>",
    # percent-encoding of what matters
    "/%2f%2fevil.example", "/%2F%2Fevil.example", "/%5c%2fevil.example", "/%2f%5cevil.example", "%2f/evil.example",
    "/%2e%2e//evil.example", "/%2e//evil.example", "/x/%2e%2e//evil.example", "/%2E%2E/%2E%2E/evil", "/%c0%2f/evil\\",
    "/..%2f..%2fevil", "/..%5c..%5cevil", "/%5c.evil.example", "/%5C%5C%5Cevil.example", "%68ttps://evil.example",
    "https%3a//evil.example", "https%3A%2F%2Fevil.example", "%2F%09%2Fevil.example", "/%0b/evil.example", "/%1b/evil",
    # dot segments
    "/.", "/..", "/./", "/../", "/a/./b", "/a/../b", "/a/..", "/a/.", "/../../../evil", "/..//", "/.//", "/a/..//evil.example",
    "/a/b/../..//evil.example", "/..\\..\\evil", "/%2e%2E/", "/a/%2e./b", "/.%2E", "./..//evil.example", "..//evil.example",
    # things to run, to read or to open
    "javascript:alert(document.domain)", "\tjavascript:alert(1)", "java\tscript:alert(1)", "javascript\t:alert(1)",
    "javascript&colon;alert(1)", "javascript:%0aalert(1)", "/javascript:alert(1)\\", "data:text/html;base64,PHNjcmlwdD4=",
    "data:,x", "filesystem:https://app.example/x", "jar:https://evil.example!/", "ms-word:ofe|u|https://evil.example",
    "tel:+1", "sms:1", "itms-services://?x", "chrome://settings", "resource://x", "moz-extension://x", "wss://evil.example",
    "gopher://evil.example", "ldap://evil.example", "\\\\evil.example\\share", "file://evil.example/share", "urn:x", "x:y",
    # not paths of ours at all
    "null", "undefined", "true", "0", "[]", "{}", "*", "-", "_", "~", "!", "$", "&", "'", "(", "+", ",", ";", "=", "%", "evil",
    "evil.example/", "app.example", "orders", "orders?x=y", "?", "??", "#", "##", "#//evil.example", "?//evil.example",
)  # fmt: skip

CORPUS = tuple(dict.fromkeys((*BAD, *MORE)))
