"""How the provider sends logout tokens: to whom, how often, and what it does not wait for."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from authwright.crypto.handles import Handles
from authwright.crypto.jwt import verify_jwt
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse
from authwright.protocol.logout import parse_backchannel_logout, parse_logout_token
from authwright.protocol.params import parse_form
from authwright.provider import backchannel_logout
from authwright.provider.backchannel_logout import BackchannelLogout
from authwright.provider.clients import Clients
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
from authwright.records import Session
from authwright.registrations import client
from authwright.stores.memory import MemoryClients, MemoryKeys
from authwright.testing.clock import FrozenClock
from tests.provider.installation import ISSUER

KEYS = RootKeys([bytes(range(32))])


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def signing(clock: FrozenClock) -> Signing:
    return Signing(MemoryKeys(), Seal(KEYS, "signing-key"), algorithms=("ES256", "RS256"), clock=clock)


def sender(fetch: Fetch, signing: Signing, clock: FrozenClock) -> BackchannelLogout:
    handles = Handles(KEYS.derive("handles"))
    registered = [
        client(
            "news", backchannel_logout_uri="https://news.example/out", redirect_uris=["https://news.example/"]
        ),
        client("quiet", redirect_uris=["https://quiet.example/"]),
    ]
    return BackchannelLogout(
        settings=Settings(issuer=ISSUER, algorithms=("ES256", "RS256")),
        clients=Clients(
            MemoryClients(), configured=[item.digested(handles, clock) for item in registered], clock=clock
        ),
        signing=signing,
        fetch=fetch,
        clock=clock,
        pauses=(0.001, 0.001),
    )


def session_of(clock: FrozenClock, *clients: str) -> Session:
    return Session(
        digest="d",
        session_id="sid-1",
        subject="u-alice",
        auth_time=clock(),
        created_at=clock(),
        expires_at=clock() + timedelta(hours=1),
        clients=frozenset(clients),
    )


class Receiver:
    """Answers what it is told to, in order, the last for ever; notes what came."""

    def __init__(self, *answers: Callable[[], HttpResponse]) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()

    def tokens(self) -> list[str]:
        return [
            parse_backchannel_logout(parse_form(request.headers.get("content-type"), request.body))
            for request in self.requests
        ]


def taken() -> HttpResponse:
    return HttpResponse(200)


def down() -> HttpResponse:
    raise OSError("10.1.2.3 refused the connection")


async def test_a_client_is_told_with_a_token_it_can_check(
    signing: Signing, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Back-Channel Logout §2.4: signed by the issuer's key, typed, for this client, naming session and user."""
    receiver = Receiver(taken)
    notices = sender(receiver, signing, clock)
    notices.tell(session_of(clock, "news", "quiet", "gone"))
    await notices.settled()
    (request,) = receiver.requests
    assert (request.method, request.url) == ("POST", "https://news.example/out")
    (token,) = receiver.tokens()
    verified = verify_jwt(
        token, await signing.verification_keys(), algorithms=("ES256",), types=("logout+jwt",)
    )
    read = parse_logout_token(verified.claims, issuer=ISSUER, client_id="news", now=clock())
    assert (read.subject, read.session_id) == ("u-alice", "sid-1")
    assert read.expires_at == clock() + timedelta(minutes=2)
    # The others have no address, or are not there any more: nothing was tried, and nothing is amiss.
    assert caplog.records == []


@pytest.mark.parametrize(
    "trouble", [down, lambda: HttpResponse(503), lambda: HttpResponse(500), lambda: HttpResponse(429)]
)
async def test_what_may_pass_is_tried_again_with_a_new_token(
    signing: Signing,
    clock: FrozenClock,
    trouble: Callable[[], HttpResponse],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A new jti each time: the client may have noted the last one before it failed."""
    receiver = Receiver(trouble, taken)
    notices = sender(receiver, signing, clock)
    notices.tell(session_of(clock, "news"))
    await notices.settled()
    assert len(set(receiver.tokens())) == 2
    assert caplog.records == []


@pytest.mark.parametrize("status", [400, 404, 302, 401])
async def test_a_refusal_is_the_last_word(
    signing: Signing, clock: FrozenClock, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Back-Channel Logout §2.7: not sent again; the operator is told, without the token; no redirect is followed."""
    caplog.set_level(logging.WARNING)
    receiver = Receiver(lambda: HttpResponse(status))
    notices = sender(receiver, signing, clock)
    notices.tell(session_of(clock, "news"))
    await notices.settled()
    assert len(receiver.requests) == 1
    (record,) = caplog.records
    assert (record.message, vars(record)["client_id"]) == ("logout.not_delivered", "news")
    assert vars(record)["reason"] == f"status {status}"
    assert receiver.tokens()[0] not in str(vars(record))


async def test_a_dead_receiver_is_given_up_and_named(
    signing: Signing, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """After the last attempt; where it could not be reached stays out of the log."""
    receiver = Receiver(down)
    notices = sender(receiver, signing, clock)
    notices.tell(session_of(clock, "news"))
    await notices.settled()
    assert len(receiver.requests) == 3
    (record,) = caplog.records
    assert vars(record)["reason"] == "OSError"
    assert "10.1.2.3" not in caplog.text


async def test_nobody_waits_for_it_at_the_end(signing: Signing, clock: FrozenClock) -> None:
    """close gives up what hangs, and leaves no task behind."""
    arrived = asyncio.Event()

    async def hangs(request: HttpRequest) -> HttpResponse:
        arrived.set()
        await asyncio.sleep(60)
        raise AssertionError("it was not given up")

    notices = sender(hangs, signing, clock)
    notices.tell(session_of(clock, "news"))
    await arrived.wait()
    before = asyncio.all_tasks()
    await notices.close(0.01)
    assert asyncio.all_tasks() < before


async def test_dead_receivers_do_not_fill_the_memory(
    signing: Signing, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond a number that wait, new notices are dropped and said to be."""
    monkeypatch.setattr(backchannel_logout, "MAX_WAITING", 2)
    receiver = Receiver(taken)
    notices = sender(receiver, signing, clock)
    for _ in range(3):
        notices.tell(session_of(clock, "news"))
    await notices.settled()
    assert len(receiver.requests) == 2
    assert [vars(record)["reason"] for record in caplog.records] == ["too_many"]


async def test_a_session_without_clients_starts_nothing(signing: Signing, clock: FrozenClock) -> None:
    """Most sign-outs have nobody to tell."""
    receiver = Receiver(taken)
    notices = sender(receiver, signing, clock)
    before = asyncio.all_tasks()
    notices.tell(session_of(clock))
    assert asyncio.all_tasks() == before
    assert receiver.requests == []
