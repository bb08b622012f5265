"""The profiles that an issuer, or one client of it, may follow, and what each demands.

`oidc`: OpenID Connect and RFC 9700, with what they leave to an operator. `oauth21`: OAuth 2.1, which leaves less. `mcp`:
OAuth 2.1 as the Model Context Protocol has it: every access token is for a resource that was named (RFC 8707).
A profile that is not whole yet is refused by name, and never followed in part.
"""

from collections.abc import Collection, Iterator

import msgspec

from authwright.protocol.errors import InvalidTarget
from authwright.protocol.token import PASSWORD, REFRESH_TOKEN
from authwright.records import Client

OIDC = "oidc"
OAUTH21 = "oauth21"
MCP = "mcp"
PROFILES = (OIDC, OAUTH21, MCP)
INCOMPLETE = {"fapi2": "it needs pushed authorization requests (RFC 9126), which are not there yet"}
"""Profiles to come, and what they lack."""

_STRICT = (OAUTH21, MCP)


def check_profile(profile: str, resources: Collection[object]) -> None:
    """Raises ValueError, in words for an operator, for an issuer's profile that cannot be followed."""
    _check_known(profile)
    if profile == MCP and not resources:
        raise ValueError(
            "profile: 'mcp' needs resources: every request must name one, and there is none to name"
        )


def _check_known(profile: str) -> None:
    if profile in INCOMPLETE:
        raise ValueError(f"profile: {profile!r} is not available in this version: {INCOMPLETE[profile]}")
    if profile not in PROFILES:
        raise ValueError(f"profile: {profile!r} is not known; allowed are {', '.join(PROFILES)}")


def unmet(
    profile: str,
    *,
    public: bool,
    grant_types: Collection[str],
    require_pkce: bool,
    refresh_rotation: bool,
    bound: bool,
) -> Iterator[tuple[str, str]]:
    """What about a client does not keep to its profile: the member's name, and what is demanded of it.

    `public`: it does not authenticate. `bound`: all its tokens are bound to a key.
    """
    if public and REFRESH_TOKEN in grant_types and not refresh_rotation and not bound:
        yield (
            "refresh_rotation",
            "found false; refresh tokens of a client without a secret must rotate, or be bound to a key"
            " (RFC 9700 §4.14.2)",
        )
    if profile not in _STRICT:
        return
    if not require_pkce:
        yield "require_pkce", f"found false; {profile} has PKCE for every client (OAuth 2.1 §7.5.2)"
    if PASSWORD in grant_types:
        yield "grant_types", f"names 'password', which {profile} does not have (OAuth 2.1 §10.1)"


def check_client(client: Client, issuers_profile: str) -> None:
    """Raises ValueError for a client that does not keep to its profile, or to the issuer's where it has none."""
    profile = client.profile or issuers_profile
    try:
        _check_known(profile)
    except ValueError as error:
        raise ValueError(f"client {client.client_id!r}: {error}") from None
    for member, demand in unmet(
        profile,
        public=not client.confidential,
        grant_types=client.grant_types,
        require_pkce=client.require_pkce,
        refresh_rotation=client.refresh_rotation,
        bound=_bound(client),
    ):
        raise ValueError(f"client {client.client_id!r}: {member}: {demand}")


def tightened(client: Client, issuers_profile: str) -> Client:
    """A client of the store as its profile lets it be, whatever stands in the store; its profile filled in.

    It may have been stored before the issuer took the profile up.
    """
    profile = client.profile or issuers_profile
    strict = profile in _STRICT
    return msgspec.structs.replace(
        client,
        profile=profile,
        require_pkce=client.require_pkce or strict,
        grant_types=client.grant_types - {PASSWORD} if strict else client.grant_types,
        refresh_rotation=client.refresh_rotation or not (client.confidential or _bound(client)),
    )


def check_resource_named(client: Client, resources: tuple[str, ...]) -> tuple[str, ...]:
    """`resources`, which an mcp client must have named (RFC 8707 §2). Raises InvalidTarget."""
    if not resources and client.profile == MCP:
        raise InvalidTarget("The 'resource' parameter is missing.", detail="resource.missing")
    return resources


def _bound(client: Client) -> bool:
    return client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
