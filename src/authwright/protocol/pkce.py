"""Proof Key for Code Exchange, S256 only (RFC 7636; RFC 9700 §2.1.1 leaves `plain` out)."""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256

from authwright.protocol.errors import InvalidGrant, InvalidRequest

S256 = "S256"

# RFC 7636 §4.1: 43 to 128 unreserved characters; §4.2: a SHA-256 digest in base64url is 43 characters.
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def check_challenge(challenge: str | None, method: str | None, *, required: bool) -> str | None:
    """The challenge of an authorization request, checked. Raises InvalidRequest (RFC 7636 §4.4.1)."""
    if challenge is None:
        if method is not None:
            raise InvalidRequest("The 'code_challenge' parameter is missing.", detail="pkce.missing")
        if required:
            raise InvalidRequest(
                "The mandatory 'code_challenge' parameter is missing.", detail="pkce.missing"
            )
        return None
    # RFC 7636 §4.3: an absent method means "plain", which is not supported.
    if method != S256:
        raise InvalidRequest("The 'code_challenge_method' must be S256.", detail="pkce.method")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The 'code_challenge' parameter is malformed.", detail="pkce.malformed")
    return challenge


def check_verifier(verifier: str | None, challenge: str | None) -> None:
    """Raise InvalidGrant unless `verifier` answers `challenge`, or both are absent (RFC 7636 §4.6)."""
    if challenge is None:
        # RFC 9700 §2.1.1: a verifier for a code without a challenge is a sign of a downgrade.
        if verifier is not None:
            raise InvalidGrant(
                "The 'code_verifier' parameter is not valid in this context.", detail="pkce.downgrade"
            )
        return
    if verifier is None:
        raise InvalidGrant("The mandatory 'code_verifier' parameter is missing.", detail="pkce.missing")
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge_of(verifier), challenge):
        raise InvalidGrant("The specified 'code_verifier' parameter is invalid.", detail="pkce.fail")
