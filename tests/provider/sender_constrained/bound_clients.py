"""Clients whose tokens are bound, and how they talk to the provider."""

from typing import Any

import msgspec

from authwright.protocol.client_credentials import basic_authorization
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.protocol.params import encode
from authwright.registrations import client
from tests.provider.installation import CALLBACK, CLIENTS, ISSUER, SECRET, VERIFIER, Installation
from tests.provider.sender_constrained.peers import Prover

TOKEN = f"{ISSUER}/token"
USERINFO = f"{ISSUER}/userinfo"
CERTIFIED_PROXY = "10.0.0.1"

BOUND_CLIENTS = (
    *CLIENTS,
    client("bound", SECRET, grant_types=["client_credentials"], scope="read", dpop_bound_access_tokens=True),
    client(
        "certified",
        SECRET,
        grant_types=["client_credentials", "authorization_code", "refresh_token"],
        redirect_uris=[CALLBACK],
        scope="openid profile offline_access read",
        tls_client_certificate_bound_access_tokens=True,
    ),
    client(
        "app",
        redirect_uris=[CALLBACK],
        scope="openid profile offline_access read",
        tls_client_certificate_bound_access_tokens=True,
    ),
)


async def ask(
    op: Installation,
    *proofs: str,
    client_id: str = "machine",
    certificate: bytes | None = None,
    header: str = "dpop",
    **params: str,
) -> HttpResponse:
    """A token request of a client, public ones included, with as many `DPoP` headers as there are proofs."""
    fields = [("content-type", "application/x-www-form-urlencoded")]
    params = params or {"grant_type": "client_credentials"}
    if client_id in op.clients and not op.clients[client_id].confidential:
        params["client_id"] = client_id
    else:
        fields.append(("authorization", basic_authorization(client_id, SECRET)))
    fields += [(header, proof) for proof in proofs]
    body = encode(list(params.items())).encode()
    request = HttpRequest.to("POST", TOKEN, headers=Headers.of(fields), body=body)
    return await op.provider.handle(msgspec.structs.replace(request, client_certificate=certificate))


async def redeem(
    op: Installation, code: str, *proofs: str, client_id: str = "web", **more: Any
) -> HttpResponse:
    """Redeem a code; a public client names itself in the body."""
    params: dict[str, Any] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return await ask(op, *proofs, client_id=client_id, **more, **params)


async def refresh(
    op: Installation, refresh_token: str, *proofs: str, client_id: str = "web", **more: Any
) -> HttpResponse:
    params: dict[str, Any] = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
    }
    return await ask(op, *proofs, client_id=client_id, **more, **params)


async def userinfo(
    op: Installation,
    token: str,
    *proofs: str,
    scheme: str = "DPoP",
    method: str = "GET",
    certificate: bytes | None = None,
) -> HttpResponse:
    fields = [("authorization", f"{scheme} {token}"), *(("dpop", proof) for proof in proofs)]
    request = HttpRequest.to(method, USERINFO, headers=Headers.of(fields))
    return await op.provider.handle(msgspec.structs.replace(request, client_certificate=certificate))


async def bound_tokens(op: Installation, prover: Prover, client_id: str = "web") -> dict[str, Any]:
    """The tokens of alice, bound to the prover's key."""
    answer = await redeem(op, await op.code(client_id), prover.proof("POST", TOKEN), client_id=client_id)
    assert answer.status == 200, answer.body
    members: dict[str, Any] = answer.json()
    return members


def error_of(answer: HttpResponse) -> tuple[int, str]:
    return answer.status, answer.json().get("error", "")
