"""Certificates as clients have them, made by `cryptography`."""

import base64
import ipaddress
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from authwright.clock import Clock
from tests.provider.client_authentication.assertions import EC_KEY, ec_jwk

NAMES: dict[str, x509.GeneralName] = {
    "tls_client_auth_san_dns": x509.DNSName("client.example"),
    "tls_client_auth_san_uri": x509.UniformResourceIdentifier("spiffe://example/client"),
    "tls_client_auth_san_ip": x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    "tls_client_auth_san_email": x509.RFC822Name("client@example.com"),
}
REGISTERED = {
    "tls_client_auth_subject_dn": "CN=client,O=Example\\, Inc.,C=GB",
    "tls_client_auth_san_dns": "Client.Example",
    "tls_client_auth_san_uri": "spiffe://example/client",
    "tls_client_auth_san_ip": "2001:DB8:0::1",
    "tls_client_auth_san_email": "client@example.com",
}
SUBJECT = [
    (NameOID.COUNTRY_NAME, "GB"),
    (NameOID.ORGANIZATION_NAME, "Example, Inc."),
    (NameOID.COMMON_NAME, "client"),
]


def certificate(
    clock: Clock,
    *,
    subject: list[tuple[Any, str]] | None = None,
    names: list[x509.GeneralName] | None = None,
    starts: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=30),
    key: ec.EllipticCurvePrivateKey = EC_KEY,
) -> bytes:
    """A certificate in DER, self-signed."""
    chosen = SUBJECT if subject is None else subject
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in chosen])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock() + starts)
        .not_valid_after(clock() + ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def jwks_with(*certificates: bytes) -> dict[str, Any]:
    """A JWK Set whose keys carry these certificates."""
    return {
        "keys": [
            {**ec_jwk(EC_KEY, f"c-{number}"), "x5c": [base64.b64encode(der).decode()]}
            for number, der in enumerate(certificates)
        ]
    }
