"""Registering ourselves at a provider (RFC 7591, OpenID Connect Dynamic Client Registration 1.0)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from authwright.protocol.http import Fetch, Headers, Json
from authwright.protocol.metadata import ProviderMetadata
from authwright.relying_party.client import ClientAuth, Public, ResponseType, SecretBasic, SecretPost, Site
from authwright.relying_party.errors import ProviderRefused, ResponseRejected
from authwright.remote.documents import RemoteFault, read_json, request_to, send

_METHODS = ("client_secret_basic", "client_secret_post", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the provider made of us: to be kept, and handed to a `RelyingParty`."""

    client_id: str
    auth: ClientAuth = field(repr=False)
    secret_expires_at: datetime | None
    """None: never."""
    registration_client_uri: str | None
    registration_access_token: str | None = field(repr=False)
    """With both, the registration can be read and changed (RFC 7592)."""
    metadata: Mapping[str, Json] = field(repr=False)
    """All that was registered, which may be other than what was asked for."""


def registration_request(
    site: Site,
    *,
    response_type: ResponseType = "code",
    scopes: Sequence[str] = ("openid", "profile"),
    client_name: str | None = None,
    method: str = "client_secret_basic",
    initiate_login: bool = False,
) -> dict[str, Json]:
    """What to ask for: our addresses, and what we will use. More can be added to it. Raises ValueError."""
    if method not in _METHODS:
        raise ValueError(f"method: one of {', '.join(_METHODS)}")
    types = response_type.split()
    grants = [
        *(["authorization_code"] if "code" in types else []),
        *(["implicit"] if types != ["code"] else []),
    ]
    if "offline_access" in scopes and "code" in types:
        grants.append("refresh_token")
    asked: dict[str, Json] = {
        "application_type": "web",
        "redirect_uris": [site.url(site.paths.callback)],
        "response_types": [response_type],
        "grant_types": grants,
        "scope": " ".join(scopes),
        "token_endpoint_auth_method": method,
        "post_logout_redirect_uris": [site.url(site.paths.logout_callback)],
        "backchannel_logout_uri": site.url(site.paths.backchannel_logout),
        "backchannel_logout_session_required": True,
    }
    if client_name is not None:
        asked["client_name"] = client_name
    if initiate_login:
        asked["initiate_login_uri"] = site.url(site.paths.initiate_login)
    return asked


async def register(
    fetch: Fetch,
    metadata: ProviderMetadata,
    asked: Mapping[str, Json],
    *,
    initial_access_token: str | None = None,
) -> Registration:
    """Register. Raises ProviderRefused, ResponseRejected or RemoteFault."""
    # 1. The request (RFC 7591 §3.1).
    if metadata.registration_endpoint is None:
        raise RemoteFault("no_registration_endpoint")
    fields = [("content-type", "application/json"), ("accept", "application/json")]
    if initial_access_token is not None:
        fields.append(("authorization", f"Bearer {initial_access_token}"))
    body = msgspec.json.encode(dict(asked))
    response = await send(fetch, request_to("POST", metadata.registration_endpoint, Headers.of(fields), body))

    # 2. The answer: 201, or an error of §3.2.2.
    if response.status >= 500 or response.status == 429:
        raise RemoteFault("registration_unavailable")
    content = read_json(response)
    if response.status not in (200, 201):
        error = content.get("error") if isinstance(content, dict) else None
        if not isinstance(error, str) or not error:
            raise ResponseRejected("registration_status", status=response.status)
        raise ProviderRefused(error[:64], status=response.status)

    # 3. What we were registered as.
    return read_registration(content, asked)


def read_registration(content: Json, asked: Mapping[str, Json]) -> Registration:
    """The registration in an answer, as far as it is one we can use. Raises ResponseRejected."""
    if not isinstance(content, dict):
        raise ResponseRejected("registration_malformed")
    client_id, secret = content.get("client_id"), content.get("client_secret")
    expires = content.get("client_secret_expires_at", 0)
    if not isinstance(client_id, str) or not client_id or not isinstance(secret, str | None):
        raise ResponseRejected("registration_malformed")
    # RFC 7591 §3.2.1: the server may replace what was asked for; where that is where answers go, it cannot be used.
    if content.get("redirect_uris", asked.get("redirect_uris")) != asked.get("redirect_uris"):
        raise ResponseRejected("registration_redirect_uris")
    # §3.2.1: with a secret comes its end, and 0 means none.
    if isinstance(expires, bool) or not isinstance(expires, int) or not 0 <= expires < 253_402_300_800:
        raise ResponseRejected("registration_malformed")
    uri, token = content.get("registration_client_uri"), content.get("registration_access_token")
    return Registration(
        client_id=client_id,
        auth=_auth(
            content.get("token_endpoint_auth_method", asked.get("token_endpoint_auth_method")), secret
        ),
        secret_expires_at=datetime.fromtimestamp(expires, UTC) if expires else None,
        registration_client_uri=uri if isinstance(uri, str) else None,
        registration_access_token=token if isinstance(token, str) else None,
        metadata=content,
    )


def _auth(method: Json, secret: str | None) -> ClientAuth:
    if method == "none":
        return Public()
    if secret is None or method not in _METHODS:
        raise ResponseRejected("registration_auth_method")
    return SecretPost(secret) if method == "client_secret_post" else SecretBasic(secret)
