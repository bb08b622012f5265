"""The UserInfo endpoint as a client sees it: JSON, signed, encrypted (OpenID Connect Core §5.3)."""

from collections.abc import Mapping

from authwright.crypto.jwe import JweRejected
from authwright.crypto.jwt import JwtRejected
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Headers, HttpResponse, Json
from authwright.protocol.metadata import ProviderMetadata
from authwright.protocol.userinfo import SCOPE_CLAIMS
from authwright.relying_party.back_channel import BackChannel
from authwright.relying_party.client import SIGNING_ALGORITHMS, RelyingPartyClient
from authwright.relying_party.encrypted import content_of, jws_of
from authwright.relying_party.errors import ResponseRejected
from authwright.remote.documents import RemoteFault, read_json, request_to
from authwright.remote.keys import RemoteKeys

_ACCEPTED = Headers.of({"accept": "application/json, application/jwt"})


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
    channel: BackChannel,
    keys: RemoteKeys,
    metadata: ProviderMetadata,
    access_token: str,
    dpop_key: SigningKey | None = None,
    *,
    issuer: str,
) -> Mapping[str, Json]:
    """The claims as they came; their `sub` is the caller's to check. Raises ResponseRejected or RemoteFault.

    `issuer`: of the user, whom a signed answer must name.
    """
    client = channel.client
    # 1. Ask.
    if metadata.userinfo_endpoint is None:
        raise ResponseRejected("no_userinfo_endpoint")
    if client.userinfo_token == "body":
        # RFC 6750 §2.2: by POST alone; a query would keep the token in logs.
        pairs = (("access_token", access_token),)
        response = await channel.post(metadata.userinfo_endpoint, pairs, authenticated=False)
    else:
        request = request_to("GET", metadata.userinfo_endpoint, _ACCEPTED)
        response = await channel.send_with_token(request, access_token, dpop_key=dpop_key)
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("userinfo_unavailable")
    if response.status != 200:
        raise ResponseRejected("userinfo_status", status=response.status)

    # 2. JSON, where neither a signature nor encryption is registered. Without a type it is read as JSON too.
    media_type = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type in ("application/json", ""):
        if client.userinfo_algorithms or _is_encrypted(client):
            raise ResponseRejected("userinfo_not_protected")
        return _read_claims(response)
    if media_type != "application/jwt":
        raise ResponseRejected("userinfo_type")

    # 3. A JWT: opened, then verified. Core §5.3.2: encrypted without a signature, it holds plain claims.
    try:
        token = response.body.decode("ascii").strip()
        if client.encrypted is not None and _is_encrypted(client):
            inner = content_of(token, client.encrypted)
            if inner.startswith(b"{"):
                if client.userinfo_algorithms:
                    raise ResponseRejected("userinfo_signature")
                return _read_claims(HttpResponse(200, body=inner))
            token = jws_of(inner)
        verified = await keys.verify(token, algorithms=_algorithms(client, metadata), types=("", "jwt"))
    except JweRejected:
        raise ResponseRejected("userinfo_encryption") from None
    except (UnicodeDecodeError, JwtRejected):
        raise ResponseRejected("userinfo_signature") from None
    _check_signed(verified.claims, issuer, client)
    return verified.claims


def _is_encrypted(client: RelyingPartyClient) -> bool:
    return client.encrypted is not None and client.encrypted.userinfo


def _algorithms(client: RelyingPartyClient, metadata: ProviderMetadata) -> tuple[str, ...]:
    """Those that are registered, else those of ours that the provider says it uses."""
    accepted = client.userinfo_algorithms or SIGNING_ALGORITHMS
    offered = metadata.userinfo_signing_alg_values_supported or SIGNING_ALGORITHMS
    return tuple(algorithm for algorithm in accepted if algorithm in offered)


def _read_claims(response: HttpResponse) -> Mapping[str, Json]:
    try:
        content = read_json(response)
    except RemoteFault:
        raise ResponseRejected("userinfo_not_json") from None
    if not isinstance(content, dict):
        raise ResponseRejected("userinfo_not_an_object")
    return content


def _check_signed(claims: Mapping[str, Json], issuer: str, client: RelyingPartyClient) -> None:
    # Core §5.3.2: a signed answer names its issuer and its audience; an ID token of another client would not fit.
    if claims.get("iss") != issuer:
        raise ResponseRejected("userinfo_iss")
    audience = claims.get("aud")
    if audience != client.client_id and not (isinstance(audience, list) and client.client_id in audience):
        raise ResponseRejected("userinfo_aud")
