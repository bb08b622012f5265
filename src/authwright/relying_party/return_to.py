"""Where a browser goes after sign-in or sign-out: a path of our own origin, decided by its bytes.

No URL parser decides here. The WHATWG URL standard lets browsers drop tabs, read "\\" as "/" and resolve dot
segments; a text that has none of what they would reinterpret means the same to all of them.
"""

import re

MAX_RETURN_TO = 1024

# Printable ASCII without space, double quote, angle brackets and "\".
_LOCAL = re.compile(r"/[!#-;=?-\[\]-~]*", re.ASCII)
# A separator, a dot or a control character, percent-encoded: browsers read "%2e" as ".", decoders behind us all of them.
_ENCODED = re.compile(r"%(?:2[fFeE]|5[cC]|[01][0-9a-fA-F]|7[fF])")
_ESCAPES = re.compile(r"%[0-9A-Fa-f]{2}")


def local_path(text: str | None) -> str | None:
    """`text` when it is a path of our own origin, with its query and fragment; None otherwise."""
    if not text or len(text) > MAX_RETURN_TO or not _LOCAL.fullmatch(text):
        return None
    if text.count("%") != len(_ESCAPES.findall(text)):
        return None
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    if "//" in path or _ENCODED.search(path):
        return None
    if any(segment in (".", "..") for segment in path.split("/")):
        return None
    return text


def safe_return_to(text: str | None, *, home: str, prefix: str) -> str:
    """`text` when it is a local path outside our own endpoints (below `prefix`), else `home`."""
    path = local_path(text)
    if path is None:
        return home
    # Coming back to the login endpoint would sign in for ever.
    if path == prefix or path.startswith((prefix + "/", prefix + "?", prefix + "#")):
        return home
    return path
