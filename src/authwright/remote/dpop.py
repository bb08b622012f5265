"""DPoP proofs as a server takes them: verified, for this request, with a fresh nonce, and once only (RFC 9449 §4.3, §11.1)."""

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec

from authwright.crypto.dpop import VerifiedProof, verify_proof
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.protocol.dpop import MAX_AGE, MAX_AHEAD, ProofRejected, check_proof, read_proof
from authwright.protocol.http import HttpRequest
from authwright.stores.protocols import OnceStore


class NonceNeeded(ProofRejected):
    """The proof has no nonce of ours, or an old one; the client may try again with the current one (RFC 9449 §8)."""


class ProvenKey(msgspec.Struct, frozen=True):
    """A key that a good proof proves, as long as the proof comes for the first time."""

    jkt: str
    """RFC 7638 thumbprint."""
    once_key: str
    """What `OnceStore.claim` knows the proof by, and until when it could come back."""
    until: datetime


class DpopProofs:
    """Checks the proofs of requests. `nonces` None = none are asked for."""

    __slots__ = ("_nonces", "_once")

    def __init__(self, once: OnceStore, nonces: DpopNonces | None = None) -> None:
        self._once = once
        self._nonces = nonces

    def nonce(self, now: datetime) -> str | None:
        """The nonce to hand out, or None when none are asked for."""
        return None if self._nonces is None else self._nonces.current(now)

    async def check(
        self,
        request: HttpRequest,
        url: str,
        now: datetime,
        *,
        access_token: str | None = None,
        jkt: str | None = None,
    ) -> str | None:
        """As `verify`, and the proof is used up: the thumbprint of its key."""
        proven = self.verify(request, url, now, access_token=access_token, jkt=jkt)
        if proven is None:
            return None
        await self.claim(proven)
        return proven.jkt

    def verify(
        self,
        request: HttpRequest,
        url: str,
        now: datetime,
        *,
        access_token: str | None = None,
        jkt: str | None = None,
    ) -> ProvenKey | None:
        """The key that the request proves, unless its proof was used before: ask `claim`. None when it carries no proof.

        `url` is the request's absolute URL as the client knows it. `access_token` is the token the request uses, and
        `jkt` the only key that will do. Raises ProofRejected or NonceNeeded.
        """
        sent = read_proof(request)
        if sent is None:
            return None
        # 1. A proof, and for this request.
        verified = verify_proof(sent)
        check_proof(verified.proof, method=request.method, url=url, now=now, access_token=access_token)
        if jkt is not None and not hmac.compare_digest(verified.jkt, jkt):
            raise ProofRejected("key")
        # 2. Made after we spoke to its maker, where we ask for that.
        if self._nonces is not None and not self._nonces.accepts(verified.proof.nonce or "", now):
            raise NonceNeeded("nonce")
        return ProvenKey(verified.jkt, _once_key(verified), _until(verified))

    async def claim(self, proven: ProvenKey) -> None:
        """Use the proof up. Raises ProofRejected when it was used before (RFC 9449 §11.1)."""
        if not await self._once.claim(proven.once_key, proven.until):
            raise ProofRejected("replay")


def _once_key(verified: VerifiedProof) -> str:
    # The thumbprint has a fixed length, so no other pair of key and jti gives the same text. Hashed, a key is short.
    text = f"{verified.jkt}|{verified.proof.jti}"
    return f"dpop|{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _until(verified: VerifiedProof) -> datetime:
    """As long as the proof could be accepted, and a clock's difference more."""
    return datetime.fromtimestamp(verified.proof.iat, UTC) + MAX_AGE + MAX_AHEAD
