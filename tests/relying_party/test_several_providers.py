"""sec_P2: several providers in one application: nobody's answer is taken to somebody else, and one cookie serves all."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

import authwright
from authwright.asgi.in_process import InProcess
from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import PASS, HttpRequest, HttpResponse
from authwright.relying_party.client import Paths, Public, RelyingPartyClient
from authwright.relying_party.errors import LoginRequired, NoAccessToken
from authwright.relying_party.parties import RelyingParties
from authwright.relying_party.party import RelyingParty
from authwright.standard_rp import standard_relying_party
from authwright.stores.memory import MemoryRelyingPartySessions
from authwright.stores.protocols import StoreUnavailable
from tests.relying_party.hostile_provider import (
    BASE,
    Browser,
    Clock,
    HostileProvider,
    error_code,
    json_body,
    location,
)

KEYS = RootKeys([b"k" * 32])


class World:
    """Two providers, one application."""

    def __init__(self, **options: Any) -> None:
        clock = Clock()
        self.blue = HostileProvider(clock, "https://blue.example")
        self.red = HostileProvider(clock, "https://red.example")
        self.sessions = MemoryRelyingPartySessions(clock)
        self.made = [self.party("blue", self.blue), self.party("red", self.red)]
        self.parties = RelyingParties(self.made, **options)
        self.browser = Browser(self.parties)  # type: ignore[arg-type]

    def party(self, name: str, provider: HostileProvider, **options: Any) -> RelyingParty:
        given: dict[str, Any] = {
            "name": name, "issuer": provider.issuer, "client_id": "web", "base_url": BASE, "keys": KEYS,
            "fetch": provider, "sessions": self.sessions, "clock": provider.clock, **options,
        }  # fmt: skip
        return standard_relying_party(**given)

    async def sign_in(self, name: str, path: str = "") -> HttpResponse:
        provider = {"blue": self.blue, "red": self.red}[name]
        sent = location(await self.browser.get(f"/auth/{name}/login{path}"))
        assert sent.startswith(provider.issuer)
        return await self.browser.get(provider.authorize(sent))


@pytest.fixture
def world() -> World:
    return World()


async def test_sec_P2_each_provider_has_a_redirect_uri_of_its_own(world: World) -> None:
    """P2: per-connection redirect_uri, and state bound to connection and issuer."""
    for name in ("blue", "red"):
        assert location(await world.sign_in(name, "?return_to=/x")) == BASE + "/x"
    assert [world.blue.last("/token")["redirect_uri"], world.red.last("/token")["redirect_uri"]] == [
        f"{BASE}/auth/blue/callback",
        f"{BASE}/auth/red/callback",
    ]


@pytest.mark.parametrize("names_its_issuer", [True, False])
async def test_sec_P2_an_answer_is_not_taken_to_another_provider(
    world: World, names_its_issuer: bool
) -> None:
    """P2: mix-up: an honest provider's code, brought to the dishonest one's callback, is not sent to it."""
    sent = location(await world.browser.get("/auth/red/login"))
    url = world.red.authorize(sent) if names_its_issuer else world.red.authorize(sent, iss=None)
    response = await world.browser.get(url.replace("/auth/red/", "/auth/blue/"))
    assert (response.status, error_code(response)) == (400, "flow_of_another_issuer")
    assert (world.red.asked("/token"), world.blue.asked("/token")) == (0, 0)
    assert not world.browser.signed_in


async def test_sec_P2_a_code_injected_under_another_s_name_is_refused(world: World) -> None:
    """P2: RFC 9207: the dishonest provider answers the honest one's attempt in its own name."""
    sent = location(await world.browser.get("/auth/red/login"))
    response = await world.browser.get(world.red.authorize(sent, iss=world.blue.issuer))
    assert error_code(response) == "iss_mismatch"
    assert world.red.asked("/token") == 0


