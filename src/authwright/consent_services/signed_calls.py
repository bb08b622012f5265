"""The proof that a question comes from the provider: a short-lived JWT for that one endpoint (RFC 7519, RFC 8725 §3.11).

The provider signs it with its published keys; whoever answers verifies it with them.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import random_id
from authwright.crypto.jwt import JwtRejected, check_claims, sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.remote.keys import RemoteKeys

CALL_TYPE = "consent-request+jwt"
"""The `typ` of these tokens: of no other use, and no other token can be used here."""
LIFETIME = timedelta(seconds=60)
LEEWAY = timedelta(seconds=30)
ALGORITHMS = ("ES256", "RS256")

Authorization: TypeAlias = Callable[[str], Awaitable[str]]
"""The value of the Authorization header for a call to that URL; empty = none is sent."""


class SignedCalls:
    """An `Authorization` that signs as `issuer`. `key` gives the key to sign with now."""

    __slots__ = ("_clock", "_issuer", "_key")

    def __init__(
        self, issuer: str, key: Callable[[], Awaitable[SigningKey]], *, clock: Clock = utcnow
    ) -> None:
        self._issuer = issuer
        self._key = key
        self._clock = clock

    async def __call__(self, endpoint: str) -> str:
        now = int(self._clock().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": endpoint,
            "iat": now,
            "exp": now + int(LIFETIME.total_seconds()),
            "jti": random_id(),
        }
        return f"Bearer {sign_jwt(await self._key(), claims, typ=CALL_TYPE)}"


class SignedCallVerifier:
    """Tells whether a call to `endpoint` was signed by `issuer`, whose keys are `keys`."""

    __slots__ = ("_clock", "_endpoint", "_issuer", "_keys")

    def __init__(self, issuer: str, endpoint: str, keys: RemoteKeys, *, clock: Clock = utcnow) -> None:
        self._issuer = issuer
        self._endpoint = endpoint
        self._keys = keys
        self._clock = clock

    async def __call__(self, authorization: str | None) -> None:
        """Raises JwtRejected when it was not, and RemoteFault when the issuer's keys cannot be had."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise JwtRejected("segments")
        verified = await self._keys.verify(token, algorithms=ALGORITHMS, types=(CALL_TYPE,))
        # RFC 7519 §4.1.3: a call that was made to somebody else is not made to us by being passed on.
        check_claims(
            verified.claims,
            issuer=self._issuer,
            audience=self._endpoint,
            now=self._clock(),
            leeway=LEEWAY,
            required=("iat", "jti"),
        )
