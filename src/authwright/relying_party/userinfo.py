"""The UserInfo endpoint as a client sees it, JSON or signed (OpenID Connect Core §5.3)."""

from collections.abc import Mapping

from authwright.crypto.jwt import JwtRejected
from authwright.protocol.http import Fetch, Headers, Json
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.relying_party.client import SIGNING_ALGORITHMS, RelyingPartyClient
from authwright.relying_party.errors import ResponseRejected
from authwright.remote.documents import RemoteFault, read_json, request_to, send
from authwright.remote.keys import RemoteKeys


def wants_userinfo(
    client: RelyingPartyClient,
    metadata: ProviderMetadata,
    access_token: str | None,
    claims: Mapping[str, Json],
) -> bool:
    """Whether the endpoint is to be asked."""
    if client.userinfo == "never" or metadata.userinfo_endpoint is None or access_token is None:
        return False
    if client.userinfo == "always":
        return True
    expected = (SCOPE_CLAIMS.get(scope, ())[:1] for scope in client.scopes)
    return any(name not in claims for names in expected for name in names)


async def fetch_userinfo(
    fetch: Fetch,
    keys: RemoteKeys,
    metadata: ProviderMetadata,
    client: RelyingPartyClient,
    access_token: str,
) -> Mapping[str, Json]:
    """The claims as they came; their `sub` is the caller's to check. Raises ResponseRejected or RemoteFault."""
    if metadata.userinfo_endpoint is None:
        raise ResponseRejected("no_userinfo_endpoint")
    headers = Headers.of(
        (("authorization", f"Bearer {access_token}"), ("accept", "application/json, application/jwt"))
    )
    response = await send(fetch, request_to("GET", metadata.userinfo_endpoint, headers))
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("userinfo_unavailable")
    if response.status != 200:
        raise ResponseRejected("userinfo_status")
    media_type = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type == "application/jwt":
        return await _signed(response.body, keys, metadata.issuer, client)
    # An answer without a type is read as JSON too: it is checked all the same.
    if media_type not in ("application/json", ""):
        raise ResponseRejected("userinfo_type")
    try:
        content = read_json(response)
    except RemoteFault:
        raise ResponseRejected("userinfo_not_json") from None
    if not isinstance(content, dict):
        raise ResponseRejected("userinfo_not_an_object")
    return content


async def _signed(
    body: bytes, keys: RemoteKeys, issuer: str, client: RelyingPartyClient
) -> Mapping[str, Json]:
    try:
        token = body.decode("ascii").strip()
        verified = await keys.verify(token, algorithms=SIGNING_ALGORITHMS, types=("", "jwt"))
    except (UnicodeDecodeError, JwtRejected):
        raise ResponseRejected("userinfo_signature") from None
    # Core §5.3.2: a signed answer names its issuer and its audience; an ID token of another client would not fit.
    audience = verified.claims.get("aud")
    if verified.claims.get("iss") != issuer:
        raise ResponseRejected("userinfo_iss")
    if audience != client.client_id and not (isinstance(audience, list) and client.client_id in audience):
        raise ResponseRejected("userinfo_aud")
    return verified.claims
