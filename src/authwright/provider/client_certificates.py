"""Mutual TLS: tls_client_auth and self_signed_tls_client_auth (RFC 8705 §2).

The certificate comes from a trusted proxy, which took part in the handshake. For tls_client_auth it must also have
checked that an authority it trusts issued the certificate: here only the name is compared.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from authwright.crypto.client_certificates import ClientCertificate
from authwright.protocol.client_credentials import SELF_SIGNED_TLS_CLIENT_AUTH, TLS_CLIENT_AUTH
from authwright.protocol.errors import InvalidClient
from authwright.provider.client_keys import ClientKeys
from authwright.records import Client

CERTIFICATE_METHODS = (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)

logger: logging.Logger = logging.getLogger("authwright")


class ClientCertificates:
    def __init__(self, keys: ClientKeys) -> None:
        self._keys = keys

    async def check(self, client: Client, der: bytes | None, now: datetime) -> None:
        """Raises InvalidClient unless the certificate is the client's, or TemporarilyUnavailable."""
        if der is None:
            raise InvalidClient(detail="client.certificate_missing")
        try:
            certificate = ClientCertificate.read(der, now)
        except ValueError:
            raise InvalidClient(detail="client.certificate_invalid") from None
        if client.token_endpoint_auth_method == TLS_CLIENT_AUTH:
            if not _is_named(client, certificate):
                raise InvalidClient(detail="client.certificate_subject")
        elif not await self._keys.has_certificate(client, certificate.digest):
            raise InvalidClient(detail="client.certificate_unknown")


@lru_cache(maxsize=64)
def warn_of_mixed_methods(issuer: str) -> None:
    """Tell the operator, once in each process."""
    logger.warning(
        "client.mixed_certificates: tls_client_auth needs a proxy that checks who issued a certificate,"
        " self_signed_tls_client_auth one that does not; do not use both behind one proxy",
        extra={"issuer": issuer},
    )


def mixes_methods(clients: Iterable[Client]) -> bool:
    """Whether both methods are in use."""
    return {client.token_endpoint_auth_method for client in clients}.issuperset(CERTIFICATE_METHODS)


def _is_named(client: Client, certificate: ClientCertificate) -> bool:
    """RFC 8705 §2.1.2: the client has exactly one of five names, and the certificate has it too."""
    names = registered_names(client)
    if len(names) != 1:
        return False
    [(kind, name)] = names.items()
    match kind:
        case "tls_client_auth_subject_dn":
            return certificate.has_subject(name)
        case "tls_client_auth_san_dns":
            return name.lower() in certificate.dns
        case "tls_client_auth_san_uri":
            return name in certificate.uris
        case "tls_client_auth_san_ip":
            return certificate.has_address(name)
        case _:
            return name in certificate.emails


def registered_names(client: Client) -> dict[str, str]:
    """What of the five is registered, by its metadata name."""
    names = {
        "tls_client_auth_subject_dn": client.tls_client_auth_subject_dn,
        "tls_client_auth_san_dns": client.tls_client_auth_san_dns,
        "tls_client_auth_san_uri": client.tls_client_auth_san_uri,
        "tls_client_auth_san_ip": client.tls_client_auth_san_ip,
        "tls_client_auth_san_email": client.tls_client_auth_san_email,
    }
    return {kind: name for kind, name in names.items() if name}
