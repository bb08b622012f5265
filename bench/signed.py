"""What a client signs itself: made by the benchmark, in the same way for either side, each good for one request."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from authwright.crypto.dpop import sign_proof
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import build_proof

ASSERTION, PROOF = "client_assertion", "dpop_proof"
KINDS = (ASSERTION, PROOF)

# One for the run: a client keeps its key.
_KEY = SigningKey.generate("ES256")


def public_jwk() -> Mapping[str, str]:
    """The key, as the client that signs is registered with it."""
    return {name: str(value) for name, value in _KEY.public_jwk.items()}


def signed(kind: str, client_id: str, origin: str, count: int) -> list[str]:
    """`count` assertions of the client, or proofs for the token endpoint, for the server at `origin`."""
    if kind == PROOF:
        url, now = f"{origin}/token", datetime.now(UTC)
        return [
            sign_proof(_KEY, build_proof("POST", url, jti=secrets.token_urlsafe(16), now=now))
            for _ in range(count)
        ]
    issued_at = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": origin,
        "iat": issued_at,
        "exp": issued_at + 300,
    }
    return [sign_jwt(_KEY, {**claims, "jti": secrets.token_urlsafe(16)}, typ="JWT") for _ in range(count)]
