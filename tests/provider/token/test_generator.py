"""The token response generator: a method for each grant, each overridable alone, and what each returns."""

from collections.abc import Callable
from typing import Any

import jwt as pyjwt
import msgspec
import pytest

from authwright.protocol.http import Json
from authwright.provider.events import ProviderEvents
from authwright.provider.minting import Minted
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.token_response import (
    DefaultTokenResponseGenerator,
    Issuance,
    TokenResponseGenerator,
)
from authwright.registrations import client
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.installation import CALLBACK, SECRET, Installation
from tests.provider.token.rows import CUSTOM, ask_for, custom_ticket, provider, refused

Request = AuthenticatedTokenRequest[Any]
METHODS = {
    "client_credentials": "process_client_credentials",
    "password": "process_password",
    "authorization_code": "process_authorization_code",
    "refresh_token": "process_refresh_token",
    CUSTOM: "process_extension_grant",
}
GIVEN = {
    "client_credentials": {"access_token"},
    "password": {"access_token", "refresh_token", "id_token"},
    "authorization_code": {"access_token", "refresh_token", "id_token"},
    "refresh_token": {"access_token", "refresh_token", "id_token"},
    CUSTOM: {"access_token", "refresh_token", "id_token"},
}
SCOPES: dict[str, dict[str, str]] = {
    "password": {"scope": "openid offline_access"},
    CUSTOM: {"scope": "openid offline_access"},
}


def with_custom(issuance: Issuance, **custom: Json) -> Issuance:
    return msgspec.structs.replace(
        issuance, response=msgspec.structs.replace(issuance.response, custom=custom)
    )


def overriding(name: str, make: Callable[[Any], Any]) -> type[DefaultTokenResponseGenerator]:
    """A subclass of the default with one method of its own; `make` is given the method it calls first."""
    base = getattr(DefaultTokenResponseGenerator, name)
    return type("Own", (DefaultTokenResponseGenerator,), {name: make(base)})


async def served(clock: FrozenClock, **options: Any) -> Installation:
    return await provider(clock, events=ProviderEvents(grant_custom_extension=custom_ticket), **options)


def tokens(members: dict[str, Any]) -> set[str]:
    return members.keys() & {"access_token", "refresh_token", "id_token"}


@pytest.mark.parametrize("grant", METHODS)
async def test_what_each_grant_returns(clock: FrozenClock, grant: str) -> None:
    """An access token always; the others for users, by scope; a client alone gets neither."""
    members = (await ask_for(await served(clock), grant, **SCOPES.get(grant, {}))).json()
    assert tokens(members) == GIVEN[grant]


@pytest.mark.parametrize("grant", METHODS)
async def test_each_method_is_overridable_alone(clock: FrozenClock, grant: str) -> None:
    """The base is called first and its answer changed; no other grant notices."""

    def make(base: Any) -> Any:
        async def process(self: Any, request: Request, ticket: Ticket) -> Issuance:
            return with_custom(await base(self, request, ticket), mine=True)

        return process

    op = await served(clock, token_response=overriding(METHODS[grant], make))
    for other in METHODS:
        members = (await ask_for(op, other, **SCOPES.get(other, {}))).json()
        assert ("mine" in members) == (other == grant)
        assert tokens(members) == GIVEN[other]


async def test_device_code_and_ciba_have_methods_of_their_own() -> None:
    """So that one can be changed without the other."""
    names = vars(DefaultTokenResponseGenerator)
    assert {"process", "process_device_code", "process_ciba", *METHODS.values()} <= names.keys()
    assert {"create_access_token", "create_id_token_from_refresh_token_request"} <= names.keys()


async def test_create_access_token_is_overridable_alone(clock: FrozenClock) -> None:
    """It gives an access token and perhaps a refresh token; one left out is absent and leaves no record."""
    kept: list[str] = []

    def make(base: Any) -> Any:
        async def create(self: Any, request: Request, ticket: Ticket) -> tuple[Minted | None, Minted | None]:
            access, refresh = await base(self, request, ticket)
            kept.append(refresh.value)
            return access, None

        return create

    op = await served(clock, token_response=overriding("create_access_token", make))
    members = (await op.redeem(await op.code())).json()
    assert tokens(members) == {"access_token", "id_token"}
    assert not await op.is_active(kept[0])


async def test_create_id_token_from_refresh_token_request_is_overridable_alone(clock: FrozenClock) -> None:
    """Only refreshes notice."""

    def make(base: Any) -> Any:
        async def create(self: Any, request: Request, ticket: Ticket, access: Minted | None) -> Minted | None:
            return None

        return create

    name = "create_id_token_from_refresh_token_request"
    op = await served(clock, token_response=overriding(name, make))
    first = (await op.redeem(await op.code())).json()
    assert "id_token" in first
    assert "id_token" not in (await op.refresh(first["refresh_token"])).json()


