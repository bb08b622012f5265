"""No secret is kept in clear (security §4.5, §5): not in the database, its log, the operator's log or the audit.

Whole flows at the level of debug, their refusals and our own faults among them; then every value that went over the
wire is looked for in everything that was written down.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import asyncpg
import msgspec
import pytest

from authwright.crypto.seal import RootKeys
from authwright.protocol.ciba import CIBA
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, html_response
from authwright.protocol.params import encode
from authwright.registrations import client
from authwright.standard_rp import RelyingParty
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.protocols import Stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing.browser import Browser
from authwright.testing.clock import FrozenClock
from tests.attacks.recorder import Recorder, forms_of
from tests.attacks.test_namespaces import PLACES
from tests.provider.authorize.sign_in import Site
from tests.provider.client_authentication.assertions import ASSERTION_TYPE, JWKS, assertion
from tests.provider.installation import CALLBACK, ISSUER, SECRET, VERIFIER, Installation, install
from tests.provider.sender_constrained.bound_clients import TOKEN, ask, userinfo
from tests.provider.sender_constrained.peers import Prover
from tests.provider.token.test_faults_of_ours import Unreachable

APP = "https://shop.example"
NOTIFIED = "https://bank.example/notified"
ALL_GRANTS = ["authorization_code", "refresh_token", "client_credentials", DEVICE_CODE, CIBA, TOKEN_EXCHANGE]
SCOPE = "openid profile offline_access read"
HEARD = "https://app.example/logout"

CLIENTS = (
    client(
        "web", SECRET, redirect_uris=[CALLBACK], scope=SCOPE, grant_types=ALL_GRANTS,
        backchannel_logout_uri=HEARD, refresh_grace=10,
    ),
    # What the test of namespaces presents everywhere is presented by this one.
    client("all", SECRET, redirect_uris=[CALLBACK], scope=SCOPE, grant_types=ALL_GRANTS),
    client("opaque", SECRET, grant_types=["client_credentials"], scope="read", access_token_format="opaque"),
    client("signer", jwks=JWKS, grant_types=["client_credentials"], scope="read"),
    client(
        "hs", SECRET, token_endpoint_auth_method="client_secret_jwt", grant_types=["client_credentials"],
        scope="read",
    ),
    client(
        "ping", SECRET, grant_types=[CIBA], scope=SCOPE, backchannel_token_delivery_mode="ping",
        backchannel_client_notification_endpoint=NOTIFIED,
    ),
    client(
        "push", SECRET, grant_types=[CIBA], scope=SCOPE, backchannel_token_delivery_mode="push",
        backchannel_client_notification_endpoint=NOTIFIED,
    ),
    client("shop", "shop-secret-that-is-long-enough", redirect_uris=[APP + "/auth/callback"], scope=SCOPE),
)  # fmt: skip


@dataclass
class Watched:
    """A provider whose every request and answer is noted."""

    provider: Any
    recorder: Recorder
    answered: list[tuple[HttpRequest, HttpResponse]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.provider, name)

    async def handle(self, request: HttpRequest) -> HttpResponse:
        answer = await self.recorder.watching(self.provider.handle)(request)
        self.answered.append((request, answer))
        return answer


@dataclass
class World:
    """A provider, a browser, an application with sessions in the same database, and what all of them said."""

    site: Site
    recorder: Recorder
    stores: Stores
    answered: list[tuple[HttpRequest, HttpResponse]]
    """Every request to the provider, with its answer."""
    pushed: asyncio.Queue[HttpRequest] = field(default_factory=asyncio.Queue)
    """What the provider sent to others."""

    @property
    def op(self) -> Installation:
        return self.site.op


@asynccontextmanager
async def world_on(opening: SqliteDatabase | PostgresDatabase, clock: FrozenClock) -> AsyncIterator[World]:
    recorder: Recorder = Recorder()
    pushed: asyncio.Queue[HttpRequest] = asyncio.Queue()

    async def outside(request: HttpRequest) -> HttpResponse:
        # What the provider sends to others: pings, pushed tokens, logout tokens.
        recorder.request(request)
        if request.body.startswith(b"{"):
            recorder.answer(HttpResponse(200, _JSON, request.body))
        pushed.put_nowait(request)
        return HttpResponse(204)

    async def announce(_: object) -> None:
        """The person will look by herself."""

    async with opening as database:
        op = await install(database.stores, clock, clients=CLIENTS, fetch=outside, ciba=announce)
        watched = Watched(op.provider, recorder)
        op = replace(op, provider=cast("Any", watched))
        rp = RelyingParty(
            issuer=ISSUER, client_id="shop", client_secret="shop-secret-that-is-long-enough", base_url=APP,
            scopes=["openid", "profile", "offline_access"], fetch=op.provider.handle,
            sessions=database.stores.relying_party_sessions, keys=RootKeys([b"r" * 32]), clock=clock,
        )  # fmt: skip

        async def shop(request: HttpRequest) -> HttpResponse:
            found = await rp.handle(request)
            return html_response(200, "<p>hello</p>") if isinstance(found, Pass) else found

        browser = Browser({ISSUER: op.provider.handle, APP: recorder.watching(shop)}, clock=clock)
        yield World(Site(op=op, browser=browser), recorder, database.stores, watched.answered, pushed)
        await op.provider.close()


_JSON = HttpResponse(200).with_headers(("content-type", "application/json")).headers


async def signs_in(world: World) -> dict[str, Any]:
    """In a browser, after a wrong password; the code is redeemed after wrong tries, and replayed at the end."""
    site, op = world.site, world.op
    await site.authorize(scope=SCOPE)
    await site.login(password="not-what-was-agreed-on")
    # The password in the field for the name, which happens to everybody: what counts attempts must not keep it.
    world.recorder.note("password", typed := "hunter2-typed-one-field-too-early")
    await site.login(username=typed)
    page = await site.login()
    page = await site.browser.click("consent-allow")
    code = page.params.require("code")
    await op.redeem(code, secret="a-secret-that-is-wrong")
    await op.redeem(code, code_verifier="w" * 43)
    tokens = await site.tokens(page)
    for _ in range(2):
        # The second comes inside the window of grace, and is given the same successor.
        refreshed = (await op.refresh(tokens["refresh_token"])).json()
    assert (await op.get("/userinfo", authorization=f"Bearer {refreshed['access_token']}")).status == 200
    assert await op.is_active(refreshed["refresh_token"])
    op.clock.advance(20)
    again = await site.tokens(await site.authorize(scope=SCOPE))
    assert (await op.redeem(code)).json()["error"] == "invalid_grant"
    return again


async def asks_for_itself(world: World) -> None:
    """By secret, by key, by a shared secret that signs, with a proof; each also once too often."""
    op = world.op
    assert (await op.post("/token", client_id="opaque", grant_type="client_credentials")).status == 200
    for signed in (
        assertion(op, "signer"),
        assertion(op, "hs", key=SECRET, alg="HS256", headers={}),
    ):
        members = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed,
        }
        statuses = [(await op.post("/token", client_id=None, **members)).status for _ in range(2)]
        assert statuses == [200, 401]
    prover = Prover(op.clock)
    proof = prover.proof("POST", TOKEN)
    answers = [await ask(op, proof, client_id="opaque") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 400]
    await userinfo(op, answers[0].json()["access_token"], proof)


async def lets_a_device_in(world: World) -> None:
    op, browser = world.op, world.site.browser
    begun = (await op.post("/device_authorization", client_id="web", scope=SCOPE)).json()
    polling = {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]}
    assert (await op.post("/token", client_id="web", **polling)).json()["error"] == "authorization_pending"
    await browser.get(f"{ISSUER}/device")
    await browser.click("device-continue", user_code="BCDF-GHJK")
    await browser.get(begun["verification_uri_complete"])
    await browser.click("device-continue")
    await browser.click("device-allow")
    op.clock.advance(20)
    assert (await op.post("/token", client_id="web", **polling)).status == 200
    assert (await op.post("/token", client_id="web", **polling)).status == 400


async def answers_the_bank(world: World) -> None:
    op, browser = world.op, world.site.browser
    for mode in ("ping", "push"):
        begun = await op.post(
            "/backchannel_authentication", client_id=mode, scope=SCOPE, login_hint="alice",
            client_notification_token=f"notify-{mode}-8d67dc78-7faa-4d41",
        )  # fmt: skip
        assert begun.status == 200, begun.body
        page = await browser.get(f"{ISSUER}/backchannel_authentication/requests")
        button = next(button for form in page.forms for button in form.buttons if "allow" in button.id)
        await browser.click(button.id)
        await asyncio.wait_for(world.pushed.get(), 5)
        if mode == "ping":
            auth_req_id = begun.json()["auth_req_id"]
            polled = await op.post("/token", client_id=mode, grant_type=CIBA, auth_req_id=auth_req_id)
            assert polled.status == 200, polled.body


async def exchanges(world: World, tokens: dict[str, Any]) -> None:
    for subject_type in (ACCESS_TOKEN, "urn:example:wrong"):
        await world.op.post(
            "/token", grant_type=TOKEN_EXCHANGE, subject_token=tokens["access_token"], subject_token_type=subject_type
        )  # fmt: skip


async def visits_the_shop(world: World) -> None:
    """The relying party's flow and session, in the same database."""
    page = await world.site.browser.get(APP + "/auth/login")
    if page.has("consent-allow"):
        page = await world.site.browser.click("consent-allow")
    assert page.url.startswith(APP), page.html
    assert world.site.browser.cookie("__Host-authwright_rp_session") is not None


