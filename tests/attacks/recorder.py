"""Every secret that goes over the wire, remembered, and the search for any of them where none may be.

What is looked for is the value and its forms: as a URL, in base64 and hex, with the case of its letters changed, and
any sixteen characters of any of these. Digests and sealed text are neither.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from authwright.protocol.cookies import read_cookies
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
from authwright.protocol.params import Params, parse_params

WINDOW = 16
MEMBERS = frozenset(
    {
        "access_token", "refresh_token", "id_token", "code", "code_verifier", "device_code", "user_code",
        "auth_req_id", "client_secret", "client_assertion", "client_notification_token", "assertion", "password",
        "subject_token", "actor_token", "logout_token", "token", "interaction", "csrf", "id_token_hint", "response",
    }
)  # fmt: skip
"""Parameters and members that are secrets, or good for one use."""

IDENTIFIERS = frozenset({"request"})
"""Form fields that only name something: here a backchannel request, by its grant."""

_FIELDS = re.compile(r'<input[^>]*?\bname="([^"]+)"[^>]*?\bvalue="([^"]{16,})"')
_BASIC = re.compile(r"basic ([A-Za-z0-9+/=]+)$", re.IGNORECASE)


class Leak(NamedTuple):
    """Where something stands, in which form; never the value itself."""

    kind: str
    form: str
    place: str


@dataclass
class Recorder:
    """What was sent and answered, and which of it nobody may keep."""

    seen: dict[str, str] = field(default_factory=dict)
    """Value to what it is."""

    def note(self, kind: str, value: str) -> None:
        if len(value) >= 8:
            self.seen.setdefault(value, kind)

    def watching(self, fetch: Fetch) -> Fetch:
        """The same, and what goes through it is noted."""

        async def watched(request: HttpRequest) -> HttpResponse:
            self.request(request)
            answer = await fetch(request)
            self.answer(answer)
            return answer

        return watched

    def request(self, request: HttpRequest) -> None:
        authorization = request.headers.get("authorization") or ""
        if (basic := _BASIC.match(authorization)) is not None:
            self.note("Basic credentials", basic[1])
            self.note("client secret", base64.b64decode(basic[1]).decode().partition(":")[2])
        elif authorization:
            self.note("bearer token", authorization.partition(" ")[2])
        self.note("DPoP proof", request.headers.get("dpop") or "")
        for name, value in read_cookies(request.headers).items():
            self.note(f"cookie {name}", value)
        for encoded in (request.query.encode(), request.body):
            self._params(encoded)

    def answer(self, answer: HttpResponse) -> None:
        for line in answer.headers.many("set-cookie"):
            name, _, rest = line.partition("=")
            self.note(f"cookie {name}", rest.partition(";")[0])
        location = urlsplit(answer.headers.get("location") or "")
        for encoded in (location.query.encode(), location.fragment.encode()):
            self._params(encoded)
        media_type = answer.headers.get("content-type") or ""
        if media_type.startswith("text/html"):
            for name, value in _FIELDS.findall(answer.body.decode()):
                if name not in IDENTIFIERS:
                    self.note(f"form field {name}", unescape(value))
        elif media_type.startswith("application/json"):
            content = answer.json()
            for name in MEMBERS & content.keys() if isinstance(content, dict) else ():
                self.note(name, str(content[name]))

    def _params(self, encoded: bytes) -> None:
        try:
            params = parse_params(encoded)
        except OAuthError:
            params = Params.of(())
        for name, value in params.pairs():
            if name in MEMBERS:
                self.note(name, value)

    def leaks(self, places: Iterable[tuple[str, bytes]]) -> set[Leak]:
        """What of all this stands in the places, which are names and octets."""
        windows: dict[bytes, tuple[str, str]] = {}
        short: dict[bytes, tuple[str, str]] = {}
        for value, kind in self.seen.items():
            for name, form in forms_of(value):
                if len(form) < WINDOW:
                    short.setdefault(form, (kind, name))
                for at in range(len(form) - WINDOW + 1):
                    windows.setdefault(form[at : at + WINDOW], (kind, name))
        found: set[Leak] = set()
        for place, octets in places:
            found |= {Leak(*what, place) for form, what in short.items() if form in octets}
            for at in range(len(octets) - WINDOW + 1):
                what = windows.get(octets[at : at + WINDOW])
                if what is not None:
                    found.add(Leak(*what, place))
        return found


def forms_of(value: str) -> list[tuple[str, bytes]]:
    """`value` as itself, and as careless code would write it down."""
    octets = value.encode()
    forms = [
        ("raw", octets),
        ("url-encoded", quote(value, safe="").encode()),
        ("hex", octets.hex().encode()),
        ("HEX", octets.hex().upper().encode()),
        ("other case", value.swapcase().encode()),
        ("lower case", value.lower().encode()),
    ]
    for shift in range(3):
        # In the midst of other octets it is one of three texts; its ends depend on the neighbours.
        text = base64.b64encode(bytes(shift) + octets).rstrip(b"=")[4 if shift else 0 : -4]
        forms += [("base64", text), ("base64url", text.translate(bytes.maketrans(b"+/", b"-_")))]
    return [(name, form) for name, form in forms if len(form) >= 8]
