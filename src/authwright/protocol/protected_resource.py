"""What a protected resource says of itself, and where (RFC 9728)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from authwright.protocol.http import Json

WELL_KNOWN = "/.well-known/oauth-protected-resource"

_LISTS = (
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
    "dpop_signing_alg_values_supported",
)
_FLAGS = ("dpop_bound_access_tokens_required", "tls_client_certificate_bound_access_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResourceMetadata:
    """The members of RFC 9728 §2 that we build and read; `extra` holds any others, as they are."""

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes_supported: tuple[str, ...] = ()
    bearer_methods_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict)


def metadata_url(resource: str) -> str:
    """Where the document of a resource is: the well-known path stands between its host and its own path.

    RFC 9728 §3.1. Raises ValueError for what cannot be a resource identifier (§1.2: a URL with no fragment).
    """
    parts = urlsplit(resource)
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a resource identifier is an absolute https URL")
    if "#" in resource or not resource.isascii() or not resource.isprintable() or " " in resource:
        raise ValueError("a resource identifier has no fragment and only characters of a URL")
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{path}{query}"


def build_protected_resource(metadata: ProtectedResourceMetadata) -> dict[str, Json]:
    """The document. RFC 9728 §3.2: a member without a value is left out."""
    members: dict[str, Json] = {
        "resource": metadata.resource,
        "authorization_servers": list(metadata.authorization_servers),
        "scopes_supported": list(metadata.scopes_supported),
        "bearer_methods_supported": list(metadata.bearer_methods_supported),
        "dpop_signing_alg_values_supported": list(metadata.dpop_signing_alg_values_supported),
        "dpop_bound_access_tokens_required": metadata.dpop_bound_access_tokens_required,
        "tls_client_certificate_bound_access_tokens": metadata.tls_client_certificate_bound_access_tokens,
        **metadata.extra,
    }
    return {name: value for name, value in members.items() if value}


def parse_protected_resource(content: Json, *, resource: str) -> ProtectedResourceMetadata:
    """The document of `resource`. Raises ValueError for one that is malformed or another's (RFC 9728 §3.3)."""
    if not isinstance(content, dict):
        raise ValueError("the metadata of a protected resource is a JSON object")
    # RFC 9728 §3.3: compared exactly, or one resource could pass for another.
    if content.get("resource") != resource:
        raise ValueError("the metadata is that of another resource")
    lists = {name: _texts(content, name) for name in _LISTS}
    flags = {name: _flag(content, name) for name in _FLAGS}
    known = {"resource", *_LISTS, *_FLAGS}
    extra = {name: value for name, value in content.items() if name not in known}
    return ProtectedResourceMetadata(
        resource=resource,
        authorization_servers=lists["authorization_servers"],
        scopes_supported=lists["scopes_supported"],
        bearer_methods_supported=lists["bearer_methods_supported"],
        dpop_signing_alg_values_supported=lists["dpop_signing_alg_values_supported"],
        dpop_bound_access_tokens_required=flags["dpop_bound_access_tokens_required"],
        tls_client_certificate_bound_access_tokens=flags["tls_client_certificate_bound_access_tokens"],
        extra=extra,
    )


def _texts(content: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = content.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} is not a list of strings")
    return tuple(value)


def _flag(content: Mapping[str, Json], name: str) -> bool:
    value = content.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is not true or false")
    return value
