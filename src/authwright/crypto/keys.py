"""Signing keys, verification keys and key sets (RFC 7517, RFC 7638, RFC 8037).

A key carries the algorithms it may be used with; a token's header only chooses among them (RFC 8725 §3.1).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authwright.crypto import base64url
from authwright.crypto.algorithms import ALGORITHMS
from authwright.crypto.private_keys import private_key_from_jwk, private_key_from_pem
from authwright.crypto.seal import Seal
from authwright.protocol.http import Json

MAX_KEYS = 32
MAX_KID_BYTES = 256
RSA_BITS = (2048, 4096)

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_EXPONENT_BITS = 32
_P25519 = 2**255 - 19
_EIGHTH_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# The y coordinates of the points of order 1, 2, 4 and 8: under such a key one signature fits any message.
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P25519 - 1,
        _EIGHTH_Y,
        _P25519 - _EIGHTH_Y,
    }
)

_PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
_PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerificationKey:
    """A public key and what it may verify."""

    kid: str | None
    """As its JWK says; None when it says nothing."""
    algorithms: frozenset[str]
    _public: _PublicKey = field(repr=False)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Json]) -> "VerificationKey":
        """The key of a public JWK: P-256, RSA of 2048 to 4096 bits, or Ed25519.

        Raises ValueError for every other key, an invalid one, one with private members, one that is not for
        signatures, and one whose `alg` is not ours or not of its `kty`.
        """
        if not isinstance(jwk, Mapping):
            raise ValueError("JWK: not an object")
        # RFC 9449 §4.3: a private key someone shows is no proof of anything.
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            raise ValueError("JWK: private or symmetric key")
        if jwk.get("use", "sig") != "sig":
            raise ValueError("JWK: use is not sig")
        operations = jwk.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            raise ValueError("JWK: key_ops without verify")
        kid = jwk.get("kid")
        if kid is not None and not _fits_kid(kid):
            raise ValueError("JWK: kid")

        kty = jwk.get("kty")
        fitting = frozenset(name for name, algorithm in ALGORITHMS.items() if algorithm.kty == kty)
        algorithm = jwk.get("alg")
        if algorithm is not None:
            if not isinstance(algorithm, str) or algorithm not in fitting:
                raise ValueError("JWK: alg")
            fitting = frozenset({algorithm})
        if kty == "EC":
            public: _PublicKey = _ec_key(jwk)
        elif kty == "RSA":
            public = _rsa_key(jwk)
        elif kty == "OKP":
            public = _ed25519_key(jwk)
        else:
            raise ValueError("JWK: kty")
        return cls(kid=kid, algorithms=fitting, _public=public)

    def verify(self, algorithm: str, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data` with `algorithm`; False for an algorithm it may not do."""
        if algorithm not in self.algorithms:
            return False
        try:
            ALGORITHMS[algorithm].verify(self._public, signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def thumbprint(self) -> str:
        """RFC 7638, SHA-256: the `jkt` of DPoP and the kid we give our own keys."""
        return _thumbprint(public_members(self._public))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SigningKey:
    """A private key for one algorithm. It shows nothing of itself but its kid."""

    kid: str
    """RFC 7638 thumbprint."""
    algorithm: str
    """ES256, RS256, PS256 or EdDSA."""
    _private: _PrivateKey
    _members: Mapping[str, str]

    @classmethod
    def generate(cls, algorithm: str) -> "SigningKey":
        """A new key for `algorithm`: P-256, RSA 2048 or Ed25519. Raises ValueError for an unknown algorithm."""
        kty = ALGORITHMS[algorithm].kty if algorithm in ALGORITHMS else None
        if kty == "EC":
            return cls._of(ec.generate_private_key(ec.SECP256R1()), algorithm)
        if kty == "RSA":
            return cls._of(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS[0]), algorithm)
        if kty == "OKP":
            return cls._of(ed25519.Ed25519PrivateKey.generate(), algorithm)
        raise ValueError("unknown signature algorithm")

    @classmethod
    def from_pem(cls, pem: bytes, algorithm: str | None = None) -> "SigningKey":
        """The key of an unencrypted PEM file; `algorithm` None = ES256, RS256 or EdDSA, as the key is.

        Raises ValueError, without any of the text, for what is no private key or does not fit the algorithm.
        """
        return cls._of(private_key_from_pem(pem), algorithm)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Json], algorithm: str | None = None) -> "SigningKey":
        """The key of a private JWK; `algorithm` None = its own `alg`, else as in `from_pem`. Raises ValueError.

        A `kid` of up to 256 bytes in it is kept, since it is what the other side has registered.
        """
        if jwk.get("use", "sig") != "sig":
            raise ValueError("JWK: use is not sig")
        named, kid = algorithm or jwk.get("alg"), jwk.get("kid")
        if named is not None and not isinstance(named, str):
            raise ValueError("JWK: alg")
        key = cls._of(private_key_from_jwk(jwk), named)
        return key if not kid or not _fits_kid(kid) else replace(key, kid=kid)

    @classmethod
    def unseal(cls, sealed: str, seal: Seal, *, kid: str, algorithm: str) -> "SigningKey":
        """The reverse of `seal`. Raises ValueError when it does not open, or is not the key of kid and algorithm."""
        der = seal.open(sealed, context=_seal_context(kid, algorithm))
        if der is None:
            raise ValueError("the signing key does not open with these root keys")
        try:
            private = serialization.load_der_private_key(der, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("the sealed value is no private key") from None
        key = cls._of(private, algorithm)
        if key.kid != kid:
            raise ValueError("the sealed key has another kid")
        return key

    @classmethod
    def _of(cls, private: Any, algorithm: str | None) -> "SigningKey":
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            kty, default = "EC", "ES256"
        elif isinstance(private, rsa.RSAPrivateKey) and RSA_BITS[0] <= private.key_size <= RSA_BITS[1]:
            kty, default = "RSA", "RS256"
        elif isinstance(private, ed25519.Ed25519PrivateKey):
            kty, default = "OKP", "EdDSA"
        else:
            raise ValueError("a signing key is P-256, RSA of 2048 to 4096 bits, or Ed25519")
        chosen = algorithm or default
        if chosen not in ALGORITHMS or ALGORITHMS[chosen].kty != kty:
            raise ValueError("the algorithm does not fit the key")
        members = public_members(private.public_key())
        return cls(kid=_thumbprint(members), algorithm=chosen, _private=private, _members=members)

    @property
    def public_jwk(self) -> dict[str, str]:
        """A fresh dict for the JWK set: the key's public members, `kid`, `alg` and `use`."""
        return {**self._members, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    @property
    def verification_key(self) -> VerificationKey:
        """Its public half, for its own algorithm only."""
        return VerificationKey(
            kid=self.kid, algorithms=frozenset({self.algorithm}), _public=self._private.public_key()
        )

    def sign(self, data: bytes) -> bytes:
        """The JWS signature over `data`; for ES256 that is r and s, 32 bytes each."""
        return ALGORITHMS[self.algorithm].sign(self._private, data)

    def seal(self, seal: Seal) -> str:
        """The private key as sealed text for a store; it opens only for the same kid and algorithm."""
        der = self._private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return seal.seal(der, context=_seal_context(self.kid, self.algorithm))

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, algorithm={self.algorithm!r})"

    def __reduce__(self) -> NoReturn:
        # A pickle would be the private key in the clear.
        raise TypeError("a signing key is sealed, not pickled")


class KeySet:
    """Verification keys, unchangeable, looked up by kid and algorithm."""

    __slots__ = ("_by_algorithm", "_by_kid", "_kids", "keys")

    keys: tuple[VerificationKey, ...]

    def __init__(self, keys: tuple[VerificationKey, ...]) -> None:
        """Raises ValueError for more than 32 keys."""
        if len(keys) > MAX_KEYS:
            raise ValueError("a key set has at most 32 keys")
        self.keys = keys
        by_algorithm: dict[str, tuple[VerificationKey, ...]] = {}
        by_kid: dict[tuple[str, str], tuple[VerificationKey, ...]] = {}
        for key in keys:
            for algorithm in key.algorithms:
                by_algorithm[algorithm] = (*by_algorithm.get(algorithm, ()), key)
                if key.kid is not None:
                    by_kid[key.kid, algorithm] = (*by_kid.get((key.kid, algorithm), ()), key)
        self._by_algorithm = by_algorithm
        self._by_kid = by_kid
        self._kids = frozenset(key.kid for key in keys if key.kid is not None)

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Json]) -> "KeySet":
        """The keys of a JWK Set that we can use; the others are skipped, as RFC 7517 §5 asks.

        Raises ValueError when it is no JWK Set or has more than 32 members.
        """
        entries = jwks.get("keys") if isinstance(jwks, Mapping) else None
        if not isinstance(entries, list):
            raise ValueError("not a JWK Set")
        if len(entries) > MAX_KEYS:
            raise ValueError("a key set has at most 32 keys")
        usable = []
        for entry in entries:
            try:
                usable.append(VerificationKey.from_jwk(entry))
            except ValueError:
                continue
        return cls(tuple(usable))

    @classmethod
    def of(cls, *keys: "SigningKey | VerificationKey") -> "KeySet":
        """The set of these keys' public halves."""
        return cls(tuple(key.verification_key if isinstance(key, SigningKey) else key for key in keys))

    def candidates(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        """The keys that may have made a signature: of that kid (None = any) and for that algorithm."""
        if kid is None:
            return self._by_algorithm.get(algorithm, ())
        return self._by_kid.get((kid, algorithm), ())

    def has(self, kid: str) -> bool:
        """Whether a key of the set bears `kid`; if not, a fresh copy of the set may have it."""
        return kid in self._kids

    def __repr__(self) -> str:
        return f"KeySet({len(self.keys)} keys)"


def thumbprint(jwk: Mapping[str, Json]) -> str:
    """RFC 7638 thumbprint (SHA-256) of a public JWK. Raises ValueError as `VerificationKey.from_jwk` does."""
    return VerificationKey.from_jwk(jwk).thumbprint()


def _fits_kid(kid: Json) -> bool:
    return isinstance(kid, str) and len(kid.encode("utf-8", "surrogatepass")) <= MAX_KID_BYTES


def _seal_context(kid: str, algorithm: str) -> str:
    # A sealed key moved to another row does not open there.
    return f"{algorithm}:{kid}"


def _octets(jwk: Mapping[str, Json], name: str) -> bytes:
    value = jwk.get(name)
    # The largest member we take is the modulus of RSA 4096: 683 characters.
    if not isinstance(value, str) or len(value) > 700 or not value.isascii():
        raise ValueError(f"JWK: {name}")
    try:
        return base64url.decode(value.encode("ascii"))
    except ValueError:
        raise ValueError(f"JWK: {name}") from None


def _unsigned(jwk: Mapping[str, Json], name: str) -> int:
    octets = _octets(jwk, name)
    # RFC 7518 §2: as few octets as possible, so that one key has one spelling.
    if not octets or octets[0] == 0:
        raise ValueError(f"JWK: {name}")
    return int.from_bytes(octets, "big")


def _ec_key(jwk: Mapping[str, Json]) -> ec.EllipticCurvePublicKey:
    if jwk.get("crv") != "P-256":
        raise ValueError("JWK: crv")
    x, y = _octets(jwk, "x"), _octets(jwk, "y")
    # RFC 7518 §6.2.1.2: coordinates have the full width of the field.
    if len(x) != 32 or len(y) != 32:
        raise ValueError("JWK: coordinates")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
    except ValueError:
        raise ValueError("JWK: the point is not on the curve") from None


def _rsa_key(jwk: Mapping[str, Json]) -> rsa.RSAPublicKey:
    modulus, exponent = _unsigned(jwk, "n"), _unsigned(jwk, "e")
    if not RSA_BITS[0] <= modulus.bit_length() <= RSA_BITS[1] or modulus % 2 == 0:
        raise ValueError("JWK: n")
    # An exponent as long as the modulus would make each verification as dear as a signature.
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > _EXPONENT_BITS:
        raise ValueError("JWK: e")
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise ValueError("JWK: RSA key") from None


def _ed25519_key(jwk: Mapping[str, Json]) -> ed25519.Ed25519PublicKey:
    if jwk.get("crv") != "Ed25519":
        raise ValueError("JWK: crv")
    x = _octets(jwk, "x")
    if len(x) != 32:
        raise ValueError("JWK: x")
    y_coordinate = int.from_bytes(x, "little") & (1 << 255) - 1
    if y_coordinate >= _P25519 or y_coordinate in _SMALL_ORDER_Y:
        raise ValueError("JWK: x")
    return ed25519.Ed25519PublicKey.from_public_bytes(x)


def public_members(public: Any) -> dict[str, str]:
    """The members of a public key's JWK that RFC 7638 §3.2 hashes, in the order it asks for."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"e": _integer_text(numbers.e), "kty": "RSA", "n": _integer_text(numbers.n)}
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": _text(public.public_bytes_raw())}
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {"crv": "P-256", "kty": "EC", "x": _text(point[1:33]), "y": _text(point[33:])}


def _text(octets: bytes) -> str:
    return base64url.encode(octets).decode("ascii")


def _integer_text(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _thumbprint(members: Mapping[str, str]) -> str:
    # RFC 7638 §3: no member needs escaping, so the JSON can be put together here.
    text = ",".join(f'"{name}":"{value}"' for name, value in members.items())
    return _text(hashlib.sha256(f"{{{text}}}".encode("ascii")).digest())
