"""Sender-constrained tokens: bound to a DPoP key or a certificate when issued, and checked when used.

RFC 9449 §5 to §8, RFC 8705 §3.
"""

import hmac
from datetime import datetime

from authwright.crypto.certificates import certificate_thumbprint
from authwright.protocol.dpop import ProofRejected
from authwright.protocol.errors import (
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequest,
    InvalidToken,
    UseDpopNonce,
)
from authwright.protocol.http import HttpRequest
from authwright.provider.settings import Settings
from authwright.records import Client
from authwright.remote.dpop import DpopProofs, NonceNeeded, ProvenKey
from authwright.ticket import CodeBinding, Confirmation, StoredTicket, Ticket

DPOP = "DPoP"
BEARER = "Bearer"


class SenderConstraint:
    """Finds what a request proves. One object serves every endpoint that issues or takes tokens."""

    __slots__ = ("_origin", "_proofs")

    def __init__(self, *, settings: Settings, proofs: DpopProofs) -> None:
        self._origin = settings.origin
        self._proofs = proofs

    async def prove(self, http: HttpRequest, client: Client, now: datetime) -> Confirmation | None:
        """What tokens for this request are bound to; None = to nothing.

        For every endpoint at which a client announces its key; the client is authenticated. A proof is used up by
        this. Raises InvalidDpopProof, UseDpopNonce or InvalidRequest.
        """
        confirmation, proof = self.identify(http, client, now)
        await self.claim(proof)
        return confirmation

    def identify(
        self, http: HttpRequest, client: Client, now: datetime
    ) -> tuple[Confirmation | None, ProvenKey | None]:
        """As `prove`, but the proof is not used up yet: for a caller that calls `claim` before it writes."""
        proof = self._proven(http, now, at_resource=False)
        if proof is not None:
            if client.tls_client_certificate_bound_access_tokens:
                raise InvalidRequest(
                    "The client's tokens are bound to its certificate; a DPoP proof cannot be used.",
                    detail="dpop.beside_certificate",
                )
            return Confirmation(jkt=proof.jkt), proof
        if client.dpop_bound_access_tokens:
            # RFC 9449 §5.2: such a client's request without a proof is refused.
            raise InvalidDpopProof("A DPoP proof is required.", detail="dpop.missing")
        if client.tls_client_certificate_bound_access_tokens:
            thumbprint = _thumbprint(http, now)
            if thumbprint is None:
                raise InvalidRequest(
                    "A client certificate that is valid now is required.", detail="mtls.no_certificate"
                )
            return Confirmation(x5t_s256=thumbprint), None
        return None, None

    async def claim(self, proof: ProvenKey | None, *, at_resource: bool = False) -> None:
        """Use up the proof of `identify`. Raises InvalidDpopProof when it was used before."""
        if proof is None:
            return
        try:
            await self._proofs.claim(proof)
        except ProofRejected as rejected:
            raise _invalid_proof(rejected, at_resource) from None

    async def check_use(
        self, http: HttpRequest, scheme: str, value: str, token: StoredTicket, now: datetime
    ) -> None:
        """Checks that `token`, sent as `value` with `scheme` (lower case), is used by whom it is bound to.

        Raises InvalidToken, InvalidDpopProof or UseDpopNonce.
        """
        confirmation = token.ticket.confirmation or Confirmation()
        if scheme == "dpop":
            if confirmation.jkt is None:
                raise InvalidToken(
                    "The access token is not bound to a key.", scheme=DPOP, detail="token.unbound"
                )
            proof = self._proven(http, now, at_resource=True, access_token=value, jkt=confirmation.jkt)
            if proof is None:
                raise InvalidDpopProof("A DPoP proof is required.", at_resource=True, detail="dpop.missing")
            await self.claim(proof, at_resource=True)
        elif confirmation.jkt is not None:
            # RFC 9449 §7.2: a bound token that is accepted as Bearer would be as good as an unbound one.
            raise InvalidToken("The access token is bound to a key.", scheme=DPOP, detail="token.bound")
        if confirmation.x5t_s256 is not None:
            thumbprint = _thumbprint(http, now)
            if thumbprint is None or not hmac.compare_digest(thumbprint, confirmation.x5t_s256):
                # RFC 8705 §3.
                raise InvalidToken(
                    "The access token is bound to another certificate.", detail="token.certificate"
                )

    def _proven(
        self,
        http: HttpRequest,
        now: datetime,
        *,
        at_resource: bool,
        access_token: str | None = None,
        jkt: str | None = None,
    ) -> ProvenKey | None:
        try:
            return self._proofs.verify(
                http, self._origin + http.path, now, access_token=access_token, jkt=jkt
            )
        except NonceNeeded:
            raise UseDpopNonce(
                "The DPoP proof needs the nonce of this answer.", at_resource=at_resource, detail="dpop.nonce"
            ) from None
        except ProofRejected as rejected:
            raise _invalid_proof(rejected, at_resource) from None


def _invalid_proof(rejected: ProofRejected, at_resource: bool) -> InvalidDpopProof:
    # One text for every reason: which check failed is for the log.
    return InvalidDpopProof(
        "The DPoP proof is not valid.", at_resource=at_resource, detail=f"dpop.{rejected.reason}"
    )


def check_code_key(binding: CodeBinding, confirmation: Confirmation | None) -> None:
    """Raise InvalidGrant unless the key the code is bound to is proven (RFC 9449 §10)."""
    if binding.dpop_jkt is None:
        return
    proven = confirmation.jkt if confirmation is not None else None
    if proven is None or not hmac.compare_digest(proven.encode(), binding.dpop_jkt.encode()):
        raise InvalidGrant(
            "The specified authorization code is bound to another DPoP key.", detail="code.dpop_jkt"
        )


def check_refresh_binding(ticket: Ticket, confirmation: Confirmation | None) -> None:
    """Raise unless a refresh token's request is bound in the way the token is.

    RFC 9449 §5, RFC 8705 §4: a public client's token needs the very same key. A confidential client is known by its
    authentication and may come with a new one. What was unbound stays so: a thief must not be able to bind it.
    """
    kept, given = ticket.confirmation, confirmation
    if kept is None and given is None:
        return
    if kept is not None and given is None and kept.jkt is not None:
        raise InvalidDpopProof("A DPoP proof is required.", detail="dpop.missing")
    if kept is None or given is None or (kept.jkt is None) is not (given.jkt is None):
        raise InvalidGrant(
            "The specified refresh token is not bound to a key in this way.", detail="refresh.binding"
        )
    if not ticket.confidential and given != kept:
        raise InvalidGrant("The specified refresh token is bound to another key.", detail="refresh.other_key")


def token_type(ticket: Ticket) -> str:
    """The `token_type` of an access token for `ticket` (RFC 9449 §5, RFC 8705 §3)."""
    return DPOP if ticket.confirmation is not None and ticket.confirmation.jkt is not None else BEARER


def _thumbprint(http: HttpRequest, now: datetime) -> str | None:
    if http.client_certificate is None:
        return None
    try:
        return certificate_thumbprint(http.client_certificate, now)
    except ValueError:
        return None
