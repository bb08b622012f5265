"""Section 1.2 of the token table: what a successful answer says."""

from datetime import timedelta
from typing import Any

import jwt as pyjwt
import msgspec
import pytest

from authwright.provider.events import ProviderEvents
from authwright.provider.settings import Resource
from authwright.registrations import client
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.installation import API, CALLBACK, ISSUER, SECRET, Installation
from tests.provider.token.rows import CUSTOM, ask_for, custom_ticket, provider

GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", CUSTOM)
BOTH = frozenset({TokenKind.ACCESS_TOKEN, TokenKind.ID_TOKEN})


def read(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = pyjwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.mark.parametrize("grant", GRANTS)
async def test_tok_1_2_asos_49_asos_50_the_scope_is_always_said(clock: FrozenClock, grant: str) -> None:
    """Scope echo: always sent when there is one, whether or not it was asked for."""
    op = await provider(clock, events=ProviderEvents(grant_custom_extension=custom_ticket))
    asked = {} if grant in ("authorization_code", "refresh_token") else {"scope": "read"}
    members = (await ask_for(op, grant, **asked)).json()
    assert members["access_token"]
    expected = "read" if asked else "openid profile offline_access read"
    assert members["scope"] == expected
    assert "resource" not in members


async def test_tok_1_2_asos_49_scopes_say_what_was_granted_when_it_is_less(clock: FrozenClock) -> None:
    """Scope echo: asked openid and profile, granted profile: scope=profile."""

    async def less(request: Any) -> Ticket:
        return Ticket(grant_id="g", client_id="custom", subject="u-alice", scopes=("profile",))

    op = await provider(clock, events=ProviderEvents(grant_custom_extension=less))
    assert (await ask_for(op, CUSTOM, scope="openid profile")).json()["scope"] == "profile"


async def test_tok_1_2_asos_51_expires_in_is_a_number_and_never_more_than_what_is_left(
    clock: FrozenClock,
) -> None:
    """expires_in: a JSON number, rounded down; absent without an expiry."""

    async def chosen(request: Any, ticket: Ticket) -> Ticket:
        lifetime = {"1": timedelta(seconds=1.9), "0": timedelta(milliseconds=900)}
        asked = request.request.params.one("seconds")
        return msgspec.structs.replace(ticket, lifetimes={TokenKind.ACCESS_TOKEN: lifetime.get(asked)})

    op = await provider(clock, events=ProviderEvents(grant_client_credentials=chosen))
    for asked, said in (("1", 1), ("0", 0)):
        value = (await ask_for(op, "client_credentials", seconds=asked)).json()["expires_in"]
        assert (value, type(value)) == (said, int)
    forever = (await ask_for(op, "client_credentials", seconds="none")).json()
    assert "expires_in" not in forever


async def test_tok_1_2_without_sliding_nothing_outlives_the_refresh_token(clock: FrozenClock) -> None:
    """Clamp: no new access, ID or refresh token ends later than the old refresh token."""
    op = await provider(clock, sliding_refresh=False)
    first = (await op.redeem(await op.code())).json()
    op.clock.advance(30 * 86400 - 100)
    second = (await op.refresh(first["refresh_token"])).json()
    end = read(first["access_token"])["iat"] + 30 * 86400
    assert second["expires_in"] == 100
    assert read(second["access_token"])["exp"] == read(second["id_token"])["exp"] == end
    op.clock.advance(101)
    assert (await op.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"


async def test_tok_1_2_defaults_of_the_lifetimes(op: Installation) -> None:
    """Defaults: code 60 seconds at most, access and ID token ten minutes, refresh token 30 days."""
    code = await op.code()
    members = (await op.redeem(code)).json()
    id_token = read(members["id_token"])
    assert (members["expires_in"], id_token["exp"] - id_token["iat"]) == (600, 600)
    refresh = (await op.post("/introspect", token=members["refresh_token"])).json()
    assert refresh["exp"] - refresh["iat"] == 30 * 86400


async def test_tok_1_2_the_absolute_lifetime_ends_a_family_however_often_it_is_used(
    clock: FrozenClock,
) -> None:
    """Sliding on, with an end: rotation never extends it; a client's own end goes before the issuer's."""
    registered = (
        client("web", SECRET, redirect_uris=[CALLBACK], scope="openid offline_access profile read"),
        client(
            "other",
            SECRET,
            redirect_uris=[CALLBACK],
            scope="openid offline_access profile read",
            refresh_absolute_lifetime=timedelta(days=1),
        ),
    )
    op = await provider(clock, clients=registered, refresh_absolute_lifetime=timedelta(days=60))
    web = (await op.redeem(await op.code())).json()["refresh_token"]
    other = (await op.redeem(await op.code("other"), client_id="other")).json()["refresh_token"]
    op.clock.advance(86400)
    assert (await op.refresh(other, client_id="other")).json()["expires_in"] == 0
    for days in (20, 20, 18):
        op.clock.advance(days * 86400)
        web = (await op.refresh(web)).json()["refresh_token"]
    op.clock.advance(86400 - 60)
    last = (await op.refresh(web)).json()
    assert last["expires_in"] == 60
    op.clock.advance(61)
    assert (await op.refresh(last["refresh_token"])).json()["error"] == "invalid_grant"


async def test_tok_1_2_each_token_is_made_from_the_same_ticket(op: Installation) -> None:
    """Copies: narrowing for the access token leaves nothing behind in the others."""
    first = (await op.redeem(await op.code())).json()
    narrow = (await op.refresh(first["refresh_token"], scope="read")).json()
    assert "id_token" not in narrow
    whole = (await op.refresh(narrow["refresh_token"])).json()
    assert whole["scope"] == "openid profile offline_access read"


async def test_tok_1_2_asos_45_the_audience_is_the_resources_else_the_issuer(op: Installation) -> None:
    """Audience: RFC 9068 needs one: the resources whose scopes were granted, else the issuer."""
    assert read((await op.redeem(await op.code())).json()["access_token"])["aud"] == API
    assert read((await op.redeem(await op.code(scopes=["openid"]))).json()["access_token"])["aud"] == ISSUER


async def test_tok_1_2_claims_enter_the_tokens_they_are_destined_for(op: Installation) -> None:
    """Claim destinations: a claim is in those tokens and in no other; one without any is in none."""
    claims = {"both": 1, "access": 2, "id": 3, "none": 4}
    destinations = {
        "both": BOTH,
        "access": frozenset({TokenKind.ACCESS_TOKEN}),
        "id": frozenset({TokenKind.ID_TOKEN}),
    }
    members = (await op.redeem(await op.code(claims=claims, destinations=destinations))).json()
    for _ in range(2):
        access, id_token = read(members["access_token"]), read(members["id_token"])
        assert {name: access.get(name) for name in claims} == {
            "both": 1,
            "access": 2,
            "id": None,
            "none": None,
        }
        assert {name: id_token.get(name) for name in claims} == {
            "both": 1,
            "access": None,
            "id": 3,
            "none": None,
        }
        # They travel with the refresh token, unfiltered.
        members = (await op.refresh(members["refresh_token"])).json()


async def test_tok_1_2_presenters_default_to_the_client(clock: FrozenClock) -> None:
    """Presenters: a ticket that names none is the client's own, and its refresh token works."""
    op = await provider(clock, events=ProviderEvents(grant_custom_extension=custom_ticket))
    tokens = (await ask_for(op, CUSTOM, scope="offline_access")).json()
    assert read(tokens["access_token"])["client_id"] == "custom"
    assert (await op.refresh(tokens["refresh_token"], client_id="custom")).status == 200
    assert (await op.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("grant", ["authorization_code", "none"])
async def test_tok_1_2_no_cache_keeps_success_or_error(clock: FrozenClock, grant: str) -> None:
    """Cache headers: no-store on both (RFC 6749 §5.1), and Pragma."""
    answer = await ask_for(await provider(clock), grant)
    assert answer.headers.get("cache-control") == "no-store"
    assert answer.headers.get("pragma") == "no-cache"


async def test_tok_1_2_the_shortest_lifetime_that_a_client_or_a_resource_set_counts(
    clock: FrozenClock,
) -> None:
    """Lifetimes per client and per resource: the shortest that is set, else the issuer's."""
    resources = [
        Resource(uri=API, scopes=("read",), access_token_lifetime=timedelta(seconds=90)),
        Resource(uri="https://b.example", scopes=("write",), access_token_lifetime=timedelta(hours=2)),
    ]
    registered = tuple(
        client(
            name, SECRET, grant_types=["client_credentials"], scope="read write plain", lifetimes=lifetimes
        )
        for name, lifetimes in (
            ("short", {TokenKind.ACCESS_TOKEN: timedelta(seconds=30)}),
            ("long", {TokenKind.ACCESS_TOKEN: timedelta(seconds=7000)}),
            ("plain", {}),
        )
    )
    op = await provider(clock, clients=registered, resources=resources)

    async def lived(name: str, **params: str) -> int:
        answer = await op.post("/token", client_id=name, grant_type="client_credentials", **params)
        seconds: int = answer.json()["expires_in"]
        return seconds

    assert await lived("short", scope="read") == 30
    assert await lived("long", scope="read") == 90
    assert await lived("long", scope="write") == 7000
    assert await lived("plain", scope="write") == 7200
    assert await lived("plain", scope="read write") == 90
    assert await lived("plain", scope="read write", resource="https://b.example") == 7200
    assert await lived("plain", scope="plain") == 600


async def test_tok_1_2_a_resource_says_in_which_format_it_reads_tokens(clock: FrozenClock) -> None:
    """Format per resource, before the client's choice; opaque where two differ."""
    resources = [
        Resource(uri=API, scopes=("read",), access_token_format="jwt"),
        Resource(uri="https://b.example", scopes=("write",), access_token_format="opaque"),
    ]
    registered = tuple(
        client(
            name,
            SECRET,
            grant_types=["client_credentials"],
            scope="read write plain",
            access_token_format=name,
        )
        for name in ("jwt", "opaque")
    )
    op = await provider(clock, clients=registered, resources=resources)

    async def is_jwt(name: str, scope: str) -> bool:
        answer = await op.post("/token", client_id=name, grant_type="client_credentials", scope=scope)
        token = answer.json()["access_token"]
        assert await op.is_active(token, name)
        return "." in token

    assert await is_jwt("opaque", "read")
    assert not await is_jwt("jwt", "write")
    assert not await is_jwt("jwt", "read write")
    assert await is_jwt("jwt", "plain")
    assert not await is_jwt("opaque", "plain")
