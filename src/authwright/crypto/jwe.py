"""Encrypted content in compact form (RFC 7516; algorithms of RFC 7518 §4 and §5), by joserfc behind a short list.

A key has one algorithm, and a token's header may only name that one. There is no `dir`, no PBES2, no RSA1_5 and no
`zip`, and whatever is wrong with a token has one answer: an error that told more would be an oracle (RFC 8725 §3.2).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authwright.crypto import base64url
from authwright.crypto.jwt import JwtRejected
from authwright.crypto.keys import MAX_KID_BYTES, RSA_BITS, public_members, thumbprint
from authwright.crypto.private_keys import PrivateKey, private_key_from_jwk, private_key_from_pem
from authwright.crypto.strict_json import parse_object
from authwright.protocol.http import Json

KEY_ALGORITHMS: Mapping[str, str] = {
    "RSA-OAEP-256": "RSA",
    "RSA-OAEP": "RSA",
    "ECDH-ES": "EC",
    "ECDH-ES+A128KW": "EC",
    "ECDH-ES+A256KW": "EC",
}
"""`alg` to the kind of key it takes."""
CONTENT_ENCRYPTIONS = ("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256")
"""The values of `enc`."""
MAX_ENCRYPTED = 32_768
"""Characters of an encrypted token."""
MAX_KEYS = 4

_DEFAULTS = {"RSA": "RSA-OAEP-256", "EC": "ECDH-ES+A256KW"}
_REFUSED = ("crit", "zip", "b64", "p2s", "p2c")
_HEADER = 1024
"""Bytes of a header: what joserfc takes, and plenty."""


class JweRejected(JwtRejected):
    """The token does not decrypt. It does not say why."""

    def __init__(self) -> None:
        super().__init__("encryption")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DecryptionKey:
    """A private key that others encrypt to, for one algorithm. It shows nothing of itself but its kid."""

    kid: str
    """RFC 7638 thumbprint, unless the JWK named another."""
    algorithm: str
    _private: PrivateKey
    _members: Mapping[str, str]

    @classmethod
    def generate(cls, algorithm: str = "ECDH-ES+A256KW") -> "DecryptionKey":
        """A new key: P-256 or RSA 2048. Raises ValueError for an unknown algorithm."""
        kty = KEY_ALGORITHMS.get(algorithm)
        if kty is None:
            raise ValueError("unknown key encryption algorithm")
        private: PrivateKey
        if kty == "EC":
            private = ec.generate_private_key(ec.SECP256R1())
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS[0])
        return cls._of(private, algorithm)

    @classmethod
    def from_pem(cls, pem: bytes, algorithm: str | None = None) -> "DecryptionKey":
        """The key of an unencrypted PEM file; `algorithm` None = ECDH-ES+A256KW or RSA-OAEP-256, as the key is.

        Raises ValueError, without any of the text, for what is no private key or does not fit the algorithm.
        """
        return cls._of(private_key_from_pem(pem), algorithm)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Json], algorithm: str | None = None) -> "DecryptionKey":
        """The key of a private JWK; `algorithm` None = its own `alg`, else as in `from_pem`. Raises ValueError."""
        if jwk.get("use", "enc") != "enc":
            raise ValueError("JWK: use is not enc")
        kid, named = jwk.get("kid"), algorithm or jwk.get("alg")
        if named is not None and not isinstance(named, str):
            raise ValueError("JWK: alg")
        keeps_kid = isinstance(kid, str) and kid and len(kid.encode()) <= MAX_KID_BYTES
        return cls._of(private_key_from_jwk(jwk), named, kid if keeps_kid else None)

    @classmethod
    def _of(cls, private: PrivateKey, algorithm: str | None, kid: str | None = None) -> "DecryptionKey":
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            kty = "EC"
        elif isinstance(private, rsa.RSAPrivateKey) and RSA_BITS[0] <= private.key_size <= RSA_BITS[1]:
            kty = "RSA"
        else:
            raise ValueError("a decryption key is P-256, or RSA of 2048 to 4096 bits")
        chosen = algorithm or _DEFAULTS[kty]
        if KEY_ALGORITHMS.get(chosen) != kty:
            raise ValueError("the algorithm does not fit the key")
        members = public_members(private.public_key())
        return cls(kid=kid or thumbprint(members), algorithm=chosen, _private=private, _members=members)

    @property
    def public_jwk(self) -> dict[str, Json]:
        """A fresh dict for the JWK set that the other side encrypts with."""
        return {**self._members, "kid": self.kid, "alg": self.algorithm, "use": "enc"}

    def __repr__(self) -> str:
        return f"DecryptionKey(kid={self.kid!r}, algorithm={self.algorithm!r})"

    def __reduce__(self) -> NoReturn:
        # A pickle would be the private key in the clear.
        raise TypeError("a decryption key is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncryptionKey:
    """Somebody's public key, to encrypt to."""

    kid: str | None
    algorithm: str
    _members: Mapping[str, str] = field(repr=False)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Json], algorithm: str | None = None) -> "EncryptionKey":
        """The key of a public JWK; `algorithm` None = its own `alg`. Raises ValueError."""
        if jwk.get("use", "enc") != "enc":
            raise ValueError("JWK: use is not enc")
        chosen = algorithm or jwk.get("alg")
        if not isinstance(chosen, str) or KEY_ALGORITHMS.get(chosen) != jwk.get("kty"):
            raise ValueError("JWK: alg")
        members = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
        # The checks on curve, size and exponent are those of every public key of ours.
        thumbprint(members)
        kid = jwk.get("kid")
        return cls(kid=kid if isinstance(kid, str) else None, algorithm=chosen, _members=members)