async def test_whose_user_is_signed_in_is_known(world: World) -> None:
    """One cookie, one session at a time: the last sign-in counts, and the earlier session is over."""
    await world.sign_in("blue")
    kept = dict(world.browser.cookies)
    signed_in = await world.parties.session(world.browser.request("GET", "/"))
    assert signed_in is not None
    assert (signed_in.iss, world.parties.party_of(signed_in).name) == (world.blue.issuer, "blue")
    world.red.subject = "u-red"
    world.red.userinfo = {"sub": "u-red"}
    await world.sign_in("red")
    signed_in = await world.parties.session(world.browser.request("GET", "/"))
    assert signed_in is not None
    assert (world.parties.user(signed_in).iss, signed_in.sub) == (world.red.issuer, "u-red")
    world.browser.cookies = kept
    assert await world.parties.session(world.browser.request("GET", "/")) is None


async def test_a_user_chooses_and_comes_back(world: World) -> None:
    """Without a default a page lists the providers; a script is told where that page is."""
    request = world.browser.request("GET", "/orders")
    sent = location(await world.parties.challenge_for(request, LoginRequired()))
    assert sent == f"{BASE}/auth/login?return_to=%2Forders"
    page = (await world.browser.get(sent)).body.decode()
    assert f'href="{BASE}/auth/blue/login?return_to=%2Forders"' in page
    assert f'href="{BASE}/auth/red/login?return_to=%2Forders"' in page
    script = world.browser.request("GET", "/orders", sec_fetch_mode="cors")
    answer = await world.parties.challenge_for(script, LoginRequired())
    assert (answer.status, answer.json()["login_url"]) == (401, sent)
    assert (await world.browser.get("/auth/login", sec_fetch_mode="cors")).status == 401
    assert (await world.browser.get("/auth/login?return_to=%")).status == 400
    evil = await world.browser.get("/auth/login?return_to=//evil.example")
    assert "evil" not in evil.body.decode()


async def test_an_application_may_choose_for_the_user() -> None:
    """A default, or the provider a LoginRequired names."""
    world = World(default="blue")
    request = world.browser.request("GET", "/x")
    assert location(await world.parties.challenge_for(request, LoginRequired())).startswith(world.blue.issuer)
    needed = LoginRequired(provider="red")
    assert location(await world.parties.challenge_for(request, needed)).startswith(world.red.issuer)
    assert location(await world.browser.get("/auth/login")) == f"{BASE}/auth/blue/login"


async def test_signing_out_is_done_where_the_user_is_signed_in(world: World) -> None:
    """One address for all; without a session it leads home."""
    await world.sign_in("red")
    assert (await world.browser.get("/auth/logout")).status == 200
    sent = location(await world.browser.post("/auth/logout"))
    assert sent.startswith(world.red.issuer + "/end_session")
    assert not world.browser.signed_in
    request = world.browser.request("POST", "/x")
    assert location(await world.parties.sign_out(request, return_to="/bye")) == BASE + "/bye"
    await world.sign_in("blue")
    answer = await world.parties.sign_out(world.browser.request("POST", "/x"))
    assert location(answer).startswith(world.blue.issuer + "/end_session")
    cross = world.browser.request("POST", "/x", origin="https://evil.example")
    assert not world.parties.is_same_origin(cross)


async def test_a_hundred_tabs_share_one_room(world: World) -> None:
    """sec_P5: with several providers as well: five attempts and 3.5 KB together."""
    for number in range(100):
        world.blue.clock.forward(seconds=1)
        await world.browser.get(f"/auth/{('blue', 'red')[number % 2]}/login?return_to=/{number}")
    names = world.browser.flow_cookies()
    assert len(names) == 5
    assert sum(len(name) + len(world.browser.cookies[name]) for name in names) <= 3500


def test_parties_that_could_be_taken_for_one_another_are_refused(world: World) -> None:
    """Names, paths, base URLs and issuers."""
    blue, red = world.made
    for parties, match in (
        ([], "name"),
        ([blue, blue], "name"),
        ([blue, world.party("", world.red)], "name"),
        ([blue, world.party("red", world.red, base_url="https://other.example")], "base_url"),
        ([blue, world.party("red", world.red, paths=Paths(prefix="/auth/blue"))], "paths"),
        ([blue, world.party("red", world.red, paths=Paths(prefix="/auth"))], "paths"),
        ([blue, world.party("two", world.blue)], "issuer"),
    ):
        with pytest.raises(ValueError, match=match):
            RelyingParties(parties)
    with pytest.raises(ValueError, match="default"):
        RelyingParties([blue, red], default="green")


