"""How a client of ours proves who it is to another server's endpoint.

RFC 6749 §2.3, OpenID Connect Core §9, RFC 7523 §2.2, RFC 8705 §2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from authwright.crypto.handles import random_id
from authwright.crypto.jwt import sign_jwt, sign_shared_secret_jwt
from authwright.crypto.keys import SigningKey
from authwright.crypto.shared_secrets import SharedSecret
from authwright.protocol.client_credentials import (
    assertion_parameters,
    basic_authorization,
    post_parameters,
)
from authwright.protocol.http import Headers, HttpRequest, Json
from authwright.protocol.params import encode
from authwright.remote.documents import request_to

ASSERTION_LIFETIME = timedelta(minutes=1)
"""An assertion is for the next request."""
FORM = Headers.of({"content-type": "application/x-www-form-urlencoded", "accept": "application/json"})
"""The header fields of a form whose answer is wanted as JSON."""
_TYPE = "JWT"


@dataclass(frozen=True, slots=True)
class SecretBasic:
    """client_secret_basic: the secret in the Authorization header."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretPost:
    """client_secret_post: the secret in the form."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """private_key_jwt: a JWT signed with a key whose public half is registered."""

    key: SigningKey
    audience: str | None = None
    """Whom the JWT is for. None: the issuer, which no other server can be mistaken for; a server that insists on its
    token endpoint's URL is named here."""


@dataclass(frozen=True, slots=True)
class ClientSecretJwt:
    """client_secret_jwt: a JWT under HS256 with the client secret, of 32 bytes at least. Raises ValueError."""

    secret: str = field(repr=False)
    audience: str | None = None
    """As in `PrivateKeyJwt`."""

    def __post_init__(self) -> None:
        SharedSecret.of(self.secret)


@dataclass(frozen=True, slots=True)
class TlsClientCertificate:
    """tls_client_auth and self_signed_tls_client_auth: the certificate of the connection, which is the `Fetch`'s."""


@dataclass(frozen=True, slots=True)
class Public:
    """none: a client without a secret."""


ClientAuth: TypeAlias = (
    SecretBasic | SecretPost | PrivateKeyJwt | ClientSecretJwt | TlsClientCertificate | Public
)


def authenticated_form(
    url: str,
    client_id: str,
    auth: ClientAuth,
    pairs: Iterable[tuple[str, str]],
    *,
    issuer: str,
    now: datetime,
    headers: Iterable[tuple[str, str]] = (),
) -> HttpRequest:
    """A POST of `pairs` to `url` of that issuer by that client; the answer is wanted as JSON.

    An assertion in it is good for one request: build another for another. Raises RemoteFault for a broken URL.
    """
    fields = [*headers]
    sent = tuple(pairs)
    proof: tuple[tuple[str, str], ...]
    match auth:
        case SecretBasic(secret):
            fields.append(("authorization", basic_authorization(client_id, secret)))
            proof = ()
        case SecretPost(secret):
            proof = post_parameters(client_id, secret)
        case PrivateKeyJwt(key, audience):
            claims = _assertion(client_id, audience or issuer, now)
            proof = assertion_parameters(sign_jwt(key, claims, typ=_TYPE), client_id)
        case ClientSecretJwt(secret, audience):
            claims = _assertion(client_id, audience or issuer, now)
            signed = sign_shared_secret_jwt(SharedSecret.of(secret), claims, typ=_TYPE)
            proof = assertion_parameters(signed, client_id)
        case TlsClientCertificate() | Public():
            # RFC 8705 §2: beside a certificate, the name alone says whose it should be.
            proof = post_parameters(client_id)
    if proof:
        # A pushed request names its client already, and no parameter may be there twice (RFC 6749 §3.2).
        named = {name for name, _ in sent}
        sent += tuple(pair for pair in proof if pair[0] not in named)
    return request_to("POST", url, FORM.plus(Headers.of(fields)), encode(sent).encode("ascii"))


def _assertion(client_id: str, audience: str, now: datetime) -> dict[str, Json]:
    """RFC 7523 §3, with one audience as a text: a list could name somebody who uses it elsewhere."""
    issued = int(now.timestamp())
    return {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": issued,
        "exp": issued + int(ASSERTION_LIFETIME.total_seconds()),
        "jti": random_id(),
    }
