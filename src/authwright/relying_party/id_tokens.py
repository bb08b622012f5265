"""The ID token, verified as OpenID Connect Core §3.1.3.7 and §3.1.3.8 ask, and on refresh §12.2."""

import hmac
from collections.abc import Mapping
from datetime import datetime

from authwright.crypto.jwt import JwtRejected, half_hash
from authwright.protocol.http import Json
from authwright.protocol.id_token import ExpectedIdToken, IdTokenRejected, check_id_token
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.client import RelyingPartyClient
from authwright.relying_party.errors import ResponseRejected
from authwright.remote.keys import RemoteKeys

_TYPES = ("", "jwt")
"""RFC 8725 §3.11: an access token or a logout token says in `typ` what it is, and is refused by it."""


def accepted_algorithms(client: RelyingPartyClient, metadata: ProviderMetadata) -> tuple[str, ...]:
    """Those the client accepts and the provider says it uses."""
    listed = metadata.id_token_signing_alg_values_supported
    # Discovery §3 makes the member mandatory and RS256 a member of it: without it that is what can be counted on.
    offered = listed or ("RS256",)
    return tuple(algorithm for algorithm in client.id_token_algorithms if algorithm in offered)


async def verify_id_token(
    token: str,
    *,
    keys: RemoteKeys,
    metadata: ProviderMetadata,
    client: RelyingPartyClient,
    expected: ExpectedIdToken,
    access_token: str | None,
) -> Mapping[str, Json]:
    """The claims. Raises ResponseRejected("id_token_…") or RemoteFault when the keys cannot be had."""
    try:
        # A signature is required even straight from the token endpoint: it is what binds the token to the issuer.
        verified = await keys.verify(token, algorithms=accepted_algorithms(client, metadata), types=_TYPES)
        check_id_token(verified.claims, expected)
        if access_token is not None:
            _check_at_hash(verified.header, verified.claims, access_token)
    except (JwtRejected, IdTokenRejected) as rejected:
        raise ResponseRejected(f"id_token_{rejected.reason}") from None
    return verified.claims


def _check_at_hash(header: Mapping[str, Json], claims: Mapping[str, Json], access_token: str) -> None:
    # Core §3.1.3.8: optional in the code flow, but checked when it is there, and an unknown hash never matches.
    if "at_hash" not in claims:
        return
    given = claims["at_hash"]
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode(), half_hash(header["alg"], access_token).encode()
    ):
        raise IdTokenRejected("at_hash")


def expected_id_token(
    *,
    issuer: str,
    client: RelyingPartyClient,
    now: datetime,
    nonce: str | None,
    max_age: int | None = None,
    subject: str | None = None,
    check_nonce: bool = True,
) -> ExpectedIdToken:
    """What this client knows of an ID token before it looks."""
    return ExpectedIdToken(
        issuer=issuer,
        client_id=client.client_id,
        now=now,
        nonce=nonce,
        max_age=max_age,
        subject=subject,
        leeway=client.leeway,
        trusted_audiences=client.trusted_audiences,
        check_nonce=check_nonce,
    )