async def signs_out(world: World, tokens: dict[str, Any]) -> None:
    await world.op.post("/revoke", token=tokens["access_token"])
    await world.site.browser.get(f"{ISSUER}/end_session?{encode([('id_token_hint', tokens['id_token'])])}")
    await asyncio.wait_for(world.pushed.get(), 5)


async def presents_everything_everywhere(world: World) -> None:
    """Each value where it does not belong, so that each refusal is logged."""
    for value in list(world.recorder.seen):
        for present, _ in PLACES.values():
            await present(world.op, value)


async def meets_our_faults(world: World, clock: FrozenClock, tokens: dict[str, Any]) -> None:
    """The store is gone; what was sent is then in our hands when the exception is."""
    broken = await install(
        msgspec.structs.replace(world.stores, tickets=Unreachable()), clock, clients=CLIENTS
    )
    assert (await broken.refresh(tokens["refresh_token"])).status == 503
    bearer = await broken.get("/userinfo", authorization=f"Bearer {tokens['access_token']}")
    assert bearer.status == 503
    await broken.provider.close()


async def everything(world: World, clock: FrozenClock) -> dict[str, Any]:
    tokens = await signs_in(world)
    await asks_for_itself(world)
    await lets_a_device_in(world)
    await answers_the_bank(world)
    await exchanges(world, tokens)
    await visits_the_shop(world)
    await meets_our_faults(world, clock, tokens)
    await signs_out(world, tokens)
    await presents_everything_everywhere(world)
    return tokens


