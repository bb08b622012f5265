"""Scope lists: space-delimited, ordered here as they came, without repeats (RFC 6749 §3.3)."""

import re
from collections.abc import Iterable

from authwright.protocol.errors import InvalidScope

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"

MAX_SCOPES = 100

# RFC 6749 Appendix A.4: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ), separated by single spaces.
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


def parse_scope(text: str) -> tuple[str, ...]:
    """The scope tokens of `text`, first appearance first. Raises InvalidScope for anything off the grammar."""
    if not _SCOPE.fullmatch(text):
        raise InvalidScope("The 'scope' parameter is malformed.")
    scopes = tuple(dict.fromkeys(text.split(" ")))
    if len(scopes) > MAX_SCOPES:
        raise InvalidScope("The 'scope' parameter has too many values.", detail="dos.limit")
    return scopes


def format_scope(scopes: Iterable[str]) -> str:
    """As the value of a `scope` parameter or member."""
    return " ".join(scopes)
