"""The provider that every peer is pointed at: `uvicorn --factory tests.interop.fleet_app:application`."""

import os

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.http_client import GuardedClient
from authwright.provider.settings import Resource
from authwright.registrations import user
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from tests.interop.fleet_clients import API, PASSWORD, SETTINGS_VARIABLE, SUBJECT, USERNAME, FleetSettings


def application() -> ServedProvider:
    """Behind a proxy on this machine, which ends TLS; proofs of possession need a nonce."""
    settings = FleetSettings.loaded(os.environ[SETTINGS_VARIABLE])
    outside = GuardedClient(allow=["localhost"], ca_file=settings.ca_file)
    return standard_provider(
        issuer=settings.issuer,
        stores=memory_stores(),
        keys=RootKeys([bytes(range(32))]),
        clients=settings.clients(),
        users=[user(USERNAME, PASSWORD, sub=SUBJECT, name="Alice Example", email="alice@example.com")],
        resources=[Resource(uri=API, scopes=("read",), introspected_by=frozenset({"api"}))],
        dpop_nonce=True,
        trusted_proxies=["127.0.0.1"],
        fetch=outside,
        closed=outside.close,
    )
