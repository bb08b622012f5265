"""What a caller without a good token is told (RFC 6750 §3, RFC 9449 §7.1, RFC 9110 §11.6.1)."""

from authwright.crypto.dpop import PROOF_ALGORITHMS
from authwright.protocol.challenge import build_challenge
from authwright.protocol.errors import OAuthError
from authwright.protocol.http import Headers, HttpResponse, json_response


class BearerRefused(Exception):
    """The request is not let through; `response` says why, as far as the caller may know.

    `error` is a code of RFC 6750 §3.1 or RFC 9449 §7.1, empty when no token was sent; `reason` is a short code for
    the log; `scheme` is the one the challenge names.
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
        scheme: str = "Bearer",
        dpop_nonce: str = "",
    ) -> None:
        super().__init__(error or "no token")
        self.status = status
        self.error = error
        self.description = description
        self.scope = scope
        self.reason = reason or error
        self.retry_after = retry_after
        self.scheme = scheme
        self.dpop_nonce = dpop_nonce

    @property
    def www_authenticate(self) -> str | None:
        """The challenge, or None when a better token would not help."""
        if self.status >= 500:
            return None
        # RFC 6750 §3.1: without a token the answer names no error, since nothing was wrong with anything.
        return build_challenge(
            self.scheme,
            {
                "error": self.error,
                "error_description": self.description,
                "scope": self.scope,
                # RFC 9449 §7.1.
                "algs": " ".join(PROOF_ALGORITHMS) if self.scheme.endswith("DPoP") else "",
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


def no_token(scope: str, scheme: str) -> BearerRefused:
    return BearerRefused(401, scope=scope, reason="no_token", scheme=scheme)


def malformed(error: OAuthError) -> BearerRefused:
    return BearerRefused(error.http_status, "invalid_request", error.description, reason=error.detail)


def invalid_token(reason: str, *, scheme: str = "Bearer") -> BearerRefused:
    # One text for every reason: which check failed is for the log.
    return BearerRefused(
        401,
        "invalid_token",
        "The access token is expired, revoked or not valid here.",
        reason=reason,
        scheme=scheme,
    )


def invalid_proof(reason: str) -> BearerRefused:
    return BearerRefused(
        401, "invalid_dpop_proof", "The DPoP proof is not valid.", reason=f"dpop.{reason}", scheme="DPoP"
    )


def use_nonce(nonce: str) -> BearerRefused:
    # RFC 9449 §9: the client makes its proof again, with the nonce of this answer.
    return BearerRefused(
        401,
        "use_dpop_nonce",
        "The DPoP proof needs the nonce of this answer.",
        reason="dpop.nonce",
        scheme="DPoP",
        dpop_nonce=nonce,
    )


def insufficient_scope(scope: str) -> BearerRefused:
    return BearerRefused(
        403, "insufficient_scope", "The access token does not have the scope this needs.", scope=scope
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
