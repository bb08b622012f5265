"""What clients and proxies of others send: DPoP proofs made by PyJWT, thumbprints by jwcrypto, certificates by cryptography."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from authwright.clock import Clock

KEYS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "PS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}


class Prover:
    """A client's key, and the proofs it makes. A change to None leaves a claim or a header member out."""

    def __init__(self, clock: Clock, algorithm: str = "ES256") -> None:
        self.clock = clock
        self.algorithm = algorithm
        self.key: Any = KEYS[algorithm]()
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.jwk = JWK.from_pem(pem)
        self.private_jwk: dict[str, str] = json.loads(self.jwk.export_private())
        self.public_jwk = {
            name: value for name, value in self.private_jwk.items() if name not in PRIVATE | {"kid"}
        }

    @property
    def jkt(self) -> str:
        return str(self.jwk.thumbprint())

    def proof(
        self,
        method: str,
        url: str,
        *,
        access_token: str | None = None,
        header: dict[str, Any] | None = None,
        signed_with: tuple[Any, str] | None = None,
        **changes: Any,
    ) -> str:
        claims = {"jti": str(uuid4()), "htm": method, "htu": url, "iat": int(self.clock().timestamp())}
        if access_token is not None:
            claims["ath"] = hash_of(access_token)
        claims.update(changes)
        key, algorithm = signed_with or (self.key, self.algorithm)
        named = {"typ": "dpop+jwt", "jwk": self.public_jwk, **(header or {})}
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key,
            algorithm=algorithm,
            headers={name: value for name, value in named.items() if value is not None or name == "typ"},
        )


def hash_of(text: str) -> str:
    """`ath`, said independently."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def thumbprint_of(certificate: bytes) -> str:
    """`x5t#S256` of DER, said independently."""
    parsed = x509.load_der_x509_certificate(certificate)
    return base64.urlsafe_b64encode(parsed.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


def certificate(clock: Clock, *, days: int = 30, name: str = "client.example") -> bytes:
    """A certificate in DER, self-signed, valid from yesterday for so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = clock()
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)
