"""OpenID Connect and OAuth for Python: a provider and a relying party, async, complete and safe.

The names below are what most applications need; every other public name is in the module of its room.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authwright.consent_services.messages import ConsentAnswer, ConsentRequest
    from authwright.crypto.seal import RootKeys
    from authwright.protocol.errors import Refused
    from authwright.protocol.http import PASS, Fetch, HttpRequest, HttpResponse
    from authwright.provider.events import ProviderEvents
    from authwright.provider.settings import Resource, TrustedIssuer
    from authwright.records import ConsentService
    from authwright.registrations import client, user
    from authwright.relying_party.errors import Denied, Forbidden, LoginRequired
    from authwright.relying_party.user import User
    from authwright.resource_server.access_token import AccessToken
    from authwright.resource_server.refusals import BearerRefused
    from authwright.standard import standard_provider
    from authwright.standard_consent_router import ConsentRouter
    from authwright.standard_consent_services import ConsentServices
    from authwright.standard_parties import RelyingParties
    from authwright.standard_rp import RelyingParty
    from authwright.standard_rs import ResourceServer, either
    from authwright.stores.memory import memory_stores

# Found when first asked for, so that one room can be used without loading, or installing, what the others need.
_HOMES = {
    "AccessToken": "authwright.resource_server.access_token",
    "BearerRefused": "authwright.resource_server.refusals",
    "ConsentAnswer": "authwright.consent_services.messages",
    "ConsentRequest": "authwright.consent_services.messages",
    "ConsentRouter": "authwright.standard_consent_router",
    "ConsentService": "authwright.records",
    "ConsentServices": "authwright.standard_consent_services",
    "Denied": "authwright.relying_party.errors",
    "LoginRequired": "authwright.relying_party.errors",
    "Forbidden": "authwright.relying_party.errors",
    "User": "authwright.relying_party.user",
    "PASS": "authwright.protocol.http",
    "Fetch": "authwright.protocol.http",
    "HttpRequest": "authwright.protocol.http",
    "HttpResponse": "authwright.protocol.http",
    "ProviderEvents": "authwright.provider.events",
    "Refused": "authwright.protocol.errors",
    "RelyingParties": "authwright.standard_parties",
    "RelyingParty": "authwright.standard_rp",
    "Resource": "authwright.provider.settings",
    "TrustedIssuer": "authwright.provider.settings",
    "ResourceServer": "authwright.standard_rs",
    "either": "authwright.standard_rs",
    "RootKeys": "authwright.crypto.seal",
    "client": "authwright.registrations",
    "memory_stores": "authwright.stores.memory",
    "standard_provider": "authwright.standard",
    "user": "authwright.registrations",
}

__all__ = [
    "PASS",
    "AccessToken",
    "BearerRefused",
    "ConsentAnswer",
    "ConsentRequest",
    "ConsentRouter",
    "ConsentService",
    "ConsentServices",
    "Denied",
    "Fetch",
    "Forbidden",
    "HttpRequest",
    "HttpResponse",
    "LoginRequired",
    "ProviderEvents",
    "Refused",
    "RelyingParties",
    "RelyingParty",
    "Resource",
    "ResourceServer",
    "RootKeys",
    "TrustedIssuer",
    "User",
    "client",
    "either",
    "memory_stores",
    "standard_provider",
    "user",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'authwright' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