def encrypt(
    content: bytes, key: EncryptionKey, *, encryption: str = "A256GCM", content_type: str = "JWT"
) -> str:
    """The compact JWE of `content`; `content_type` is its `cty`, "" for none. Raises ValueError for an unknown `enc`."""
    if encryption not in CONTENT_ENCRYPTIONS:
        raise ValueError("unknown content encryption")
    header = {"alg": key.algorithm, "enc": encryption}
    if content_type:
        header["cty"] = content_type
    if key.kid is not None:
        header["kid"] = key.kid
    from joserfc.jwe import JWERegistry, encrypt_compact

    registry = JWERegistry(algorithms=[key.algorithm, encryption])
    return encrypt_compact(header, content, _tool(key), registry=registry)


def decrypt(
    token: str,
    keys: Collection[DecryptionKey],
    *,
    encryptions: Collection[str] = CONTENT_ENCRYPTIONS,
    max_size: int = MAX_ENCRYPTED,
) -> bytes:
    """What somebody encrypted to one of `keys`. Raises JweRejected for whatever is not exactly right.

    Who encrypted it is not known by that: a public key is everybody's.
    """
    # 1. The form, bounded before a single byte is decoded. Counted before splitting, as in `verify_jwt`.
    if len(token) > max_size or not token.isascii() or token.count(".") != 4:
        raise JweRejected
    segments = token.encode("ascii").split(b".")
    if len(segments[0]) > _HEADER:
        raise JweRejected
    # 2. Each value in its one spelling, and a header that is nothing out of the ordinary.
    try:
        header_octets, *_ = [base64url.decode(segment) for segment in segments]
        header = parse_object(header_octets)
    except ValueError:
        raise JweRejected from None
    candidates = _candidates(header, keys, encryptions)
    # 3. The key may be one of several only while they are being replaced.
    for key in candidates[:MAX_KEYS]:
        opened = _opened(token, key, header["enc"])
        if opened is not None:
            return opened
    raise JweRejected


def is_encrypted(token: str) -> bool:
    """Whether a token has the form of a compact JWE (RFC 7516 §9)."""
    return token.count(".") == 4


def _candidates(
    header: Mapping[str, Json], keys: Collection[DecryptionKey], encryptions: Collection[str]
) -> tuple[DecryptionKey, ...]:
    algorithm, encryption, kid = header.get("alg"), header.get("enc"), header.get("kid")
    if type(algorithm) is not str or type(encryption) is not str or encryption not in encryptions:
        raise JweRejected
    if encryption not in CONTENT_ENCRYPTIONS or any(name in header for name in _REFUSED):
        raise JweRejected
    if "epk" in header and not _is_our_curve(header["epk"]):
        raise JweRejected
    return tuple(key for key in keys if key.algorithm == algorithm and kid in (None, key.kid))


def _is_our_curve(epk: Json) -> bool:
    # RFC 7518 §4.6.1.1, and the invalid-curve attack: a point of another group gives the private key away by and by.
    try:
        return isinstance(epk, dict) and epk.get("kty") == "EC" and bool(thumbprint(epk))
    except ValueError:
        return False


def _opened(token: str, key: DecryptionKey, encryption: str) -> bytes | None:
    # joserfc takes 58 ms to import: who has nothing encrypted does not wait for it.
    from joserfc.jwe import JWERegistry, decrypt_compact

    # Header members nobody knows are ignored (RFC 7516 §4), save those refused before.
    registry = JWERegistry(algorithms=[key.algorithm, encryption], strict_check_header=False)
    try:
        return decrypt_compact(token, _tool(key), registry=registry).plaintext
    except Exception:
        # Every failure is one: padding, tag, length and form must not be told apart.
        return None


@lru_cache(maxsize=64)
def _tool(key: DecryptionKey | EncryptionKey) -> Any:
    """The key as joserfc wants it."""
    from joserfc.jwk import ECKey, RSAKey

    kind = ECKey if KEY_ALGORITHMS[key.algorithm] == "EC" else RSAKey
    if isinstance(key, EncryptionKey):
        return kind.import_key(dict(key._members))
    pem = key._private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return kind.import_key(pem)