class Wrapped:
    """Any object with `process` serves."""

    def __init__(self, inner: TokenResponseGenerator) -> None:
        self.inner = inner

    async def process(self, request: Request, ticket: Ticket) -> Issuance:
        issuance = await self.inner.process(request, ticket)
        changed = msgspec.structs.replace(issuance.response, id_token=None, custom={"region": "eu-1"})
        return msgspec.structs.replace(issuance, response=changed)


async def test_it_is_installed_by_wrapping_with_one_argument(clock: FrozenClock) -> None:
    """`token_response=Wrapped`."""
    op = await served(clock, token_response=Wrapped)
    members = (await op.redeem(await op.code())).json()
    assert tokens(members) == {"access_token", "refresh_token"}
    assert members["region"] == "eu-1"
    assert all(value is not None for value in members.values())


@pytest.mark.parametrize("name", ["access_token", "scope", "error", "expires_in", "id_token"])
async def test_custom_entries_never_stand_over_a_registered_member(clock: FrozenClock, name: str) -> None:
    """It is a mistake of the application, told as ours, and burns nothing."""

    class Clashing(Wrapped):
        async def process(self, request: Request, ticket: Ticket) -> Issuance:
            return with_custom(await self.inner.process(request, ticket), **{name: "mine"})

    op = await served(clock, token_response=Clashing)
    code = await op.code()
    refused(await op.redeem(code), 500, "server_error", "")
    assert (await (await provider(clock, stores=op.stores)).redeem(code)).status == 200


# -- claims at a refresh -----------------------------------------------------------------------------------------------

BOTH = frozenset({TokenKind.ACCESS_TOKEN, TokenKind.ID_TOKEN})


async def refreshed_claims(clock: FrozenClock, policy: str) -> list[dict[str, Any]]:
    """The claims of access and ID token of a refresh, after the account changed."""
    registered = client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope="openid offline_access profile read",
        refresh_claims=policy,
    )

    async def at_refresh(request: Request, ticket: Ticket) -> Ticket:
        claims = {**ticket.claims, "asked": True}
        return msgspec.structs.replace(ticket, claims=claims, destinations=dict.fromkeys(claims, BOTH))

    op = await provider(clock, clients=(registered,), events=ProviderEvents(grant_refresh_token=at_refresh))
    claims: dict[str, Json] = {"name": "Old Name", "nickname": "gone", "roles": ["old"], "shoe_size": 42}
    account = await op.stores.accounts.get("u-alice")
    assert account is not None
    await op.stores.accounts.put(
        msgspec.structs.replace(account, claims={"name": "New Name", "roles": ["new"]})
    )
    code = await op.code(claims=claims, destinations=dict.fromkeys(claims, BOTH))
    first = (await op.redeem(code)).json()
    second = (await op.refresh(first["refresh_token"])).json()
    third = (await op.refresh(second["refresh_token"])).json()
    names = (*claims, "asked")
    seen = []
    for members in (second, third):
        for token in (members["access_token"], members["id_token"]):
            made = pyjwt.decode(token, options={"verify_signature": False})
            seen.append({name: made[name] for name in names if name in made})
    return seen


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            "frozen",
            {"name": "Old Name", "nickname": "gone", "roles": ["old"], "shoe_size": 42, "asked": True},
        ),
        ("refreshed", {"name": "New Name", "roles": ["new"], "shoe_size": 42, "asked": True}),
        ("re_evaluated", {"asked": True}),
    ],
)
async def test_how_fresh_the_claims_of_a_refresh_are_is_the_clients_policy(
    clock: FrozenClock, policy: str, expected: dict[str, Any]
) -> None:
    """Both tokens of one answer say the same, at this refresh and the next."""
    assert await refreshed_claims(clock, policy) == [expected] * 4


async def test_a_re_evaluated_refresh_does_without_what_the_client_has_lost(clock: FrozenClock) -> None:
    """Its scopes shrink with its registration; under the other policies the refresh is refused."""

    def registered(policy: str, scope: str) -> Any:
        return (client("web", SECRET, redirect_uris=[CALLBACK], scope=scope, refresh_claims=policy),)

    wide, less = "openid offline_access profile read", "openid offline_access"
    for policy, status in (("frozen", 400), ("refreshed", 400), ("re_evaluated", 200)):
        before = await provider(clock, clients=registered(policy, wide))
        first = (await before.redeem(await before.code())).json()
        after = await provider(clock, stores=before.stores, clients=registered(policy, less))
        answer = await after.refresh(first["refresh_token"])
        assert answer.status == status
        if status == 200:
            assert answer.json()["scope"] == "openid offline_access"
