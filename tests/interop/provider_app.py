"""The provider that peers written by others are pointed at: `uvicorn --factory tests.interop.provider_app:application`."""

import os
from typing import Any

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.provider.settings import Resource
from authwright.registrations import client, user
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores

ISSUER_VARIABLE = "AUTHWRIGHT_INTEROP_ISSUER"
SECRET = "a secret: with / every + sign % that = encodings ~ disagree about ü"
CALLBACK = "https://app.example/callback"
SIGNED_OUT = "https://app.example/signed-out"
USERNAME, PASSWORD, SUBJECT = "alice", "alice-secret", "u-alice"
SCOPE = "openid profile email offline_access"
API, OTHER_API = "https://api.example", "https://other.example"


def application() -> ServedProvider:
    """One client for each way to authenticate, and between them both algorithms and both kinds of access token;
    machines, and an API that may introspect."""
    issuer = os.environ[ISSUER_VARIABLE]
    web: dict[str, Any] = {
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [SIGNED_OUT],
        "scope": SCOPE,
    }
    return standard_provider(
        issuer=issuer,
        stores=memory_stores(),
        keys=RootKeys([bytes(range(32))]),
        clients=[
            client("basic", SECRET, **web),
            client(
                "post",
                SECRET,
                token_endpoint_auth_method="client_secret_post",
                id_token_signed_response_alg="RS256",
                access_token_format="opaque",
                **web,
            ),
            client("public", **web),
            client("machine", SECRET, grant_types=["client_credentials"], scope="read write"),
            client(
                "opaque-machine",
                SECRET,
                grant_types=["client_credentials"],
                scope="read",
                access_token_format="opaque",
            ),
            client("api", SECRET, grant_types=[], scope=""),
        ],
        users=[user(USERNAME, PASSWORD, sub=SUBJECT, name="Alice Example", email="alice@example.com")],
        resources=[
            Resource(uri=API, scopes=("read", "write"), introspected_by=frozenset({"api"})),
            Resource(uri=OTHER_API, scopes=("read",)),
        ],
    )
