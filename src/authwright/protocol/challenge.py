"""WWW-Authenticate: what a refused caller is told to come back with (RFC 9110 §11.6.1, RFC 6750 §3)."""

import re
from collections.abc import Mapping

# The separator is taken whole, so that a long run of blanks is read once and not once from each of its characters.
_PARAMETER = re.compile(r'[\s,]*+([A-Za-z0-9!#$%&\'*+\-.^_`|~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def build_challenge(scheme: str, parameters: Mapping[str, str]) -> str:
    """`scheme` with its parameters, each quoted; empty ones are left out. Values must be free of control characters."""
    written = ", ".join(f'{name}="{_quoted(value)}"' for name, value in parameters.items() if value)
    return f"{scheme} {written}" if written else scheme


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """The scheme, in lower case, and the parameters of one challenge; what does not parse is left out."""
    scheme, _, rest = header.strip().partition(" ")
    parameters: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(rest, position):
        quoted, plain = match[2], match[3]
        parameters.setdefault(match[1].lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    return scheme.lower(), parameters
