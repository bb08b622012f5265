"""What ASOS's own tests show of its token endpoint, where no row of the table does: numbers 39 to 54."""

from datetime import timedelta
from typing import Any

import jwt as pyjwt
import msgspec
import pytest

from authwright.protocol.http import HttpRequest
from authwright.provider.events import ProviderEvents
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.serialization import Serialization
from authwright.provider.settings import Settings
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket, TokenKind
from tests.provider.installation import ISSUER, Installation
from tests.provider.token.rows import (
    CHOICES,
    CUSTOM,
    ask_for,
    custom_ticket,
    provider,
    refusal,
    refused_as_chosen,
    with_event,
)

GRANTS = ("authorization_code", "refresh_token", "password", CUSTOM)


def with_user(**overrides: Any) -> ProviderEvents:
    return ProviderEvents(grant_custom_extension=custom_ticket, **overrides)


async def granted(op: Installation, grant: str, scope: str) -> dict[str, Any]:
    """Tokens of that grant for that scope."""
    if grant == "authorization_code":
        answer = await op.redeem(await op.code(scopes=scope.split()))
    elif grant == "refresh_token":
        first = (await op.redeem(await op.code(scopes=[*scope.split(), "offline_access"]))).json()
        answer = await op.refresh(first["refresh_token"])
    else:
        answer = await ask_for(op, grant, scope=scope)
    members: dict[str, Any] = answer.json()
    assert "access_token" in members
    return members


@pytest.mark.parametrize("path", ["/token/", "/TOKEN", "/token/more", "/connect/token"])
async def test_asos_39_a_path_matches_exactly(op: Installation, path: str) -> None:
    """39: sub-paths do not match; ours compares exactly, where the peer ignores case and a trailing slash."""
    answer = await op.provider.handle(HttpRequest.to("POST", ISSUER + path, body=b"grant_type=x"))
    assert answer.status == 404


def test_asos_40_http_is_refused_when_the_provider_is_made() -> None:
    """40: insecure HTTP is refused; ours never starts with an http issuer, but for loopback."""
    with pytest.raises(ValueError, match="uses http"):
        Settings(issuer="http://op.example")
    assert Settings(issuer="http://localhost:9000").issuer == "http://localhost:9000"


async def test_asos_41_an_event_sees_the_ticket_of_what_is_redeemed(clock: FrozenClock) -> None:
    """41: the identity behind a valid code or refresh token can be read; behind a missing or invalid one it cannot."""
    seen: list[str | None] = []

    async def look(request: AuthenticatedTokenRequest[Any], found: Any) -> None:
        seen.append(found.ticket.subject if found is not None else None)

    op = await provider(clock, events=ProviderEvents(validate_token_request=look))
    await op.redeem("unknown")
    await op.refresh("unknown")
    await ask_for(op, "refresh_token")
    await ask_for(op, "password")
    assert seen == ["u-alice", "u-alice", None]


async def test_asos_42_no_id_token_or_refresh_token_without_a_subject(clock: FrozenClock) -> None:
    """42: a missing name identifier: ours makes the tokens that need none, where the peer throws."""

    async def nobody(request: AuthenticatedTokenRequest[Any]) -> Ticket:
        return Ticket(grant_id="g", client_id="custom", scopes=("openid", "offline_access", "read"))

    op = await provider(clock, events=ProviderEvents(grant_custom_extension=nobody))
    members = (await ask_for(op, CUSTOM)).json()
    assert members.keys().isdisjoint({"id_token", "refresh_token"})
    assert (await op.post("/introspect", client_id="custom", token=members["access_token"])).json()[
        "sub"
    ] == "custom"


@pytest.mark.parametrize("choice", CHOICES)
async def test_asos_47_asos_54_the_last_look_may_refuse(
    clock: FrozenClock, choice: tuple[str | None, str, str]
) -> None:
    """47 and 54: error, description and URI as given, else invalid_grant."""
    op = await with_event(clock, "token_endpoint", refusal(choice))
    refused_as_chosen(await ask_for(op, "password"), choice, "invalid_grant")


@pytest.mark.parametrize("grant", GRANTS)
async def test_asos_52_a_refresh_token_is_returned_when_offline_access_is_granted(
    clock: FrozenClock, grant: str
) -> None:
    """52: for code, refresh, password and custom grants, and for none without offline_access."""
    op = await provider(clock, events=with_user())
    assert "refresh_token" in await granted(op, grant, "openid offline_access")
    if grant != "refresh_token":
        assert "refresh_token" not in await granted(op, grant, "openid")


async def test_asos_52_a_client_alone_gets_no_refresh_token(op: Installation) -> None:
    """52: client_credentials never yield one, where the peer's do."""
    assert (
        "refresh_token" not in (await ask_for(op, "client_credentials", scope="read offline_access")).json()
    )


async def test_asos_52_without_sliding_expiration_rotation_goes_on_to_the_same_end(
    clock: FrozenClock,
) -> None:
    """52: the peer returns no refresh token then; ours rotates, and the end stays where it was."""
    op = await provider(clock, sliding_refresh=False)
    first = (await op.redeem(await op.code())).json()
    before = (await op.post("/introspect", token=first["refresh_token"])).json()["exp"]
    op.clock.advance(86400)
    second = (await op.refresh(first["refresh_token"])).json()
    assert (await op.post("/introspect", token=second["refresh_token"])).json()["exp"] == before


