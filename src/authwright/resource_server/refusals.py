"""What a caller without a good token is told (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1, RFC 9110 §11.6.1)."""

from collections.abc import Sequence

from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.protocol.challenge import build_challenge
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import Headers, HttpResponse, json_response


class BearerRefused(Exception):
    """The request is not let through; `response` says why, as far as the caller may know.

    `error` is a code of RFC 6750 §3.1, RFC 9449 §7.1 or RFC 9470 §3, empty when no token was sent; `reason` is a short
    code for the log; `schemes` are those the challenges name, none standing for the one the caller used. `max_age` and
    `retry_after` are seconds; `resource_metadata` is a URL.
    """

    def __init__(
        self,
        status: int,
        error: str = "",
        description: str = "",
        *,
        scope: str = "",
        reason: str = "",
        retry_after: int | None = None,
        schemes: Sequence[str] = (),
        dpop_nonce: str = "",
        acr_values: str = "",
        max_age: int | None = None,
        resource_metadata: str = "",
    ) -> None:
        # Read only where nobody caught it.
        super().__init__(f"{error or 'no token'}; app.add_middleware(api.middleware) makes an answer of this")
        self.status: int = status
        self.error: str = error
        self.description: str = description
        self.scope: str = scope
        self.reason: str = reason or error
        self.retry_after: int | None = retry_after
        self.schemes: tuple[str, ...] = tuple(schemes)
        self.dpop_nonce: str = dpop_nonce
        self.acr_values: str = acr_values
        self.max_age: int | None = max_age
        self.resource_metadata: str = resource_metadata

    def told_by(self, *, scheme: str, resource_metadata: str) -> "BearerRefused":
        """The same refusal with what only the resource server knows: how it was called, and where it is described."""
        return BearerRefused(
            self.status,
            self.error,
            self.description,
            scope=self.scope,
            reason=self.reason,
            retry_after=self.retry_after,
            schemes=self.schemes or (scheme,),
            dpop_nonce=self.dpop_nonce,
            acr_values=self.acr_values,
            max_age=self.max_age,
            resource_metadata=resource_metadata,
        )

    @property
    def www_authenticate(self) -> str | None:
        """The challenges, or None when a better token would not help."""
        if self.status >= 500:
            return None
        return ", ".join(self._challenge(scheme) for scheme in self.schemes or ("Bearer",))

    def _challenge(self, scheme: str) -> str:
        # RFC 6750 §3.1: without a token the answer names no error, since nothing was wrong with anything.
        return build_challenge(
            scheme,
            {
                "error": self.error,
                "error_description": self.description,
                "scope": self.scope,
                "acr_values": self.acr_values,
                "max_age": "" if self.max_age is None else str(self.max_age),
                # RFC 9449 §7.1.
                "algs": " ".join(PROOF_ALGORITHMS) if scheme == "DPoP" else "",
                "resource_metadata": self.resource_metadata,
            },
        )

    @property
    def response(self) -> HttpResponse:
        """The whole answer."""
        members = {"error": self.error or "unauthorized"}
        if self.description:
            members["error_description"] = self.description
        fields = []
        if self.www_authenticate is not None:
            fields.append(("www-authenticate", self.www_authenticate))
        if self.retry_after is not None:
            fields.append(("retry-after", str(self.retry_after)))
        if self.dpop_nonce:
            fields.append(("dpop-nonce", self.dpop_nonce))
        return json_response(self.status, members, Headers.of(fields))


def no_token(scope: str, schemes: Sequence[str]) -> BearerRefused:
    return BearerRefused(401, scope=scope, reason="no_token", schemes=schemes)


def malformed(error: OAuthError) -> BearerRefused:
    return BearerRefused(error.http_status, "invalid_request", error.description, reason=error.detail)


def invalid_token(reason: str, *, scheme: str = "") -> BearerRefused:
    # One text for every reason: which check failed is for the log.
    return BearerRefused(
        401,
        "invalid_token",
        "The access token is expired, revoked or not valid here.",
        reason=reason,
        schemes=(scheme,) if scheme else (),
    )


def invalid_proof(reason: str) -> BearerRefused:
    return BearerRefused(
        401, "invalid_dpop_proof", "The DPoP proof is not valid.", reason=f"dpop.{reason}", schemes=("DPoP",)
    )


def use_nonce(nonce: str) -> BearerRefused:
    # RFC 9449 §9: the client makes its proof again, with the nonce of this answer.
    return BearerRefused(
        401,
        "use_dpop_nonce",
        "The DPoP proof needs the nonce of this answer.",
        reason="dpop.nonce",
        schemes=("DPoP",),
        dpop_nonce=nonce,
    )


def insufficient_scope(scope: str) -> BearerRefused:
    return BearerRefused(
        403, "insufficient_scope", "The access token does not have the scope this needs.", scope=scope
    )


def insufficient_authentication(acr_values: Sequence[str], max_age: int | None, scope: str) -> BearerRefused:
    # RFC 9470 §3: what would do; the scope too where it is missing as well, so that one sign-in mends both.
    return BearerRefused(
        401,
        "insufficient_user_authentication",
        "A stronger or more recent sign-in is needed.",
        scope=scope,
        acr_values=" ".join(acr_values),
        max_age=max_age,
    )


def unavailable(reason: str) -> BearerRefused:
    # Our trouble must not make a client throw away a good token.
    return BearerRefused(
        503,
        "temporarily_unavailable",
        "The access token cannot be checked now.",
        reason=reason,
        retry_after=5,
    )
