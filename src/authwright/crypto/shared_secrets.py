"""A secret two parties share, as a key for HS256 (RFC 7518 §3.2); it is no `VerificationKey` and never becomes one."""

import hmac
from dataclasses import dataclass, field
from typing import NoReturn

HS256 = "HS256"
MIN_SECRET_BYTES = 32

# Openings of a PEM file, an OpenSSH key, a JWK and DER: what somebody may paste who mistakes a public key for a secret.
_KEY_OPENINGS = (b"-----BEGIN", b"ssh-", b"ecdsa-sha2-", b"{", b"\x30\x82", b"\x30\x81", b"\x30\x59")


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The octets of a client secret. Raises ValueError for fewer than 32 bytes, and for a key in any usual form."""

    octets: bytes = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "SharedSecret":
        """OpenID Connect Core §10.1: the key is the UTF-8 form of the client secret."""
        return cls(text.encode("utf-8"))

    def __post_init__(self) -> None:
        # RFC 7518 §3.2: a key of the size of the hash output or larger.
        if len(self.octets) < MIN_SECRET_BYTES:
            raise ValueError(f"a secret for HS256 needs at least {MIN_SECRET_BYTES} bytes")
        if self.octets.lstrip().startswith(_KEY_OPENINGS):
            raise ValueError("a secret for HS256 is random text, not a key")

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is the HMAC-SHA256 of `data` under this secret."""
        return hmac.compare_digest(hmac.digest(self.octets, data, "sha256"), signature)

    def sign(self, data: bytes) -> bytes:
        """The HMAC-SHA256 of `data`."""
        return hmac.digest(self.octets, data, "sha256")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a shared secret is sealed, not pickled")
