"""What the tests of the token endpoint's table share: a provider with a client for every grant, and short checks."""

from collections.abc import Awaitable, Callable
from typing import Any

from authwright.protocol.errors import Refused
from authwright.protocol.http import HttpResponse
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.installation import CALLBACK, CLIENTS, SECRET, Installation, install

FORM = {"content-type": "application/x-www-form-urlencoded"}
CUSTOM = "urn:example:custom"
LOGIN = {"grant_type": "password", "username": "alice", "password": "alice-secret"}

ALL_CLIENTS = (
    *CLIENTS,
    client(
        "owner",
        SECRET,
        redirect_uris=[CALLBACK],
        grant_types=["password", "refresh_token"],
        scope="openid profile offline_access read",
    ),
    client(
        "custom",
        SECRET,
        redirect_uris=[CALLBACK],
        grant_types=[CUSTOM, "refresh_token"],
        scope="openid profile offline_access read",
    ),
)

CHOICES = (
    (None, "", ""),
    ("custom_error", "", ""),
    (None, "Custom description.", ""),
    (None, "", "https://op.example/why"),
    ("custom_error", "Custom description.", ""),
    ("custom_error", "", "https://op.example/why"),
    ("custom_error", "Custom description.", "https://op.example/why"),
)
"""The ways to refuse: with and without a code, a description and a URI."""


async def provider(clock: FrozenClock, **options: Any) -> Installation:
    """On the memory store, with a client for every grant."""
    options.setdefault("clients", ALL_CLIENTS)
    stores = options.pop("stores", None) or memory_stores(clock)
    return await install(stores, clock, **options)


def always(outcome: Any) -> Callable[..., Awaitable[Any]]:
    """An event that returns, or raises, `outcome` whatever it is asked."""

    async def event(*_: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return event


async def with_event(clock: FrozenClock, name: str, outcome: Any, **options: Any) -> Installation:
    """A provider on whose event `name` always returns, or raises, `outcome`."""
    return await provider(clock, events=ProviderEvents(**{name: always(outcome)}), **options)


async def custom_ticket(request: AuthenticatedTokenRequest[Any]) -> Ticket:
    """An event that grants alice what was asked for."""
    return Ticket(
        grant_id="g-custom",
        client_id=request.client.client_id,
        subject="u-alice",
        scopes=request.request.scope or (),
    )


async def ask_for(op: Installation, grant: str, **params: Any) -> HttpResponse:
    """A request that succeeds, of any grant: its own client, its own credentials."""
    match grant:
        case "authorization_code":
            return await op.redeem(await op.code(), **params)
        case "refresh_token":
            first = (await op.redeem(await op.code())).json()
            return await op.refresh(first["refresh_token"], **params)
        case "client_credentials":
            return await op.post("/token", client_id="machine", grant_type=grant, **params)
        case "password":
            return await op.post("/token", client_id="owner", **LOGIN, **params)
        case _:
            return await op.post("/token", client_id="custom", grant_type=CUSTOM, **params)


def refused(answer: HttpResponse, status: int, error: str, description: str | None = None) -> None:
    """The answer is that refusal and nothing else, and no cache keeps it (RFC 6749 §5.2)."""
    members = answer.json()
    assert (answer.status, members["error"]) == (status, error)
    assert "access_token" not in members
    assert answer.headers.get("cache-control") == "no-store"
    assert answer.headers.get("pragma") == "no-cache"
    assert (answer.headers.get("content-type") or "").startswith("application/json")
    if description is not None:
        assert members.get("error_description", "") == description


def refused_as_chosen(answer: HttpResponse, choice: tuple[str | None, str, str], default: str) -> None:
    """The event's own code, description and URI went out, or its default code."""
    error, description, uri = choice
    expected = {"error": error or default}
    if description:
        expected["error_description"] = description
    if uri:
        expected["error_uri"] = uri
    assert answer.json() == expected


def refusal(choice: tuple[str | None, str, str]) -> Refused:
    return Refused(*choice)
