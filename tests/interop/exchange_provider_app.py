"""The provider whose tokens are exchanged: `uvicorn --factory tests.interop.exchange_provider_app:application`."""

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from authwright.asgi.served_provider import ServedProvider
from authwright.crypto.seal import RootKeys
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, TOKEN_EXCHANGE
from authwright.provider.events import ProviderEvents
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import Decision, Declined, Granted
from authwright.provider.settings import Resource
from authwright.registrations import client, user
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.ticket import Ticket, TokenKind

ISSUER_VARIABLE = "AUTHWRIGHT_INTEROP_ISSUER"
SECRET = "a-shared-secret-of-more-than-thirty-two-bytes"
USERNAME, PASSWORD, SUBJECT = "alice", "alice-secret", "u-alice"
API = "https://api.example"
BASE = "https://apis.example/auth/"


class Photos:
    """Grants reading, whoever asks, and nothing else."""

    async def authorize(
        self, request: AuthenticatedTokenRequest[Any], subject: str, services: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        granted = Granted(scopes=(BASE + "photos.readonly",), claims={"geo": "CA"}, payload={"album": 7})
        return {name: granted if name == "photos" else Declined() for name in services}


async def let_the_api_act(request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Ticket | None:
    """Alice's tokens say that the API may act for her."""
    if request.request.grant_type != "password":
        return None
    return msgspec.structs.replace(
        ticket,
        claims={**ticket.claims, "may_act": {"sub": "api"}},
        destinations={**ticket.destinations, "may_act": frozenset({TokenKind.ACCESS_TOKEN})},
    )


def application() -> ServedProvider:
    return standard_provider(
        issuer=os.environ[ISSUER_VARIABLE],
        stores=memory_stores(),
        keys=RootKeys([bytes(range(32))]),
        clients=[
            client(
                "web",
                SECRET,
                grant_types=["password", "refresh_token"],
                scope="openid read write offline_access",
            ),
            client(
                "api",
                SECRET,
                grant_types=["client_credentials", TOKEN_EXCHANGE],
                scope="openid read",
                allowed_subject_token_types=(ACCESS_TOKEN, ID_TOKEN),
                allowed_consent_services=("photos", "mail"),
            ),
        ],
        users=[user(USERNAME, PASSWORD, sub=SUBJECT)],
        resources=[Resource(uri=API, scopes=("read", "write"), introspected_by=frozenset({"api"}))],
        token_exchange=ExchangePolicy(base_scope=BASE),
        scope_authority=Photos(),
        events=ProviderEvents(token_endpoint=let_the_api_act),
    )
