"""What a client certificate says of its holder (RFC 8705 §2.1, RFC 5280 §4.2.1.6), read and never judged.

Whether an authority vouches for it is for the proxy to check, which ends the TLS connection.
"""

import hashlib
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from authwright.protocol.http import Json

# RFC 4514 §3 has nine short names; these are the others that subjects of clients are registered with.
_MORE_NAMES = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "jurisdictionCountryName": NameOID.JURISDICTION_COUNTRY_NAME,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "title": NameOID.TITLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate that is valid now."""

    digest: str
    """Hex of the SHA-256 of its DER form."""
    subject: x509.Name = field(repr=False)
    dns: frozenset[str]
    """In lower case."""
    uris: frozenset[str]
    emails: frozenset[str]
    addresses: frozenset[IPv4Address | IPv6Address]

    @classmethod
    def read(cls, der: bytes, now: datetime) -> "ClientCertificate":
        """Raises ValueError for what is no certificate, not valid at `now`, or has names that cannot be read."""
        parsed = x509.load_der_x509_certificate(der)
        if not parsed.not_valid_before_utc <= now <= parsed.not_valid_after_utc:
            raise ValueError("the certificate is not valid now")
        try:
            names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = x509.SubjectAlternativeName([])
        except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            raise ValueError("the names of the certificate cannot be read") from None
        return cls(
            digest=hashlib.sha256(der).hexdigest(),
            subject=parsed.subject,
            dns=frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName)),
            uris=frozenset(names.get_values_for_type(x509.UniformResourceIdentifier)),
            emails=frozenset(names.get_values_for_type(x509.RFC822Name)),
            addresses=frozenset(
                address
                for address in names.get_values_for_type(x509.IPAddress)
                if isinstance(address, IPv4Address | IPv6Address)
            ),
        )

    def has_subject(self, distinguished_name: str) -> bool:
        """Whether that is its subject, attribute by attribute and in that order; the text is as in RFC 4514."""
        try:
            return self.subject == parse_distinguished_name(distinguished_name)
        except ValueError:
            return False

    def has_address(self, address: str) -> bool:
        """Whether it names that IP address, however it is spelled."""
        try:
            return ip_address(address) in self.addresses
        except ValueError:
            return False


def parse_distinguished_name(text: str) -> x509.Name:
    """A distinguished name as RFC 4514 writes it, the most specific part first. Raises ValueError."""
    if not text:
        raise ValueError("a distinguished name is not empty")
    return x509.Name.from_rfc4514_string(text, _MORE_NAMES)


def certificates_of(jwks: Mapping[str, Json]) -> frozenset[str]:
    """The digests of the certificates in a JWK Set: of each key the first in its `x5c` (RFC 7517 §4.7)."""
    entries = jwks.get("keys")
    found = set()
    for entry in entries if isinstance(entries, list) else ():
        chain = entry.get("x5c") if isinstance(entry, dict) else None
        if isinstance(chain, list) and chain and isinstance(chain[0], str):
            try:
                found.add(hashlib.sha256(b64decode(chain[0], validate=True)).hexdigest())
            except ValueError:
                continue
    return frozenset(found)
