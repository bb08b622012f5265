"""A person's way through a page of the provider's own, which no client redirected to (RFC 8628 §3.3, CIBA Core 1.0 §8).

What the visit is about travels sealed through the browser and opens only with its cookie, as an interaction does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from authwright.crypto.handles import random_id
from authwright.crypto.seal import Seal
from authwright.protocol.http import HttpRequest, HttpResponse, see_other
from authwright.protocol.params import Params
from authwright.provider.browser_answers import read_form
from authwright.provider.browser_binding import BrowserBinding, ForgedRequest, check_same_origin
from authwright.provider.settings import Settings


class Visit(msgspec.Struct, frozen=True, array_like=True):
    """`about` names what it is about, by digest or id; empty when it is about the page itself."""

    id: str
    started_at: datetime
    about: str = ""

    def __repr__(self) -> str:
        return f"Visit(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class ReturnedForm:
    """A form of ours, from the browser it was shown in."""

    fields: Params
    browser: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Visit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Begins visits to the page at `path`, and seals them to the browser they began in."""

    path: str
    """The page's path below the issuer; it is part of what each seal is bound to."""
    seal: Seal
    binding: BrowserBinding
    settings: Settings
    lifetime: timedelta

    def begin(self, about: str, now: datetime) -> Visit:
        """A new visit."""
        return Visit(random_id(), now, about)

    def sealed(self, visit: Visit, browser: str) -> str:
        """Text for a form field or a link."""
        return self.seal.seal(_encoder.encode(visit), context=f"{self.path} {browser}")

    def open(self, sealed: str | None, browser: str | None, now: datetime) -> Visit | None:
        """The visit, or None when it is over. Raises ForgedRequest when it was not sealed for this browser."""
        data = None
        if sealed is not None and browser is not None:
            data = self.seal.open(sealed, context=f"{self.path} {browser}")
        if data is None:
            raise ForgedRequest(
                "This page belongs to another browser, or the browser does not keep cookies. Start again.",
                detail="csrf.browser",
            )
        visit = _decoder.decode(data)
        return visit if now <= visit.started_at + self.lifetime else None

    def read(self, request: HttpRequest) -> ReturnedForm:
        """The form. Raises ForgedRequest when another site sent it or the browser has no cookie of ours."""
        fields = read_form(request)
        fields.refuse_repeated(frozenset())
        check_same_origin(request, self.settings)
        browser = self.binding.read(request)
        if browser is None:
            raise ForgedRequest(
                "This page belongs to another browser, or the browser does not keep cookies. Start again.",
                detail="csrf.browser",
            )
        return ReturnedForm(fields, browser)

    def back(self, visit: Visit | None, browser: str, *headers: tuple[str, str]) -> HttpResponse:
        """To the page itself, which decides what comes next; without a visit it begins anew."""
        query = "" if visit is None else f"?visit={quote(self.sealed(visit, browser))}"
        return see_other(f"{self.settings.base_path}{self.path}{query}", *headers)