@pytest.mark.parametrize("grant", GRANTS)
async def test_asos_53_an_id_token_is_returned_when_openid_is_granted(clock: FrozenClock, grant: str) -> None:
    """53: for code, refresh, password and custom grants, and for none without openid."""
    op = await provider(clock, events=with_user())
    assert "id_token" in await granted(op, grant, "openid")
    assert "id_token" not in await granted(op, grant, "read")


async def test_asos_53_a_client_alone_gets_no_id_token(op: Installation) -> None:
    """53: client_credentials never yield one, where the peer's do."""
    assert "id_token" not in (await ask_for(op, "client_credentials", scope="read openid")).json()


KINDS = {
    TokenKind.ACCESS_TOKEN: "serialize_access_token",
    TokenKind.ID_TOKEN: "serialize_identity_token",
    TokenKind.REFRESH_TOKEN: "serialize_refresh_token",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lifetime", [None, timedelta(seconds=42)])
async def test_asos_serialization_expiry_is_inferred_or_overridden(
    clock: FrozenClock, kind: TokenKind, lifetime: timedelta | None
) -> None:
    """Serialization: no expiry when the lifetime is null; else now and the lifetime; user code may override it."""
    made: list[Serialization] = []

    async def look(making: Serialization) -> None:
        made.append(making)

    op = await provider(clock, events=ProviderEvents(**{KINDS[kind]: look}))
    assert (await op.redeem(await op.code())).status == 200
    assert (await op.redeem(await op.code(lifetimes={kind: lifetime}))).status == 200
    usual, chosen = made
    assert usual.kind is kind
    assert usual.expires_at is not None
    assert usual.expires_at > clock()
    # OpenID Connect Core §2: an ID token always has an expiry.
    expected = clock() + lifetime if lifetime else (usual.expires_at if kind is TokenKind.ID_TOKEN else None)
    assert chosen.expires_at == expected


@pytest.mark.parametrize("kind", KINDS)
async def test_asos_serialization_basic_properties_are_there_and_no_others(
    clock: FrozenClock, kind: TokenKind
) -> None:
    """Serialization: presenters and id are added, and what belongs to the request alone is not stored."""
    op = await provider(clock, events=with_user())
    members = (await ask_for(op, CUSTOM, scope="openid offline_access read")).json()
    name = {TokenKind.ACCESS_TOKEN: "access_token", TokenKind.REFRESH_TOKEN: "refresh_token"}.get(kind)
    if name is None:
        claims = pyjwt.decode(members["id_token"], options={"verify_signature": False})
        assert claims.keys() == {"iss", "sub", "aud", "exp", "iat", "at_hash"}
        return
    grants = await op.stores.tickets.grants(subject="u-alice")
    stored = await op.stores.tickets.current(grants[0].grant_id, TokenKind.REFRESH_TOKEN)
    assert stored is not None
    assert stored.ticket.presenters == {"custom"}
    assert (stored.origin_grant, stored.ticket.redeems, dict(stored.ticket.carry)) == (CUSTOM, None, {})


@pytest.mark.parametrize("kind", [TokenKind.ACCESS_TOKEN, TokenKind.ID_TOKEN])
async def test_asos_serialization_claims_need_their_destination(clock: FrozenClock, kind: TokenKind) -> None:
    """Serialization: a claim without the right destination is not in an access or ID token; one with it is."""
    op = await provider(clock)
    claims = {"with": "yes", "without": "no"}
    code = await op.code(claims=claims, destinations={"with": frozenset({kind}), "without": frozenset()})
    members = (await op.redeem(code)).json()
    name = "access_token" if kind is TokenKind.ACCESS_TOKEN else "id_token"
    made = pyjwt.decode(members[name], options={"verify_signature": False})
    assert made["with"] == "yes"
    assert "without" not in made


async def test_asos_serialization_the_key_of_an_id_token_is_the_clients(clock: FrozenClock) -> None:
    """Serialization: key choice: asymmetric only; an event may name another of the issuer's algorithms."""

    async def other(making: Serialization) -> Serialization:
        return msgspec.structs.replace(making, algorithm="RS256")

    events = ProviderEvents(serialize_identity_token=other)
    op = await provider(clock, algorithms=("ES256", "RS256"), events=events)
    members = (await op.redeem(await op.code())).json()
    assert pyjwt.get_unverified_header(members["id_token"])["alg"] == "RS256"
    assert pyjwt.get_unverified_header(members["access_token"])["alg"] == "ES256"


async def test_asos_serialization_an_unknown_algorithm_is_our_fault(clock: FrozenClock) -> None:
    """Serialization: missing signing credentials: server_error, and nothing is burned."""

    async def other(making: Serialization) -> Serialization:
        return msgspec.structs.replace(making, algorithm="HS256")

    op = await provider(clock, events=ProviderEvents(serialize_access_token=other))
    code = await op.code()
    assert (await op.redeem(code)).json() == {"error": "server_error"}
    assert (await (await provider(clock, stores=op.stores)).redeem(code)).status == 200
