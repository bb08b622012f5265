"""No regular expression takes longer than its text deserves, whatever the text."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

from authwright import protocol
from authwright.protocol.challenge import parse_challenge
from authwright.protocol.cookies import read_cookies
from authwright.protocol.http import Headers

SIZE = 100_000
LIMIT = 0.05

# Runs that a greedy pattern swallows, with an end it cannot take.
UNITS = (
    " ", "\t", ",", " ,", "=", "a", "a=", "a,", 'a="', '"', "\\", '\\"', "a b", "a.", ".", "-", "/", "%", "%4", "%41",
    "0", ":", "[", "::", ";", "a=b, ", 'a="b", ', "a=b; ", "~", "+", "\n", "é", "https://", "https://a.", "x:",
)  # fmt: skip
STARTS = (
    "", "a", 'a="', "a=", "https://", "http://127.0.0.1", "http://[::1]/", "https://a.b", "/", "%", "https://a/", "Bearer ",
)  # fmt: skip
ENDS = ("", "\0", "!", '"', "#", " ")


def compiled() -> Iterator[tuple[str, "re.Pattern[str] | re.Pattern[bytes]"]]:
    """Every compiled pattern of the room, by module and name."""
    for module in pkgutil.iter_modules(protocol.__path__, "authwright.protocol."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}:{name}", value


PATTERNS = dict(compiled())


def _inputs() -> Iterator[str]:
    for start in STARTS:
        for unit in UNITS:
            for end in ENDS:
                yield start + unit * (SIZE // len(unit)) + end


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_pattern_is_slow(name: str) -> None:
    """100 KB of anything is decided within 50 ms, by match and by fullmatch; a quadratic pattern takes minutes."""
    pattern = PATTERNS[name]
    # A tenth first: what is quadratic shows itself there before it can stop the run.
    for scale in (10, 1):
        for text in _inputs():
            cut = text[: SIZE // scale // 2] + text[-SIZE // scale // 2 :]
            subject = cut.encode() if isinstance(pattern.pattern, bytes) else cut
            for method in (pattern.fullmatch, pattern.match):
                spent = _spent(method, subject)
                if spent >= LIMIT:
                    # A busy machine may be slow once, a bad pattern is slow each time.
                    spent = min(_spent(method, subject) for _ in range(3))
                assert spent < LIMIT, f"{cut[:20]!r}… took {spent:.3f} s"


def _spent(method: object, subject: "str | bytes") -> float:
    assert callable(method)
    start = time.process_time()
    method(subject)
    return time.process_time() - start


@pytest.mark.parametrize("unit", ["a=b, ", 'a="b", ', "a=b;", '\\"', " ", ","])
def test_no_reader_that_loops_over_a_pattern_is_slow(unit: str) -> None:
    """A challenge and a Cookie field of 100 KB, read to their end."""
    text = unit * (SIZE // len(unit))
    headers = Headers([(b"cookie", text.encode())])
    assert min(_spent(parse_challenge, "Bearer " + text) for _ in range(3)) < 2 * LIMIT
    assert min(_spent(lambda _: read_cookies(headers), "") for _ in range(3)) < LIMIT


def test_the_check_finds_a_pattern_that_is_slow() -> None:
    """Two runs of blanks side by side are quadratic, and 2 000 characters are enough to see it grow."""
    slow = re.compile(r"\s*,?\s*x")
    once, twice = (min(_spent(slow.match, " " * length) for _ in range(3)) for length in (2_000, 8_000))
    assert twice > 6 * once


def test_the_check_reads_real_patterns() -> None:
    """An empty walk would pass as well."""
    assert {
        "authwright.protocol.challenge:_PARAMETER",
        "authwright.protocol.params:_LONE_PERCENT",
    } <= PATTERNS.keys()
