"""Sessions that several processes refresh, and one of those processes.

`python -m tests.relying_party.refresh_child STORE LOG TASKS`: reads digests of sessions, one a line, until an empty
line; asks for the access token of each TASKS times at once; prints {digest: [tokens]}. What it sends to the token
endpoint is one line each in LOG, which all processes append to.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

from authwright.clock import utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.http import Fetch, HttpRequest, HttpResponse, json_response
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.client import RelyingPartyClient
from authwright.relying_party.party import RelyingParty
from authwright.stores.protocols import RelyingPartySessionStore
from authwright.stores.sqlite import SqliteDatabase

ISSUER = "https://op.example"
ROOTS = RootKeys([b"r" * 32])


def successor(kind: str, refresh_token: str) -> str:
    """What the provider gives for a refresh token: always the same, so that any process can tell."""
    return f"{kind}_{hashlib.sha256(refresh_token.encode()).hexdigest()[:24]}"


def logging_fetch(log: Path) -> Fetch:
    """A token endpoint that writes down which refresh tokens came."""

    async def fetch(request: HttpRequest) -> HttpResponse:
        assert request.path == "/token"
        sent = dict(parse_qsl(request.body.decode()))["refresh_token"]
        file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # One write of one line is not torn apart by another process's.
        os.write(file, f"{sent}\n".encode())
        os.close(file)
        await asyncio.sleep(0.05)
        return json_response(
            200,
            {
                "access_token": successor("at", sent),
                "refresh_token": successor("rt", sent),
                "token_type": "Bearer",
                "expires_in": 600,
            },
        )

    return fetch


def party_over(store: RelyingPartySessionStore, fetch: Fetch) -> RelyingParty:
    return RelyingParty(
        issuer=ISSUER,
        client=RelyingPartyClient(client_id="web"),
        fetch=fetch,
        seal=Seal(ROOTS, "relying_party"),
        handles=Handles(ROOTS.derive("handles")),
        sessions=store,
        base_url="https://app.example",
        clock=utcnow,
        metadata=ProviderMetadata(issuer=ISSUER, token_endpoint=ISSUER + "/token"),
    )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RelyingPartySessionStore]:
    """The sessions in a SQLite file, a PostgreSQL or a Valkey."""
    if url.startswith("valkey:"):
        from authwright.stores.valkey import ValkeyDatabase

        async with ValkeyDatabase(url) as valkey:
            yield valkey.relying_party_sessions
    elif url.startswith("postgres"):
        from authwright.stores.postgres import PostgresDatabase

        async with PostgresDatabase(url) as postgres:
            yield postgres.stores.relying_party_sessions
    else:
        async with SqliteDatabase(url) as sqlite:
            yield sqlite.stores.relying_party_sessions


async def main(url: str, log: Path, tasks: int) -> None:
    async with opened(url) as store:
        party = party_over(store, logging_fetch(log))
        print("ready", flush=True)
        digests = [line.strip() for line in iter(sys.stdin.readline, "\n")]
        held = [await party.sessions.load(digest) for digest in digests]
        tokens = await asyncio.gather(
            *(party.access_token(one) for one in held if one is not None for _ in range(tasks))
        )
        got = {digest: tokens[i * tasks : (i + 1) * tasks] for i, digest in enumerate(digests)}
        print(json.dumps(got), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
