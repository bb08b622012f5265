"""Whether a token is used by whom it is bound to (RFC 9449 §7, RFC 8705 §3)."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from authwright.crypto.certificates import certificate_thumbprint
from authwright.protocol.dpop import ProofRejected
from authwright.protocol.http import HttpRequest
from authwright.remote.dpop import DpopProofs, NonceNeeded
from authwright.resource_server.access_token import AccessToken
from authwright.resource_server.refusals import invalid_proof, invalid_token, use_nonce
from authwright.ticket import Confirmation

_UNBOUND = Confirmation()


@dataclass(frozen=True, slots=True, kw_only=True)
class DpopAcceptance:
    """How DPoP-bound tokens are taken. `proofs` needs a store that all workers share."""

    origin: str
    """Scheme and host under which clients know this API, such as "https://api.example"."""
    proofs: DpopProofs
    required: bool = False
    """Whether tokens that are bound to nothing are refused."""

    def __post_init__(self) -> None:
        _check_origin(self.origin)


async def check_holder(
    request: HttpRequest, scheme: str, token: AccessToken, dpop: DpopAcceptance | None, now: datetime
) -> None:
    """`scheme` as it was used, in lower case; `dpop` None = such tokens are not taken. Raises BearerRefused."""
    bound = token.confirmation or _UNBOUND
    if scheme == "dpop":
        if dpop is None:
            raise invalid_token("scheme")
        if bound.jkt is None:
            raise invalid_token("unbound", scheme="DPoP")
        await _check_proof(request, token.value, bound.jkt, dpop, now)
    elif bound.jkt is not None:
        # RFC 9449 §7.2: a bound token is worth nothing without the proof, which Bearer has not.
        raise invalid_token("bound", scheme="Bearer" if dpop is None else "DPoP")
    elif dpop is not None and dpop.required and bound.x5t_s256 is None:
        raise invalid_token("unbound", scheme="DPoP")
    if bound.x5t_s256 is not None:
        _check_certificate(request.client_certificate, bound.x5t_s256, now)


async def _check_proof(
    request: HttpRequest, value: str, jkt: str, dpop: DpopAcceptance, now: datetime
) -> None:
    try:
        proven = await dpop.proofs.check(
            request, dpop.origin + request.path, now, access_token=value, jkt=jkt
        )
    except NonceNeeded:
        raise use_nonce(dpop.proofs.nonce(now) or "") from None
    except ProofRejected as rejected:
        raise invalid_proof(rejected.reason) from None
    if proven is None:
        raise invalid_proof("missing")


def _check_certificate(certificate: bytes | None, expected: str, now: datetime) -> None:
    try:
        shown = "" if certificate is None else certificate_thumbprint(certificate, now)
    except ValueError:
        shown = ""
    if not hmac.compare_digest(shown, expected):
        raise invalid_token("certificate")


def _check_origin(origin: str) -> None:
    scheme, separator, host = origin.partition("://")
    if scheme not in ("https", "http") or not separator or not host or set(host) & set("/?#@"):
        raise ValueError(f"origin: {origin!r} is not a scheme and a host, such as https://api.example")
