"""The DPoP proof: what a request shows to prove that its sender holds a key (RFC 9449 §4).

Pure and for both roles. Signing and verifying the proof's JWT is in `crypto.dpop`, its single use in `remote.dpop`.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from authwright.protocol.http import HttpRequest, Json

PROOF_TYPE = "dpop+jwt"
MAX_PROOF = 4096
"""Characters of a proof."""
MAX_JTI = 512
MAX_AGE = timedelta(seconds=60)
"""How long after `iat` a proof counts."""
MAX_AHEAD = timedelta(seconds=30)
"""How far ahead of ours a client's clock may run."""

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class ProofRejected(Exception):
    """The proof proves nothing. It carries a short code for the log, and nothing of the proof."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DpopProof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of a proof (RFC 9449 §4.2)."""

    jti: str
    htm: str
    htu: str
    iat: float
    """Seconds since 1970."""
    ath: str | None = None
    nonce: str | None = None

    def __repr__(self) -> str:
        return f"DpopProof({self.htm} {self.htu})"


def build_proof(
    method: str,
    url: str,
    *,
    jti: str,
    now: datetime,
    access_token: str | None = None,
    nonce: str | None = None,
) -> DpopProof:
    """The claims that prove a key for one request; `jti` is new for each. Raises ValueError for what is no http URL."""
    htu = normalised_htu(url)
    if htu is None:
        raise ValueError("the URL of a DPoP proof must be http or https")
    return DpopProof(
        jti=jti,
        htm=method,
        htu=htu,
        iat=int(now.timestamp()),
        ath=None if access_token is None else access_token_hash(access_token),
        nonce=nonce,
    )


def parse_proof(claims: Mapping[str, Json]) -> DpopProof:
    """The claims of a proof whose signature was verified; others are ignored. Raises ProofRejected naming the claim."""
    for name in ("jti", "htm", "htu"):
        value = claims.get(name)
        if type(value) is not str or not value:
            raise ProofRejected(name)
    for name in ("ath", "nonce"):
        if name in claims and type(claims[name]) is not str:
            raise ProofRejected(name)
    if len(claims["jti"]) > MAX_JTI:
        raise ProofRejected("jti")
    iat = claims.get("iat")
    # bool is an int in Python, and no time.
    if type(iat) is not int and type(iat) is not float:
        raise ProofRejected("iat")
    return DpopProof(
        jti=claims["jti"],
        htm=claims["htm"],
        htu=claims["htu"],
        iat=iat,
        ath=claims.get("ath"),
        nonce=claims.get("nonce"),
    )


def check_proof(
    proof: DpopProof, *, method: str, url: str, now: datetime, access_token: str | None = None
) -> None:
    """Checks that the proof is for this request, now, and for `access_token` where one is used (RFC 9449 §4.3).

    `url` is the absolute URL of the request as the client knows it. Raises ProofRejected naming the claim.
    """
    if proof.htm != method:
        raise ProofRejected("htm")
    if proof.htu != url:
        htu = normalised_htu(proof.htu)
        if htu is None or htu != normalised_htu(url):
            raise ProofRejected("htu")
    age = now.timestamp() - proof.iat
    if not -MAX_AHEAD.total_seconds() <= age <= MAX_AGE.total_seconds():
        raise ProofRejected("iat")
    if access_token is not None and proof.ath != access_token_hash(access_token):
        raise ProofRejected("ath")


def read_proof(request: HttpRequest) -> str | None:
    """The proof of a request as it was sent, or None without one. Raises ProofRejected for two, or one too long."""
    sent = request.headers.many("dpop")
    if not sent:
        return None
    # RFC 9449 §4.3: not more than one header field.
    if len(sent) > 1:
        raise ProofRejected("two_proofs")
    if len(sent[0]) > MAX_PROOF:
        raise ProofRejected("size")
    return sent[0]


def access_token_hash(access_token: str) -> str:
    """`ath` (RFC 9449 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode("ascii")


def normalised_htu(url: str) -> str | None:
    """`url` without query and fragment, in one spelling; None for what is no http URL.

    RFC 9449 §4.3: case of scheme and host, the default port, an empty path and needless escapes do not count.
    """
    # urlsplit drops line breaks and takes backslashes, which other readers of a URL do not.
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        return None
    authority = parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme]).removesuffix(":")
    path = _ESCAPE.sub(_unescaped, parts.path) if "%" in parts.path else parts.path
    return f"{parts.scheme}://{authority}{path or '/'}"


def _unescaped(escape: re.Match[str]) -> str:
    # RFC 3986 §6.2.2.2: an escaped unreserved character is that character; other escapes are in upper case.
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()
