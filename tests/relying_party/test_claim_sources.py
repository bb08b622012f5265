"""Aggregated and distributed claims (OpenID Connect Core §5.6.2): believed of a trusted provider alone."""

from typing import Any

import pytest

from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpRequest, HttpResponse, Json
from tests.relying_party.hostile_provider import (
    Browser,
    HostileProvider,
    relying_party,
    sign_in,
)

BANK = "https://bank.example"
ENDPOINT = BANK + "/claims"


class World:
    """The provider, and a bank that vouches for claims."""

    def __init__(self, provider: HostileProvider) -> None:
        self.provider = provider
        self.bank = HostileProvider(provider.clock, BANK)
        self.bank.answers["/claims"] = self.distribute
        self.said: list[HttpRequest] = []
        self.claims: dict[str, Json] = {"credit_score": 650, "staff": [True, "x"], "name": "Mallory"}
        self.key = self.bank.key
        self.typ = ""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return await (self.bank if request.origin == BANK else self.provider)(request)

    def token(self) -> str:
        kept = {name: value for name, value in {"iss": BANK, **self.claims}.items() if value is not None}
        return sign_jwt(self.key, kept, typ=self.typ)

    def distribute(self, request: HttpRequest) -> HttpResponse:
        self.said.append(request)
        return HttpResponse(200, Headers.of({"content-type": "application/jwt"}), self.token().encode())

    async def sign_in(
        self, source: Json, *, trusted: tuple[str, ...] = (BANK,), **names: str
    ) -> dict[str, Json]:
        """The user's claims."""
        named: dict[str, Json] = {"credit_score": "src", "staff": "src", **names}
        self.provider.userinfo = {
            "sub": "u-alice", "email": "a@b.c", "_claim_names": named, "_claim_sources": {"src": source},
        }  # fmt: skip
        party = relying_party(self, claims_providers=trusted)  # type: ignore[arg-type]
        browser = Browser(party)
        assert (await sign_in(self.provider, browser)).status == 303
        signed_in = await party.session(browser.request("GET", "/"))
        assert signed_in is not None
        return dict(signed_in.claims)

    # What `relying_party` of the tests asks of a provider.

    @property
    def clock(self) -> Any:
        return self.provider.clock


@pytest.fixture
def world(provider: HostileProvider) -> World:
    return World(provider)


async def test_aggregated_claims_become_the_users(world: World) -> None:
    """With their JSON types; what the provider says itself stays."""
    claims = await world.sign_in({"JWT": world.token()}, email="src")
    assert (claims["credit_score"], claims["staff"]) == (650, [True, "x"])
    assert (claims["email"], claims["name"], claims["sub"]) == ("a@b.c", "Alice Example", "u-alice")
    assert not {"_claim_names", "_claim_sources", "iss"} & claims.keys()


@pytest.mark.parametrize("bearer", ["ksj3n283dke", None])
async def test_distributed_claims_are_fetched(world: World, bearer: str | None) -> None:
    """With the access token that came with the address, where there is one."""
    source: dict[str, Json] = {"endpoint": ENDPOINT} | ({"access_token": bearer} if bearer else {})
    assert (await world.sign_in(source))["credit_score"] == 650
    (request,) = world.said
    assert request.headers.get("authorization") == (f"Bearer {bearer}" if bearer else None)


async def test_nobody_is_asked_unless_somebody_is_trusted(world: World) -> None:
    """By default neither is followed."""
    for source in ({"JWT": world.token()}, {"endpoint": ENDPOINT, "access_token": "x"}):
        assert "credit_score" not in await world.sign_in(source, trusted=())
    assert world.bank.requests == []


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://op.example"}, "iss"),
        ({"iss": BANK + "/"}, "iss"),
        ({"aud": "somebody else"}, "aud"),
        ({"exp": 1}, "exp"),
        ({"iat": 4_000_000_000}, "iat"),
    ],
)
async def test_a_token_that_is_not_for_us_now_says_nothing(
    world: World, caplog: pytest.LogCaptureFixture, claims: dict[str, Json], reason: str
) -> None:
    """The sign-in goes on without these claims, and the log says why."""
    world.claims |= claims
    assert "credit_score" not in await world.sign_in({"JWT": world.token()})
    (record,) = [vars(r) for r in caplog.records if getattr(r, "event", "") == "rp.claims_left_out"]
    assert record["reason"] == reason


async def test_a_token_for_us_is_taken(world: World) -> None:
    """`aud` and `exp` count where they are there."""
    world.claims |= {"aud": ["web"], "exp": int(world.clock().timestamp()) + 60}
    assert (await world.sign_in({"JWT": world.token()}))["credit_score"] == 650


async def test_another_key_and_another_kind_of_token_say_nothing(world: World) -> None:
    """Signed by somebody else; an access token of the bank's; no token at all."""
    world.key = SigningKey.generate("ES256")
    assert "credit_score" not in await world.sign_in({"JWT": world.token()})
    world.key, world.typ = world.bank.key, "at+jwt"
    assert "credit_score" not in await world.sign_in({"JWT": world.token()})
    for source in ({"JWT": "a.b.c"}, {"JWT": 5}, {}, None, "x", {"endpoint": "http://bank.example/claims"}):
        assert "credit_score" not in await world.sign_in(source)
    assert world.said == []


async def test_a_source_that_is_away_costs_only_its_claims(world: World) -> None:
    """Down, or an error."""
    world.bank.down.add("/claims")
    assert (await world.sign_in({"endpoint": ENDPOINT}))["email"] == "a@b.c"
    world.bank.down.clear()
    world.bank.answers["/claims"] = lambda request: HttpResponse(403)
    assert "credit_score" not in await world.sign_in({"endpoint": ENDPOINT})


async def test_a_source_does_not_say_who_the_user_is(world: World) -> None:
    """Nor anything it was not asked for."""
    world.claims |= {"sub": "u-mallory", "acr": "high", "groups": "admins"}
    claims = await world.sign_in({"JWT": world.token()}, sub="src", acr="src")
    assert claims["sub"] == "u-alice"
    assert not {"acr", "groups"} & claims.keys()


async def test_malformed_references_are_nobodys(world: World) -> None:
    """Whatever is in their place."""
    for names, sources in ((5, {}), ({"a": 5}, {"b": 1}), ({"a": "src"}, []), ({"a": ["src"]}, {"src": {}})):
        world.provider.userinfo = {"sub": "u-alice", "_claim_names": names, "_claim_sources": sources}
        party = relying_party(world, claims_providers=(BANK,))  # type: ignore[arg-type]
        assert (await sign_in(world.provider, Browser(party))).status == 303


async def test_no_more_than_eight_sources_are_asked(world: World) -> None:
    """However many a UserInfo answer names."""
    world.provider.userinfo = {
        "sub": "u-alice",
        "_claim_names": {f"c{number}": f"s{number}" for number in range(100)},
        "_claim_sources": {f"s{number}": {"endpoint": ENDPOINT} for number in range(100)},
    }
    party = relying_party(world, claims_providers=(BANK,))  # type: ignore[arg-type]
    assert (await sign_in(world.provider, Browser(party))).status == 303
    assert len(world.said) == 8


@pytest.mark.parametrize("trusted", [("http://bank.example",), ("",), "https://bank.example"])
def test_whom_to_trust_is_said_exactly(provider: HostileProvider, trusted: Any) -> None:
    """Issuers, by https."""
    with pytest.raises(ValueError, match="claims_providers"):
        relying_party(provider, claims_providers=trusted)
