"""How a client of ours proves who it is to another server's endpoint (RFC 6749 §2.3, OpenID Connect Core §9)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from authwright.protocol.client_credentials import basic_authorization, post_parameters
from authwright.protocol.http import Headers, HttpRequest
from authwright.protocol.params import encode
from authwright.remote.documents import request_to


@dataclass(frozen=True, slots=True)
class SecretBasic:
    """client_secret_basic: the secret in the Authorization header."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretPost:
    """client_secret_post: the secret in the form."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Public:
    """none: a client without a secret."""


ClientAuth: TypeAlias = SecretBasic | SecretPost | Public


def authenticated_form(
    url: str, client_id: str, auth: ClientAuth, pairs: Iterable[tuple[str, str]]
) -> HttpRequest:
    """A POST of `pairs` to `url` by that client; the answer is wanted as JSON. Raises RemoteFault for a broken URL."""
    headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
    match auth:
        case SecretBasic(secret):
            headers.append(("authorization", basic_authorization(client_id, secret)))
            proof: tuple[tuple[str, str], ...] = ()
        case SecretPost(secret):
            proof = post_parameters(client_id, secret)
        case Public():
            proof = post_parameters(client_id)
    body = encode((*pairs, *proof)).encode("ascii")
    return request_to("POST", url, Headers.of(headers), body)
