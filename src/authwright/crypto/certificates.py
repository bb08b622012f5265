"""Client certificates, as far as binding a token to one needs them (RFC 8705 §3.1)."""

import hashlib
from datetime import datetime

from cryptography import x509

from authwright.crypto import base64url


def certificate_thumbprint(certificate: bytes, now: datetime) -> str:
    """`x5t#S256` of a DER certificate. Raises ValueError for what is no certificate, or not valid at `now`.

    Who issued it does not count here: the TLS handshake proved that the caller holds its key.
    """
    parsed = x509.load_der_x509_certificate(certificate)
    if not parsed.not_valid_before_utc <= now <= parsed.not_valid_after_utc:
        raise ValueError("the certificate is not valid now")
    return base64url.encode(hashlib.sha256(certificate).digest()).decode("ascii")
