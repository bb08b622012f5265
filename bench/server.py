"""Our side of the benchmark: the standard provider in one process, as `authwright serve` runs it.

    python -m bench.server --port 9100 --store sqlite:build/bench/ours.db --algorithms ES256,RS256

Codes and tokens are made on request, through the provider's own minting and into the store it uses: a line
`kind client_id count file` on standard input puts that many values into the file and is answered with `done`. The end
of standard input ends the server, so that none is left behind.
"""

import argparse
import asyncio
import cProfile
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from authwright.asgi.served_provider import ServedProvider
from authwright.clock import utcnow
from authwright.crypto.handles import Handles, random_id
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.pkce import challenge_of
from authwright.protocol.token import AUTHORIZATION_CODE
from authwright.provider.clients import ClientRegistration
from authwright.provider.device_codes import DeviceCodes
from authwright.provider.minting import Minted, Minting
from authwright.provider.settings import Resource
from authwright.provider.signing import Signing
from authwright.records import Client
from authwright.registrations import client, user
from authwright.server.serving import DrainingServer, bind, run, server_config
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.stores.postgres import PostgresDatabase
from authwright.stores.protocols import Stores
from authwright.stores.sqlite import SqliteDatabase
from authwright.ticket import CodeBinding, Ticket, TokenKind
from bench.rows import API_SCOPE, CALLBACK, RESOURCES, SECRET, VERIFIER

KEYS = RootKeys([bytes(range(32))])
# As many commits as a busy server has under way; the store groups them.
AT_ONCE = 256

LIFETIMES = {
    TokenKind.AUTHORIZATION_CODE: timedelta(minutes=10),
    TokenKind.ACCESS_TOKEN: timedelta(hours=1),
    TokenKind.ID_TOKEN: timedelta(hours=1),
    TokenKind.REFRESH_TOKEN: timedelta(days=1),
}

USER_SCOPES = ("openid", "profile", "email", "offline_access")

CLIENTS: tuple[ClientRegistration, ...] = (
    client("tv", SECRET, grant_types=[DEVICE_CODE, "refresh_token"], scope=" ".join(USER_SCOPES)),
    client(
        "service",
        SECRET,
        grant_types=["client_credentials"],
        scope=API_SCOPE,
        access_token_format="opaque",
    ),
    client("service-jwt", SECRET, grant_types=["client_credentials"], scope=API_SCOPE),
    client(
        "web",
        SECRET,
        redirect_uris=[CALLBACK],
        scope=" ".join(USER_SCOPES),
        access_token_format="opaque",
        id_token_signed_response_alg="ES256",
    ),
    client(
        "web-jwt",
        SECRET,
        redirect_uris=[CALLBACK],
        scope=" ".join(USER_SCOPES),
        id_token_signed_response_alg="ES256",
    ),
)


def signer(jwk: Mapping[str, Any]) -> ClientRegistration:
    """The client that signs with the key of this run."""
    return client(
        "signer",
        grant_types=["client_credentials"],
        scope=API_SCOPE,
        jwks={"keys": [{**jwk, "use": "sig"}]},
        token_endpoint_auth_signing_alg="ES256",
        access_token_format="opaque",
    )


@asynccontextmanager
async def opened(store: str) -> AsyncIterator[Stores]:
    """The stores that `store` names: "memory", "sqlite:PATH" or a PostgreSQL DSN."""
    if store == "memory":
        yield memory_stores()
    elif store.startswith("sqlite:"):
        async with SqliteDatabase(store.removeprefix("sqlite:")) as sqlite:
            yield sqlite.stores
    else:
        async with PostgresDatabase(store) as postgres:
            yield postgres.stores


def provider_on(
    stores: Stores, issuer: str, algorithms: tuple[str, ...], clients: Sequence[ClientRegistration]
) -> ServedProvider:
    """The provider that is measured."""
    return standard_provider(
        issuer=issuer,
        stores=stores,
        keys=KEYS,
        clients=clients,
        users=[
            user(
                "alice",
                sub="u-alice",
                name="Alice Example",
                given_name="Alice",
                family_name="Example",
                email="alice@example.com",
                email_verified=True,
            )
        ],
        resources=[Resource(uri=uri, scopes=(API_SCOPE,)) for uri in RESOURCES],
        algorithms=algorithms,
        lifetimes=LIFETIMES,
    )


