"""What a login was asked to be, kept in the address of the login: for a script, which can only hand that address on.

The text is sealed, so that nobody else can make up a login for our users that asks for more than we did. The
application's items stay out of it: whoever is handed the address could hand it to somebody else, with items of their own.
"""

from collections.abc import Mapping

import msgspec

from authwright.crypto.seal import Seal
from authwright.protocol.http import Json
from authwright.relying_party.requirement import STEP_UP

_CONTEXT = "login_ask"


class AskedLogin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As the arguments of a challenge; of the items only our own."""

    prompt: tuple[str, ...] | str | None = None
    max_age: int | None = None
    scopes: tuple[str, ...] | None = None
    acr_values: tuple[str, ...] | None = None
    items: Mapping[str, Json] | None = None


_NOTHING = AskedLogin()


def seal_asked(seal: Seal, asked: AskedLogin) -> str:
    """A parameter for the address; empty when nothing in particular was asked for."""
    items = {name: value for name, value in (asked.items or {}).items() if name == STEP_UP}
    kept = msgspec.structs.replace(asked, items=items or None)
    return "" if kept == _NOTHING else seal.seal(msgspec.json.encode(kept), context=_CONTEXT)


def open_asked(seal: Seal, text: str | None) -> AskedLogin:
    """What was asked for; nothing in particular where there is no text, or none of ours."""
    opened = seal.open(text, context=_CONTEXT) if text else None
    if opened is None:
        return _NOTHING
    try:
        return msgspec.json.decode(opened, type=AskedLogin)
    except msgspec.MsgspecError:
        # An address of another release: a login all the same.
        return _NOTHING
