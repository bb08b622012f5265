"""The authorization response as a JWT: opened and verified before anything in it counts (JARM §2.4)."""

from typing import TYPE_CHECKING

from authwright.crypto.jwt import JwtRejected
from authwright.protocol.authorization import AuthorizationResponse
from authwright.protocol.jarm import ResponseClaimsRejected, parse_response_claims
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.client import RelyingPartyClient
from authwright.relying_party.encrypted import signed_part
from authwright.relying_party.errors import ResponseRejected

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_TYPES = ("", "jwt", "oauth-authz-resp+jwt")
"""RFC 8725 §3.11: what says that it is another kind of token is refused by that."""


async def open_response(party: "RelyingParty", message: AuthorizationResponse) -> AuthorizationResponse:
    """The response inside `message`. Raises ResponseRejected("response_…"), or RemoteFault when keys cannot be had."""
    client = party.client
    # 1. A JWT and nothing beside it: a response without one could be anybody's.
    if message.response is None:
        raise ResponseRejected("response_missing")
    if message != AuthorizationResponse(response=message.response):
        raise ResponseRejected("response_and_more")

    # 2. Opened, then verified (JARM §2.4: the encryption, then the signature).
    wanted = client.encrypted is not None and client.encrypted.response
    metadata = await party.metadata.get()
    try:
        token = signed_part(message.response, client.encrypted, wanted=wanted)
        verified = await party.keys.verify(
            token, algorithms=accepted_algorithms(client, metadata), types=_TYPES
        )
        # Where the issuer is a template, the response names one of the tenants that are allowed.
        issuer = party.issuers.named_in(verified.claims)
        if issuer is None:
            raise ResponseClaimsRejected("iss")
        return parse_response_claims(
            verified.claims,
            issuer=issuer,
            client_id=client.client_id,
            now=party.clock(),
            leeway=client.leeway,
        )
    except (JwtRejected, ResponseClaimsRejected) as rejected:
        raise ResponseRejected(f"response_{rejected.reason}") from None


def accepted_algorithms(client: RelyingPartyClient, metadata: ProviderMetadata) -> tuple[str, ...]:
    """Those the client accepts for ID tokens and the provider says it signs responses with."""
    offered = (
        metadata.authorization_signing_alg_values_supported
        or metadata.id_token_signing_alg_values_supported
        or ("RS256",)
    )
    # JARM §2.4: `none` is never one of them.
    return tuple(name for name in client.id_token_algorithms if name in offered and name != "none")