class Mint:
    """Makes what a row spends, as the endpoints make it."""

    def __init__(self, provider: ServedProvider, stores: Stores) -> None:
        signing = Signing(
            stores.keys, Seal(KEYS, "signing-key"), algorithms=provider.settings.algorithms, clock=utcnow
        )
        handles = Handles(KEYS.derive("handles"))
        self._minting = Minting(settings=provider.settings, handles=handles, signing=signing)
        self._devices = DeviceCodes(tickets=stores.tickets, handles=handles, settings=provider.settings)
        self._stores = stores
        self._clients = {item.client.client_id: item.client for item in CLIENTS}

    async def values(self, kind: str, client_id: str, count: int) -> list[str]:
        """`count` values of a kind of `TokenKind`, each of a grant of its own, stored when this returns."""
        values: list[str] = []
        while len(values) < count:
            part = min(AT_ONCE, count - len(values))
            values += await asyncio.gather(
                *(self._value(TokenKind(kind), self._clients[client_id]) for _ in range(part))
            )
        return values

    async def _value(self, kind: TokenKind, for_client: Client) -> str:
        if kind is TokenKind.DEVICE_CODE:
            return (await self._devices.begin(for_client, USER_SCOPES, (), utcnow())).device_code
        minted = await self._minted(kind, for_client)
        if minted.record is None:
            raise ValueError(f"{kind} has no record")
        await self._stores.tickets.commit(id=random_id(), now=utcnow(), add=(minted.record,))
        return minted.value

    async def _minted(self, kind: TokenKind, for_client: Client) -> Minted:
        now = utcnow()
        # The code of the rows asks for no refresh token: neither side makes one then.
        scopes = USER_SCOPES if kind is TokenKind.REFRESH_TOKEN else USER_SCOPES[:3]
        ticket = Ticket(
            grant_id=random_id(),
            client_id=for_client.client_id,
            subject="u-alice",
            session_id=random_id(),
            scopes=scopes,
            presenters=frozenset((for_client.client_id,)),
            auth_time=now,
            nonce="n-0S6_WzA2Mj",
            confidential=True,
        )
        if kind is TokenKind.AUTHORIZATION_CODE:
            binding = CodeBinding(redirect_uri=CALLBACK, code_challenge=challenge_of(VERIFIER))
            return await self._minting.authorization_code(ticket, binding, for_client, now)
        if kind is TokenKind.REFRESH_TOKEN:
            return await self._minting.refresh_token(ticket, for_client, AUTHORIZATION_CODE, now)
        return await self._minting.access_token(ticket, for_client, AUTHORIZATION_CODE, now)


async def obey(mint: Mint, profile: cProfile.Profile | None) -> None:
    """Carry out the lines of standard input until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        kind, client_id, count, file = line.decode().split()
        # What is made here is not what is measured.
        if profile is not None:
            profile.disable()
        values = await mint.values(kind, client_id, int(count))
        Path(file).write_text("".join(f"{value}\n" for value in values))  # noqa: ASYNC240 - not measured
        if profile is not None:
            profile.enable()
        print("done", flush=True)


async def serve(
    port: int,
    store: str,
    algorithms: tuple[str, ...],
    jwk: Mapping[str, Any],
    profile: cProfile.Profile | None = None,
) -> None:
    """Until standard input ends."""
    async with opened(store) as stores:
        clients = (*CLIENTS, signer(jwk)) if jwk else CLIENTS
        provider = provider_on(stores, f"http://127.0.0.1:{port}", algorithms, clients)
        server = DrainingServer(server_config(provider))
        if profile is not None:
            profile.enable()
        serving = asyncio.create_task(server.serve(sockets=[bind("127.0.0.1", port, "--port")]))
        obeying = asyncio.create_task(obey(Mint(provider, stores), profile))
        await asyncio.wait({serving, obeying}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)
        if not obeying.cancelled() and (error := obeying.exception()) is not None:
            raise error


def main() -> None:
    parser = argparse.ArgumentParser(description="Our side of the benchmark; bench.run starts it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--algorithms", default="ES256,RS256")
    parser.add_argument("--jwk", type=json.loads, default={}, help="the public key of the client that signs")
    parser.add_argument(
        "--profile", default="", help="a file for cProfile's figures of the event loop's thread"
    )
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    try:
        algorithms = tuple(options.algorithms.split(","))
        run(serve(options.port, options.store, algorithms, options.jwk, profile))
    finally:
        if profile is not None:
            profile.disable()
            profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
