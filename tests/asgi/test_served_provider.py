"""The provider as an application, with a database of its own: what an embedder writes, and nothing more."""

import asyncio
from pathlib import Path

import pytest

from authwright.asgi import lifecycle
from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.protocol.client_credentials import basic_authorization
from authwright.registrations import client
from authwright.standard import standard_provider
from authwright.stores.sqlite import SqliteDatabase
from tests.asgi.asgi_peer import Exchange, http_scope

FORM = b"grant_type=client_credentials"
AUTHORIZATION = basic_authorization("machine", "machine-secret-machine-secret").encode()
HEADERS = [(b"content-type", b"application/x-www-form-urlencoded"), (b"authorization", AUTHORIZATION)]


def embedded(path: Path) -> ServedProvider:
    database = SqliteDatabase(path)
    machine = client(
        "machine", "machine-secret-machine-secret", grant_types=["client_credentials"], scope="read"
    )
    return standard_provider(
        issuer="https://op.example",
        stores=database.stores,
        opened=database.open,
        closed=database.close,
        keys=RootKeys([b"k" * 32]),
        clients=[machine],
        algorithms=("ES256",),
    )


async def lifespan(app: ServedProvider) -> tuple[asyncio.Queue[str], asyncio.Queue[str], asyncio.Task[None]]:
    inbox: asyncio.Queue[str] = asyncio.Queue()
    outbox: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": await inbox.get()}

    async def send(message: dict[str, str]) -> None:
        await outbox.put(message["type"])

    task = asyncio.create_task(app({"type": "lifespan", "asgi": {}}, receive, send))  # type: ignore[arg-type]
    await inbox.put("lifespan.startup")
    assert await outbox.get() == "lifespan.startup.complete"
    return inbox, outbox, task


async def test_a_database_given_before_it_is_open_is_opened_with_the_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stores can be handed over at import time; upkeep runs by itself while the application does."""
    monkeypatch.setattr(lifecycle, "UPKEEP", lifecycle.UPKEEP / 60_000)
    app = embedded(tmp_path / "authwright.db")
    kept = asyncio.Event()
    maintain = app.maintain

    async def counted() -> None:
        await maintain()
        kept.set()

    monkeypatch.setattr(app, "maintain", counted)
    inbox, outbox, task = await lifespan(app)
    exchange = await Exchange(FORM).run(app, http_scope("POST", "/token", headers=HEADERS))
    assert exchange.status == 200
    async with asyncio.timeout(5):
        await kept.wait()
    await inbox.put("lifespan.shutdown")
    assert await outbox.get() == "lifespan.shutdown.complete"
    await task
