"""What an issuer publishes about itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from authwright.protocol.http import Json

OPENID_CONFIGURATION = "/.well-known/openid-configuration"
OAUTH_AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"

_FOR_PEOPLE = frozenset({"op_policy_uri", "op_tos_uri"})


class ProviderMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The members both sides use; anything else is left out."""

    issuer: str
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    registration_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    backchannel_authentication_endpoint: str | None = None
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ()
    response_modes_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    subject_types_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    introspection_endpoint_auth_methods_supported: tuple[str, ...] = ()
    introspection_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = ()
    revocation_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = ()
    introspection_signing_alg_values_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    tls_client_certificate_bound_access_tokens: bool | None = None
    code_challenge_methods_supported: tuple[str, ...] = ()
    prompt_values_supported: tuple[str, ...] = ()
    claims_supported: tuple[str, ...] = ()
    acr_values_supported: tuple[str, ...] = ()
    backchannel_token_delivery_modes_supported: tuple[str, ...] = ()
    backchannel_user_code_parameter_supported: bool | None = None
    backchannel_logout_supported: bool | None = None
    backchannel_logout_session_supported: bool | None = None
    authorization_response_iss_parameter_supported: bool = False
    userinfo_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_signing_alg_values_supported: tuple[str, ...] = ()
    request_object_signing_alg_values_supported: tuple[str, ...] = ()
    require_pushed_authorization_requests: bool | None = None
    require_signed_request_object: bool | None = None
    mtls_endpoint_aliases: Mapping[str, str] = {}
    request_parameter_supported: bool | None = None
    request_uri_parameter_supported: bool | None = None
    claims_parameter_supported: bool | None = None


class MetadataRejected(Exception):
    """The document is not one this issuer may publish; `reason` is a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def openid_configuration_url(issuer: str) -> str:
    """Where OpenID Connect Discovery §4 puts the document: below the issuer's path."""
    return issuer.removesuffix("/") + OPENID_CONFIGURATION


def oauth_metadata_url(issuer: str) -> str:
    """Where RFC 8414 §3.1 puts the document: between the host and the issuer's path."""
    scheme, _, rest = issuer.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{OAUTH_AUTHORIZATION_SERVER}" + (
        f"/{path.removesuffix('/')}" if slash and path else ""
    )


def build_metadata(metadata: ProviderMetadata) -> dict[str, Json]:
    """The JSON object; absent members left out."""
    written: dict[str, Any] = msgspec.to_builtins(metadata)
    return {name: value for name, value in written.items() if value not in (None, ())}


def parse_metadata(content: Json, *, issuer: str) -> ProviderMetadata:
    """Read a document. Raises MetadataRejected unless it is `issuer`'s own and its endpoints are as safe as it is."""
    if not isinstance(content, Mapping):
        raise MetadataRejected("not_an_object")
    # RFC 8414 §3.3: the issuer in the document must be identical to the one it was asked for.
    if content.get("issuer") != issuer:
        raise MetadataRejected("issuer_mismatch")
    try:
        metadata = msgspec.convert(
            {name: value for name, value in content.items() if value is not None}, ProviderMetadata
        )
    except msgspec.ValidationError:
        raise MetadataRejected("malformed") from None
    for name, value in content.items():
        # A null member is an absent one; the two links to pages for people are nowhere fetched from.
        if value is not None and name.endswith(("_endpoint", "_uri")) and name not in _FOR_PEOPLE:
            _check_endpoint(value, issuer)
    for value in metadata.mtls_endpoint_aliases.values():
        _check_endpoint(value, issuer)
    return metadata


def _check_endpoint(url: Json, issuer: str) -> None:
    # RFC 8414 §2: endpoints use https; an http issuer exists on loopback only, for development.
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise MetadataRejected("endpoint_malformed")
    if not url.startswith("https://") and not (issuer.startswith("http://") and url.startswith("http://")):
        raise MetadataRejected("endpoint_not_https")
