"""The signature algorithms there are (RFC 7518 §3, RFC 8037), each tied to one kind of key.

What is not here cannot be asked for: no `none`, no HMAC, no RSA1_5, no PBES2. A public key can therefore never
be taken for a shared secret.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256, sha512
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
_PKCS1 = padding.PKCS1v15()
# RFC 7518 §3.5: the salt is as long as the hash.
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)


class Algorithm(NamedTuple):
    """One value of `alg`."""

    kty: str
    half_hash: Callable[[bytes], Any]
    """OpenID Connect Core §3.1.3.6: the hash whose left half is `at_hash` and `c_hash`."""
    sign: Callable[[Any, bytes], bytes]
    """Private key and data to the JWS signature."""
    verify: Callable[[Any, bytes, bytes], None]
    """Public key, signature, data. Raises InvalidSignature or ValueError."""


def _sign_es256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _verify_es256(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    # RFC 7518 §3.4: r and s, 32 bytes each.
    if len(signature) != 64:
        raise ValueError("length")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    # Zeros satisfy the equation of a careless implementation for every message and key.
    if r == 0 or s == 0:
        raise ValueError("zero")
    key.verify(encode_dss_signature(r, s), data, _ECDSA)


def _sign_rs256(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, _PKCS1, _SHA256)


def _verify_rs256(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data, _PKCS1, _SHA256)


def _sign_ps256(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, _PSS, _SHA256)


def _verify_ps256(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data, _PSS, _SHA256)


def _sign_eddsa(key: ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
    return key.sign(data)


def _verify_eddsa(key: ed25519.Ed25519PublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data)


ALGORITHMS: Mapping[str, Algorithm] = {
    "ES256": Algorithm("EC", sha256, _sign_es256, _verify_es256),
    "RS256": Algorithm("RSA", sha256, _sign_rs256, _verify_rs256),
    "PS256": Algorithm("RSA", sha256, _sign_ps256, _verify_ps256),
    # Ed25519 hashes with SHA-512, and so does what stands beside its signature.
    "EdDSA": Algorithm("OKP", sha512, _sign_eddsa, _verify_eddsa),
}
