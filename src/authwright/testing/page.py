"""A page as the browser for tests sees it: its forms, links and texts, read from the HTML of a response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from authwright.protocol.http import HttpResponse
from authwright.protocol.params import Params, parse_params

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HtmlForm:
    """A form as it stands in a page."""

    id: str
    action: str
    method: str
    fields: tuple[tuple[str, str], ...]
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the browser is. `response` is None at an address that nobody serves."""

    url: str
    response: HttpResponse | None
    forms: tuple[HtmlForm, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """Element id to its text."""
    visited: tuple[str, ...] = ()
    """The addresses of the journey that ended here, this one last."""

    @property
    def status(self) -> int:
        """0 at an address that nobody serves."""
        return self.response.status if self.response is not None else 0

    @property
    def html(self) -> str:
        return self.response.body.decode() if self.response is not None else ""

    @property
    def params(self) -> Params:
        """The query of the address."""
        return parse_params(urlsplit(self.url).query.encode())

    @property
    def fragment(self) -> Params:
        """The fragment of the address, read like a query."""
        return parse_params(urlsplit(self.url).fragment.encode())

    def header(self, name: str) -> str | None:
        return self.response.headers.get(name) if self.response is not None else None

    def has(self, element_id: str) -> bool:
        """Whether there is an element with that id."""
        return element_id in self.texts

    def form_of(self, button_id: str) -> tuple[HtmlForm, Button]:
        """The form with that button. Raises LookupError."""
        for form in self.forms:
            for button in form.buttons:
                if button.id == button_id:
                    return form, button
        raise LookupError(
            f"no button {button_id!r} at {self.url.partition('?')[0]}; there are {sorted(self.texts)}"
        )


def read_page(url: str, response: HttpResponse) -> Page:
    """Where a response led; anything but HTML has no forms, links or texts."""
    reader = _PageReader()
    if (response.headers.get("content-type") or "").startswith("text/html"):
        reader.feed(response.body.decode())
        reader.close()
    return Page(
        url=url,
        response=response,
        forms=tuple(
            HtmlForm(
                id=draft.attributes.get("id", ""),
                action=draft.attributes.get("action", url),
                method=draft.attributes.get("method", "get").lower(),
                fields=tuple(draft.fields),
                buttons=tuple(draft.buttons),
            )
            for draft in reader.forms
        ),
        links=reader.links,
        texts={name: " ".join("".join(parts).split()) for name, parts in reader.texts.items()},
    )


class _FormDraft:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[Button] = []


class _PageReader(HTMLParser):
    """Reads forms, links and the text of elements with an id."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[_FormDraft] = []
        self.links: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self._open: list[tuple[str, str]] = []
        self._form: _FormDraft | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element_id = attributes.get("id", "")
        if element_id:
            self.texts.setdefault(element_id, [])
        if tag == "form":
            self._form = _FormDraft(attributes)
            self.forms.append(self._form)
        elif tag == "a" and element_id:
            self.links[element_id] = attributes.get("href", "")
        elif self._form is not None:
            self._control(self._form, tag, attributes)
        if tag not in _VOID:
            self._open.append((tag, element_id))

    def _control(self, form: _FormDraft, tag: str, attributes: dict[str, str]) -> None:
        name, value = attributes.get("name", ""), attributes.get("value", "")
        kind = attributes.get("type", "submit" if tag == "button" else "text").lower()
        if tag in ("button", "input") and kind == "submit":
            form.buttons.append(Button(id=attributes.get("id", ""), name=name, value=value))
        elif tag == "input" and name:
            if kind in ("checkbox", "radio") and "checked" not in attributes:
                return
            form.fields.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        for index in range(len(self._open) - 1, -1, -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                return

    def handle_data(self, data: str) -> None:
        for _, element_id in self._open:
            if element_id:
                self.texts[element_id].append(data)