def test_sec_P2_two_parties_do_not_take_the_same_tenant(world: World) -> None:
    """P2: one template with a tenant in common is one issuer twice, however the parties are named."""
    made = {
        name: world.party(name, world.blue, issuer=TEMPLATE, tenants=tenants, metadata_url=URL)
        for name, tenants in (("one", ["t1", "t2"]), ("two", ["t2"]), ("three", ["t3"]))
    }
    with pytest.raises(ValueError, match="issuer"):
        RelyingParties([made["one"], made["two"]])
    RelyingParties([made["one"], made["three"]])


async def test_a_session_store_that_is_away_is_503_at_the_sign_out_of_all(world: World) -> None:
    """Our fault, not the user's: they are told to come again, and still have their cookie."""
    await world.sign_in("blue")

    async def away(digest: str) -> None:
        raise StoreUnavailable

    world.sessions.load = away  # type: ignore[method-assign]
    answer = await world.browser.post("/auth/logout")
    assert (answer.status, answer.headers.get("retry-after")) == (503, "5")
    assert world.browser.signed_in


async def test_a_session_of_nobody_is_nobody_s(world: World) -> None:
    """A record of an issuer that was removed from the application."""
    await world.sign_in("red")
    signed_in = await world.parties.session(world.browser.request("GET", "/"))
    assert signed_in is not None
    alone = RelyingParties(world.made[:1])
    assert await alone.session(world.browser.request("GET", "/")) is None
    with pytest.raises(NoAccessToken):
        alone.party_of(signed_in)
    assert await world.parties.handle(world.browser.request("GET", "/elsewhere")) is PASS


async def test_an_application_has_one_guard_for_all() -> None:
    """`authwright.RelyingParties` in front of FastAPI: the same dependencies, the same middleware."""
    clock = Clock()
    providers = {name: HostileProvider(clock, f"https://{name}.example") for name in ("blue", "red")}
    sessions = MemoryRelyingPartySessions(clock)
    heard: list[str] = []
    rp = authwright.RelyingParties(
        [
            authwright.RelyingParty(
                name=name, issuer=provider.issuer, client_id="web", base_url=BASE, keys=KEYS, fetch=provider,
                sessions=sessions, clock=clock,
            )
            for name, provider in providers.items()
        ]
    )  # fmt: skip

    from authwright.relying_party.events import TicketReceived

    rp.on(TicketReceived)(lambda context: heard.append(context.user.iss))
    app = FastAPI()
    app.add_middleware(rp.middleware)

    @app.get("/me")
    async def me(user: Annotated[authwright.User, Depends(rp.user)]) -> dict[str, str]:
        return {"iss": user.iss}

    site = InProcess(app)
    navigating = {"accept": "text/html", "sec-fetch-mode": "navigate"}
    turned_away = await site(HttpRequest.to("GET", BASE + "/me", headers=navigating))
    assert turned_away.headers.get("location") == f"{BASE}/auth/login?return_to=%2Fme"
    assert (await site(HttpRequest.to("GET", BASE + "/me"))).status == 401
    browser = Browser(rp.core)  # type: ignore[arg-type]
    for name, provider in providers.items():
        sent = location(await browser.get(f"/auth/{name}/login"))
        await browser.get(provider.authorize(sent))
        user = await rp.user_of(browser.request("GET", "/"))
        assert user is not None
        assert user.iss == provider.issuer
        cookie = "; ".join(f"{held}={value}" for held, value in browser.cookies.items())
        answer = await site(HttpRequest.to("GET", BASE + "/me", headers={"cookie": cookie}))
        assert answer.json() == {"iss": provider.issuer}
    assert heard == [provider.issuer for provider in providers.values()]
    assert location(await rp.sign_out(browser.request("POST", "/x"))).startswith(
        "https://red.example/end_session"
    )
    await rp.close()


