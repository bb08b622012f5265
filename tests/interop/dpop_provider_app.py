"""The provider for peers that bind tokens: `uvicorn --factory tests.interop.dpop_provider_app:application`."""

import os

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.provider.settings import Resource
from authwright.registrations import client
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from tests.interop.provider_app import API, ISSUER_VARIABLE, SECRET


def application() -> ServedProvider:
    """A machine that must prove a key, with nonces, and an API that introspects."""
    return standard_provider(
        issuer=os.environ[ISSUER_VARIABLE],
        stores=memory_stores(),
        keys=RootKeys([bytes(range(32))]),
        algorithms=("ES256",),
        dpop_nonce=True,
        clients=[
            client(
                "machine",
                SECRET,
                grant_types=["client_credentials"],
                scope="read",
                dpop_bound_access_tokens=True,
            ),
            client("api", SECRET, grant_types=[], scope=""),
        ],
        resources=[Resource(uri=API, scopes=("read",), introspected_by=frozenset({"api"}))],
    )
