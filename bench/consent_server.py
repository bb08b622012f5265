"""Our provider with consent services, as `authwright serve` runs it, for the consent rows.

    python -m bench.consent_server --port 9100 --store sqlite:build/bench/ours.db --services '[9201, 9202]'

Prints an access token of alice that may be exchanged, and again one for each line of standard input; its end ends it.
"""

import argparse
import asyncio
import cProfile
import json
import sys
from collections.abc import Sequence
from datetime import timedelta

from authwright.asgi.served_provider import ServedProvider
from authwright.clock import utcnow
from authwright.crypto.handles import Handles, random_id
from authwright.crypto.seal import Seal
from authwright.protocol.exchange import TOKEN_EXCHANGE
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.minting import Minting
from authwright.provider.settings import Resource
from authwright.provider.signing import Signing
from authwright.records import ConsentService
from authwright.registrations import client, user
from authwright.server.serving import DrainingServer, bind, run, server_config
from authwright.standard import standard_provider
from authwright.standard_consent_services import ConsentServices
from authwright.stores.protocols import Stores
from authwright.ticket import Ticket
from bench.consent_services import BASE
from bench.rows import API_SCOPE, RESOURCES, SECRET
from bench.server import KEYS, LIFETIMES, opened

TIMEOUT = timedelta(seconds=1)
"""Of each service, and of all together: the deadline of the row in which one hangs."""


def provider_on(stores: Stores, issuer: str, ports: Sequence[int]) -> ServedProvider:
    names = [f"s{number}" for number in range(len(ports))]
    return standard_provider(
        issuer=issuer,
        stores=stores,
        keys=KEYS,
        clients=[
            client(
                "shop",
                SECRET,
                grant_types=[TOKEN_EXCHANGE],
                scope=API_SCOPE,
                access_token_format="opaque",
                allowed_consent_services=tuple(names),
            ),
            client(
                "service",
                SECRET,
                grant_types=["client_credentials"],
                scope=API_SCOPE,
                access_token_format="opaque",
            ),
        ],
        users=[user("alice", sub="u-alice", name="Alice Example")],
        resources=[Resource(uri=uri, scopes=(API_SCOPE,)) for uri in RESOURCES],
        lifetimes=LIFETIMES,
        token_exchange=ExchangePolicy(base_scope=BASE),
        scope_authority=ConsentServices(
            services=[
                ConsentService(
                    name=name, authority=f"http://127.0.0.1:{port}", tenant="main", timeout=TIMEOUT
                )
                for name, port in zip(names, ports, strict=True)
            ],
            deadline=TIMEOUT,
        ),
    )


async def subject_token(provider: ServedProvider, stores: Stores) -> str:
    """An access token of alice's, stored as if the shop had been given it."""
    signing = Signing(
        stores.keys, Seal(KEYS, "signing-key"), algorithms=provider.settings.algorithms, clock=utcnow
    )
    minting = Minting(settings=provider.settings, handles=Handles(KEYS.derive("handles")), signing=signing)
    shop = client("shop", SECRET, access_token_format="opaque").client
    ticket = Ticket(
        grant_id=random_id(),
        client_id="shop",
        subject="u-alice",
        scopes=(API_SCOPE,),
        presenters=frozenset(("shop",)),
        auth_time=utcnow(),
        confidential=True,
    )
    minted = await minting.access_token(ticket, shop, "authorization_code", utcnow())
    if minted.record is None:
        raise ValueError("an opaque token has a record")
    await stores.tickets.commit(id=random_id(), now=utcnow(), add=(minted.record,))
    return minted.value


async def serve(port: int, store: str, ports: Sequence[int], profile: cProfile.Profile | None) -> None:
    """Until standard input ends."""
    async with opened(store) as stores:
        provider = provider_on(stores, f"http://127.0.0.1:{port}", ports)
        server = DrainingServer(server_config(provider))
        serving = asyncio.create_task(server.serve(sockets=[bind("127.0.0.1", port, "--port")]))
        loop = asyncio.get_running_loop()
        while not serving.done():
            print(await subject_token(provider, stores), flush=True)
            if not await loop.run_in_executor(None, sys.stdin.readline):
                break
            # From the second on, when it is warm.
            if profile is not None:
                profile.enable()
        server.should_exit = True
        await serving


def main() -> None:
    parser = argparse.ArgumentParser(description="Our side of the consent rows; bench.run starts it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--services", type=json.loads, required=True)
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    try:
        run(serve(options.port, options.store, options.services, profile))
    finally:
        if profile is not None:
            profile.disable()
            profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