# --- One provider with many tenants

TEMPLATE = "https://login.example/{tenantid}/v2.0"
URL = "https://login.example/common/.well-known/openid-configuration"


class Tenants:
    """A provider whose metadata has a template for an issuer."""

    def __init__(self, *tenants: str) -> None:
        self.provider = HostileProvider(Clock(), "https://login.example")
        self.provider.metadata["issuer"] = TEMPLATE
        self.provider.answers["/common/.well-known/openid-configuration"] = lambda request: HttpResponse(
            200, body=json_body(self.provider.metadata)
        )
        self.browser = Browser(
            RelyingParty(
                issuer=TEMPLATE,
                client=RelyingPartyClient(client_id="web", auth=Public()),
                fetch=self.provider,
                seal=Seal(KEYS, "relying_party"),
                handles=Handles([b"h" * 32]),
                sessions=MemoryRelyingPartySessions(self.provider.clock),
                base_url=BASE,
                clock=self.provider.clock,
                tenants=tenants,
                metadata_url=URL,
            )
        )

    async def sign_in(self, tenant: Any, **claims: Any) -> HttpResponse:
        issuer = TEMPLATE.replace("{tenantid}", str(tenant))
        self.provider.id_token = {"iss": issuer, "tid": tenant, **claims}
        sent = location(await self.browser.get("/auth/login"))
        return await self.browser.get(self.provider.authorize(sent, iss=issuer))


async def test_a_tenant_that_is_allowed_signs_in_under_its_own_issuer() -> None:
    """The identity is (iss, sub) with the tenant's issuer, not the template."""
    tenants = Tenants("t1", "t2")
    for tenant in ("t1", "t2"):
        assert (await tenants.sign_in(tenant)).status == 303
        signed_in = await tenants.browser.party.session(tenants.browser.request("GET", "/"))
        assert signed_in is not None
        assert signed_in.iss == f"https://login.example/{tenant}/v2.0"


@pytest.mark.parametrize(
    ("tenant", "claims", "reason"),
    [
        ("t3", {}, "iss_mismatch"),
        ("t1", {"tid": "t3"}, "id_token_tenant"),
        ("t1", {"tid": "t2"}, "id_token_iss"),
        ("t1", {"tid": None}, "id_token_tenant"),
        ("t1", {"tid": ["t1"]}, "id_token_tenant"),
        ("t1", {"iss": "https://login.example/t2/v2.0"}, "id_token_iss"),
        ("t1", {"iss": TEMPLATE}, "id_token_iss"),
        ("t1", {"iss": "https://evil.example/t1/v2.0"}, "id_token_iss"),
    ],
)
async def test_another_tenant_is_refused(tenant: str, claims: dict[str, Any], reason: str) -> None:
    """`iss` equals the template filled with the token's own `tid`, and that is on the list."""
    tenants = Tenants("t1", "t2")
    assert error_code(await tenants.sign_in(tenant, **claims)) == reason
    assert not tenants.browser.signed_in


@pytest.mark.parametrize("issuer", ["https://login.example/t1/v2.0", "https://login.example", TEMPLATE + "/"])
async def test_the_metadata_must_have_the_very_template(issuer: str) -> None:
    """sec_P6: compared exactly, as any issuer."""
    tenants = Tenants("t1")
    tenants.provider.metadata["issuer"] = issuer
    assert error_code(await tenants.browser.get("/auth/login")) == "issuer_mismatch"


@pytest.mark.parametrize("tenants", ["t1", ["a/b"], ["{tenantid}"], [""], ["."], ["a b"], ["é"]])
def test_a_tenant_is_a_plain_name(tenants: Any) -> None:
    """Nothing that could change where the template points."""
    from authwright.relying_party.issuers import Issuers

    with pytest.raises(ValueError):
        Issuers(TEMPLATE, tenants)
