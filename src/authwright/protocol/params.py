"""Request parameters: parsed once, strictly, from a query string or a form body (RFC 6749 §3.1, §3.2, Appendix B).

Refused: invalid percent-encoding, invalid UTF-8, NUL, too many or too long parameters. A parameter without a value
is treated as absent. Duplicates are kept so that they can be refused instead of silently won by one of them.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote_plus, unquote_to_bytes

from authwright.protocol.errors import InvalidRequest, PayloadTooLarge

MAX_BODY = 64 * 1024
MAX_PARAMETERS = 64
MAX_NAME = 64
MAX_VALUE = 8 * 1024

REPEATABLE = frozenset({"resource", "audience"})
"""RFC 8707 §2 and RFC 8693 §2.1 let these two occur more than once; nothing else may."""

_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")


class Params:
    """Parameters by name, each with every value it was given, in order."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, tuple[str, ...]]) -> None:
        self._values = values

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> "Params":
        """From decoded pairs; empty values are dropped."""
        values: dict[str, tuple[str, ...]] = {}
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs:
            if value:
                values[name] = (*values.get(name, ()), value)
        return cls(values)

    def one(self, name: str) -> str | None:
        """The value of `name`, or None when it is absent. Raises InvalidRequest when it was given more than once."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise _repeated(name)
        return values[0]

    def require(self, name: str) -> str:
        """The value of `name`. Raises InvalidRequest when it is absent or was given more than once."""
        value = self.one(name)
        if value is None:
            raise InvalidRequest(f"The mandatory '{name}' parameter is missing.")
        return value

    def many(self, name: str) -> tuple[str, ...]:
        """Every value of `name`, in order."""
        return self._values.get(name, ())

    def names(self) -> tuple[str, ...]:
        """The names of all parameters that have a value, in order of first appearance."""
        return tuple(self._values)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every name with every value."""
        return tuple((name, value) for name, values in self._values.items() for value in values)

    def refuse_repeated(self, repeatable: frozenset[str] = REPEATABLE) -> None:
        """Raise InvalidRequest when any parameter but `repeatable` was given more than once."""
        # RFC 6749 §3.1, §3.2: parameters must not be included more than once, known to us or not.
        for name, values in self._values.items():
            if len(values) > 1 and name not in repeatable:
                raise _repeated(name)

    def encoded(self) -> str:
        """As application/x-www-form-urlencoded text."""
        return encode(self.pairs())

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        # Values may be codes, tokens and passwords, so only the names are shown.
        return f"Params({', '.join(self._values)})"


NO_PARAMS = Params({})


def _repeated(name: str) -> InvalidRequest:
    # The name is only ever echoed when it is a plain token, never the value.
    shown = name if name.replace("_", "").isalnum() and name.isascii() else "?"
    return InvalidRequest(
        f"The '{shown}' parameter must not be given more than once.", detail="req.duplicate_param"
    )


def parse_params(encoded: bytes) -> Params:
    """Parse application/x-www-form-urlencoded text. Raises InvalidRequest for anything malformed or out of bounds."""
    if not encoded:
        return NO_PARAMS
    if len(encoded) > MAX_BODY:
        raise PayloadTooLarge("The request is too large.", detail="dos.limit")
    text = _text(encoded)
    fields = text.split("&", MAX_PARAMETERS)
    if len(fields) > MAX_PARAMETERS:
        raise InvalidRequest("The request has too many parameters.", detail="dos.limit")
    values: dict[str, tuple[str, ...]] = {}
    for field in fields:
        name, _, value = field.partition("=")
        if "%" in field or "+" in field:
            name, value = _unescaped(name), _unescaped(value)
        if len(name) > MAX_NAME or len(value) > MAX_VALUE:
            raise InvalidRequest("A parameter is too long.", detail="dos.limit")
        # RFC 6749 §3.1: a parameter sent without a value is treated as if it were omitted.
        if name and value:
            values[name] = (*values[name], value) if name in values else (value,)
    return Params(values)


def parse_form(content_type: str | None, body: bytes) -> Params:
    """Parse a form body. Raises InvalidRequest or PayloadTooLarge; never reads multipart."""
    if content_type is None:
        raise InvalidRequest("The mandatory 'Content-Type' header must be specified.")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidRequest("The specified 'Content-Type' header is not valid.")
    # RFC 6749 Appendix B: the text is UTF-8, whatever a charset parameter says, and nothing else is accepted.
    if parameters and not _is_utf8(parameters):
        raise InvalidRequest("The specified 'Content-Type' header is not valid.")
    return parse_params(body)


def _is_utf8(parameters: str) -> bool:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True


def _unescaped(text: str) -> str:
    # Each "%" must start a full escape; a lone one is refused, never passed through.
    if _LONE_PERCENT.search(text):
        raise InvalidRequest("A parameter is not correctly percent-encoded.")
    text = text.replace("+", " ")
    return _text(unquote_to_bytes(text)) if "%" in text else text


def _text(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("A parameter is not valid UTF-8.") from None
    if "\0" in text:
        raise InvalidRequest("A parameter contains a NUL character.")
    return text


def encode(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode pairs as application/x-www-form-urlencoded text (RFC 6749 Appendix B)."""
    return "&".join([f"{escaped(name)}={escaped(value)}" for name, value in pairs])


def escaped(text: str) -> str:
    """`text` as one name or value of application/x-www-form-urlencoded text."""
    # Most are random values and names, which have nothing to escape; finding that out is the cheaper half.
    return text if _UNRESERVED.fullmatch(text) else quote_plus(text)
