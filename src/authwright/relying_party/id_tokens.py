"""The ID token, verified as OpenID Connect Core §3.1.3.7 and §3.1.3.8 ask, and on refresh §12.2."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from authwright.crypto.jwe import JweRejected
from authwright.crypto.jwt import JwtRejected, VerifiedJwt, half_hash, unverified_claims, unverified_header
from authwright.protocol.http import Json
from authwright.protocol.id_token import ExpectedIdToken, IdTokenRejected, check_id_token
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.client import UNSIGNED, RelyingPartyClient
from authwright.relying_party.encrypted import signed_part
from authwright.relying_party.errors import ResponseRejected
from authwright.relying_party.issuers import Issuers
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
    code: str | None = None,
    front_channel: bool = False,
    unsigned: bool = True,
    issuers: Issuers | None = None,
) -> Mapping[str, Json]:
    """The claims. Raises ResponseRejected("id_token_…") or RemoteFault when the keys cannot be had.

    `access_token` and `code` are what came with it. `front_channel`: through the browser, where they must be bound to
    it. `unsigned`: it may be without a signature, where `none` is registered. `issuers`: whose tokens are taken, where the issuer is a template; `expected.issuer` then only stands for it.
    """
    algorithms = accepted_algorithms(client, metadata)
    try:
        if unsigned and not front_channel and UNSIGNED in algorithms and is_unsigned(token):
            # Core §3.1.3.7 step 6: what TLS brought from the token endpoint itself, where `none` is registered.
            claims = unverified_claims(token) or {}
            check_id_token(claims, _with_issuer(expected, claims, issuers))
            _check_required(claims, client.required_claims)
            return claims
        # A signature is required even straight from the token endpoint: it is what binds the token to the issuer.
        verified = await keys.verify(token, algorithms=algorithms, types=_TYPES)
        check_id_token(verified.claims, _with_issuer(expected, verified.claims, issuers))
        _check_required(verified.claims, client.required_claims)
        for name, value in (("at_hash", access_token), ("c_hash", code)):
            if value is not None:
                _check_hash(name, value, verified, required=front_channel)
    except (JwtRejected, IdTokenRejected) as rejected:
        raise ResponseRejected(f"id_token_{rejected.reason}") from None
    return verified.claims


def decrypted(client: RelyingPartyClient, id_token: str) -> str:
    """The signed ID token, whether or not it came encrypted, as it is registered. Raises ResponseRejected.

    It is what a session keeps: the provider could not read its own hint otherwise (Core §3.1.2.1, id_token_hint).
    """
    wanted = client.encrypted is not None and client.encrypted.id_token
    try:
        return signed_part(id_token, client.encrypted, wanted=wanted)
    except JweRejected:
        raise ResponseRejected("id_token_encryption") from None


def is_unsigned(token: str) -> bool:
    """Whether a token says it has no signature, and has none (RFC 7515 Appendix A.5)."""
    header = unverified_header(token)
    return header is not None and header.get("alg") == UNSIGNED and token.endswith(".")


def _with_issuer(
    expected: ExpectedIdToken, claims: Mapping[str, Json], issuers: Issuers | None
) -> ExpectedIdToken:
    issuer = expected.issuer if issuers is None else issuers.of(claims)
    return expected if issuer == expected.issuer else replace(expected, issuer=issuer)


def _check_required(claims: Mapping[str, Json], required: frozenset[str]) -> None:
    for name in sorted(required):
        if claims.get(name) in (None, "", []):
            raise IdTokenRejected(name)


def _check_hash(name: str, value: str, verified: VerifiedJwt, *, required: bool) -> None:
    # Core §3.1.3.8, §3.3.2.10, §3.3.2.11: it binds what came beside the token. Optional from the token endpoint, but
    # checked when it is there, and an unknown hash never matches.
    given = verified.claims.get(name)
    if given is None and not required:
        return
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), half_hash(verified.header["alg"], value).encode()
    ):
        raise IdTokenRejected(name)


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
        iat_slack=client.iat_slack,
        trusted_audiences=client.trusted_audiences,
        check_nonce=check_nonce,
    )
