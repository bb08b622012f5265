"""Private keys as files hold them: PEM, or a JWK with its private members (RFC 7517, RFC 7518 §6, RFC 8037 §2)."""

from collections.abc import Mapping
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authwright.crypto import base64url
from authwright.protocol.http import Json

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_MAX_MEMBER = 700
"""Characters: the modulus of RSA 4096 has 683."""


def private_key_from_pem(pem: bytes) -> PrivateKey:
    """The key of an unencrypted PEM file. Raises ValueError, without any of the text, for what is none."""
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not an unencrypted PEM private key") from None
    if isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return private
    raise ValueError("a private key is P-256, RSA, or Ed25519")


def private_key_from_jwk(jwk: Mapping[str, Json]) -> PrivateKey:
    """The key of a private JWK (P-256, RSA with its primes, or Ed25519), its public members checked against it.

    Raises ValueError, without any of its values, for what is none.
    """
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "EC", "P-256":
                return _ec_key(jwk)
            case "RSA", _:
                return _rsa_key(jwk)
            case "OKP", "Ed25519":
                return _ed25519_key(jwk)
    except (ValueError, TypeError):
        # The text of these may quote a member.
        raise ValueError("not a private JWK") from None
    raise ValueError("not a private JWK: a key is P-256, RSA, or Ed25519")


def _ec_key(jwk: Mapping[str, Json]) -> ec.EllipticCurvePrivateKey:
    public = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), ec.SECP256R1())
    # It fails for a private number that is not the point's.
    return ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), public).private_key()


def _rsa_key(jwk: Mapping[str, Json]) -> rsa.RSAPrivateKey:
    p, q, d, dp, dq, qi = (_number(jwk, name) for name in ("p", "q", "d", "dp", "dq", "qi"))
    public = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _ed25519_key(jwk: Mapping[str, Json]) -> ed25519.Ed25519PrivateKey:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d"))
    if private.public_key().public_bytes_raw() != _octets(jwk, "x"):
        raise ValueError("x")
    return private


def _number(jwk: Mapping[str, Json], name: str) -> int:
    return int.from_bytes(_octets(jwk, name), "big")


def _octets(jwk: Mapping[str, Json], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_MEMBER:
        raise ValueError(name)
    return base64url.decode(value.encode("ascii"))
