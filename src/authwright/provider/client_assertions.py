"""Client assertions: private_key_jwt and client_secret_jwt (RFC 7523 §2.2 and §3, OpenID Connect Core §9)."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from authwright.crypto.jwt import JwtRejected, VerifiedJwt, check_claims, verify_shared_secret_jwt
from authwright.crypto.seal import Seal
from authwright.crypto.shared_secrets import HS256
from authwright.protocol.client_credentials import CLIENT_SECRET_JWT
from authwright.protocol.http import Json
from authwright.provider.client_keys import ClientKeys, accepted_algorithms
from authwright.provider.clients import shared_secrets
from authwright.provider.settings import Settings
from authwright.records import Client
from authwright.ticket import SingleUse

MAX_LIFETIME = timedelta(minutes=10)
"""How far ahead `exp` may lie: an assertion is for the next request."""
LEEWAY = timedelta(seconds=60)
"""How far the client's clock may be off."""

# The typ of the update of RFC 7523, and what clients send today; a proof or a token of another kind is none of them.
ASSERTION_TYPES = ("", "jwt", "client-authentication+jwt")


class ClientAssertions:
    def __init__(self, *, settings: Settings, keys: ClientKeys, seal: Seal) -> None:
        self._settings = settings
        self._keys = keys
        self._seal = seal

    async def check(self, client: Client, assertion: str, now: datetime) -> SingleUse:
        """What is to be claimed before the assertion counts. Raises JwtRejected, or TemporarilyUnavailable."""
        # 1. The signature, by the client's own key or secret, as it is registered.
        verified = await self._verified(client, assertion, now)
        # 2. The claims.
        claims = verified.claims
        check_claims(
            claims,
            issuer=client.client_id,
            audience=None,
            now=now,
            leeway=LEEWAY,
            required=("sub", "aud", "exp", "jti"),
        )
        # RFC 7523 §3: for client authentication, the subject is the client_id.
        if claims["sub"] != client.client_id:
            raise JwtRejected("sub")
        check_audience(
            claims,
            accepted_audiences(self._settings, client),
            list_allowed=is_lenient(self._settings, client),
        )
        return single_use("client_assertion", client.client_id, claims, now, MAX_LIFETIME)

    async def _verified(self, client: Client, assertion: str, now: datetime) -> VerifiedJwt:
        registered = client.token_endpoint_auth_signing_alg
        if client.token_endpoint_auth_method == CLIENT_SECRET_JWT:
            if registered not in ("", HS256):
                raise JwtRejected("alg")
            secrets = shared_secrets(client, self._seal, now)
            return verify_shared_secret_jwt(assertion, secrets, types=ASSERTION_TYPES)
        accepted = accepted_algorithms(client.profile or self._settings.profile)
        algorithms = tuple(name for name in accepted if registered in ("", name))
        return await self._keys.verify(client, assertion, algorithms=algorithms, types=ASSERTION_TYPES)


def is_lenient(settings: Settings, client: Client) -> bool:
    """Whether the client's profile leaves its assertions some choice of audience."""
    return (client.profile or settings.profile) == "oidc"


def accepted_audiences(settings: Settings, client: Client) -> frozenset[str]:
    """Whom an assertion of the client may be for."""
    # OpenID Connect Core §9 names the token endpoint's URL; elsewhere only the issuer will do, since a malicious
    # server could name our token endpoint as its own and replay to us what it was sent.
    if is_lenient(settings, client):
        return frozenset((settings.issuer, settings.url("/token")))
    return frozenset((settings.issuer,))


def check_audience(claims: Mapping[str, Json], accepted: Collection[str], *, list_allowed: bool) -> None:
    """Raises JwtRejected unless `aud` is one of `accepted`, or, where a list is allowed, nothing but those.

    A list that names somebody else too is never right: they could use the assertion with us.
    """
    audience = claims["aud"]
    members = audience if type(audience) is list and list_allowed else [audience]
    if any(type(member) is not str or member not in accepted for member in members):
        raise JwtRejected("aud")


def single_use(
    use: str, issuer: str, claims: Mapping[str, Json], now: datetime, lifetime: timedelta
) -> SingleUse:
    """The claim that makes an assertion of `issuer` count once. Raises JwtRejected for one that lives too long.

    `claims` have passed `check_claims`, which found `exp` and `jti`.
    """
    expires_at = float(claims["exp"])
    if expires_at > (now + lifetime).timestamp():
        raise JwtRejected("exp_far")
    if not claims["jti"]:
        raise JwtRejected("jti")
    # An id is unique to its issuer only, and may be of any length.
    digest = sha256(f"{issuer}\0{claims['jti']}".encode("utf-8", "surrogatepass")).hexdigest()
    return SingleUse(f"{use}|{digest}", datetime.fromtimestamp(expires_at, UTC) + LEEWAY)