def written_by(records: list[logging.LogRecord]) -> bytes:
    """Each record with all it carries, its traceback among that."""
    plain = logging.Formatter()
    lines = [
        f"{record.getMessage()} {vars(record)!r} {plain.formatException(record.exc_info) if record.exc_info else ''}"
        for record in records
    ]
    return "\n".join(lines).encode()


def files_in(directory: Path) -> Iterator[tuple[str, bytes]]:
    """The database, and its write-ahead log while it is open."""
    for path in sorted(directory.iterdir()):
        yield path.name, path.read_bytes()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


async def test_no_secret_is_in_the_database_its_log_the_log_or_the_audit(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """§4.5: zero hits of every code, token, secret, cookie, proof, user code and password; and a planted one is found."""
    caplog.set_level(logging.DEBUG)
    async with world_on(SqliteDatabase(tmp_path / "store.db", clock=clock), clock) as world:
        await everything(world, clock)
        kinds = {kind.partition(" ")[0] for kind in world.recorder.seen.values()}
        assert kinds >= {
            "access_token", "refresh_token", "id_token", "code", "device_code", "user_code", "auth_req_id",
            "client", "client_assertion", "client_notification_token", "logout_token", "password", "cookie",
            "form", "DPoP",
        }  # fmt: skip
        assert len(world.recorder.seen) > 60
        # While it is open the log beside it holds what was written last.
        places = [*files_in(tmp_path), ("the log", written_by(caplog.records))]
        places.append(("the audit", "\n".join(map(repr, world.op.audit)).encode()))
        assert any(name.endswith("-wal") and octets for name, octets in places)
        assert len(caplog.records) > 100
        assert len(world.op.audit) > 20
        assert world.recorder.leaks(places) == set()
        # Else the search could not fail: one of them where careless code would have put it.
        planted = next(value for value, kind in world.recorder.seen.items() if kind == "refresh_token")
        await world.stores.once.claim(f"jti {planted}", clock())
        assert {leak.place for leak in world.recorder.leaks(files_in(tmp_path))} == {"store.db-wal"}
    assert {leak.place for leak in world.recorder.leaks(files_in(tmp_path))} == {"store.db"}


@pytest.mark.postgres
async def test_no_secret_is_in_the_tables_of_postgresql(postgres_database: str, clock: FrozenClock) -> None:
    """§4.5: every row of every table as text, octets in hex; and a planted one is found."""
    async with world_on(PostgresDatabase(postgres_database, clock=clock), clock) as world:
        await everything(world, clock)
        tables = await tables_of(postgres_database)
        assert {"public.tickets", "public.sessions", "public.once"} <= tables.keys()
        assert all(tables[name] for name in ("public.tickets", "public.limits", "public.signing_keys"))
        assert world.recorder.leaks(tables.items()) == set()
        planted = next(value for value, kind in world.recorder.seen.items() if kind == "refresh_token")
        await world.stores.once.claim(f"jti {planted}", clock())
        found = world.recorder.leaks((await tables_of(postgres_database)).items())
        assert {leak.place for leak in found} == {"public.once"}


async def tables_of(dsn: str) -> dict[str, bytes]:
    """All that a dump would hold."""
    connection = await asyncpg.connect(dsn)
    try:
        names = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        tables: dict[str, bytes] = {}
        for row in names:
            lines = await connection.fetch(f"SELECT t::text AS text FROM {row['name']} t")  # noqa: S608
            tables[row["name"]] = "\n".join(line["text"] for line in lines).encode()
        return tables
    finally:
        await connection.close()


@pytest.mark.parametrize("form", [name for name, _ in forms_of("rt_" + "A1b2C3d4/+" * 5)])
def test_a_planted_secret_is_found_in_every_form(form: str) -> None:
    """Whole, or sixteen characters of it."""
    secret = "rt_" + "A1b2C3d4/+" * 5
    recorder = Recorder()
    recorder.note("refresh_token", secret)
    for octets in (octets for name, octets in forms_of(secret) if name == form):
        for part in (octets, octets[7:23]):
            assert recorder.leaks([("a log", b"before " + part + b" after")])
    assert recorder.leaks([("a log", b"nothing of it, though rt_A1b2C3d4 is how it begins")]) == set()


def test_the_recorder_knows_every_parameter_and_cookie() -> None:
    """Of a request and of an answer, or the test above would look for less than it says."""
    recorder = Recorder()
    recorder.request(
        HttpRequest.to(
            "POST",
            f"{ISSUER}/token",
            headers={"authorization": "Basic d2ViOmEtc2VjcmV0", "cookie": "a=cookie-value"},
            body=encode([("code", "the-code-it-is"), ("code_verifier", VERIFIER), ("scope", "openid-and-more")]).encode(),
        )
    )  # fmt: skip
    recorder.answer(
        HttpResponse(303).with_headers(
            ("set-cookie", "b=another-value; Path=/"), ("location", "https://app.example/?code=another-code")
        )
    )
    assert set(recorder.seen) == {
        "d2ViOmEtc2VjcmV0", "a-secret", "cookie-value", "the-code-it-is", VERIFIER, "another-value", "another-code",
    }  # fmt: skip
