"""One exception class for each registered error code; the class knows its status (RFC 6749 §4.1.2.1, §5.2).

`description` and `uri` go to the peer; `detail` goes only to the operator's log. The code is never chosen where
the error is raised, so a site cannot pair a code with the wrong status.
"""

from typing import ClassVar


class OAuthError(Exception):
    """A refusal in the words of the specifications."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(self, description: str = "", *, uri: str = "", detail: str = "") -> None:
        self.description: str = safe_text(description)
        # RFC 6749 §5.2: `error_uri` has no space, quote, backslash or control character; one that has is left out.
        self.uri: str = uri if safe_text(uri) == uri and " " not in uri else ""
        self.detail = detail
        super().__init__(self.description or self.error)

    @property
    def code(self) -> str:
        """The value of the `error` member."""
        return self.error

    @property
    def http_status(self) -> int:
        """The status of a response that carries the error in its body."""
        return self.status

    def members(self) -> dict[str, str]:
        """The members `error`, `error_description` and `error_uri`, without the empty ones."""
        members = {"error": self.code}
        if self.description:
            members["error_description"] = self.description
        if self.uri:
            members["error_uri"] = self.uri
        return members


def safe_text(text: str) -> str:
    """`text` within %x20-21 / %x23-5B / %x5D-7E, the characters RFC 6749 §5.2 allows in `error_description`."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    replaced = text.replace('"', "'").replace("\\", "/")
    return "".join(character if " " <= character <= "~" else "?" for character in replaced)


class InvalidRequest(OAuthError):
    error = "invalid_request"


class PayloadTooLarge(InvalidRequest):
    status = 413


class MethodNotAllowed(InvalidRequest):
    """A method the endpoint does not have; `allow` is the value of the Allow header (RFC 9110 §15.5.6)."""

    status = 405

    def __init__(self, *allow: str) -> None:
        super().__init__("The specified HTTP method is not valid.")
        self.allow: str = ", ".join(allow)


class InvalidClient(OAuthError):
    error = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    error = "unsupported_response_type"


class UnsupportedTokenType(OAuthError):
    """RFC 7009 §2.2.1."""

    error = "unsupported_token_type"


class InvalidScope(OAuthError):
    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2."""

    error = "invalid_target"


class AccessDenied(OAuthError):
    error = "access_denied"


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6, as the following five."""

    error = "login_required"


class InteractionRequired(OAuthError):
    error = "interaction_required"


class ConsentRequired(OAuthError):
    error = "consent_required"


class AccountSelectionRequired(OAuthError):
    error = "account_selection_required"


class RequestNotSupported(OAuthError):
    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    error = "registration_not_supported"


class UnmetAuthenticationRequirements(OAuthError):
    """OpenID Connect Unmet Authentication Requirements 1.0."""

    error = "unmet_authentication_requirements"


class InvalidRedirectUri(OAuthError):
    """RFC 7591 §3.2.2, as the following one."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    error = "invalid_client_metadata"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1, as the following one; `scheme` is the one the challenge names."""

    error = "invalid_token"
    status = 401

    def __init__(
        self, description: str = "", *, scheme: str = "Bearer", uri: str = "", detail: str = ""
    ) -> None:
        super().__init__(description, uri=uri, detail=detail)
        self.scheme = scheme


class InsufficientScope(OAuthError):
    error = "insufficient_scope"
    status = 403

    def __init__(self, description: str = "", *, scope: str = "", uri: str = "", detail: str = "") -> None:
        super().__init__(description, uri=uri, detail=detail)
        self.scope = scope


class InvalidDpopProof(OAuthError):
    """RFC 9449 §5, §7.1: 400 where tokens are issued, 401 where one is used (`at_resource`)."""

    error = "invalid_dpop_proof"
    scheme = "DPoP"

    def __init__(
        self, description: str = "", *, at_resource: bool = False, uri: str = "", detail: str = ""
    ) -> None:
        super().__init__(description, uri=uri, detail=detail)
        self.at_resource = at_resource

    @property
    def http_status(self) -> int:
        return 401 if self.at_resource else self.status


class UseDpopNonce(InvalidDpopProof):
    """RFC 9449 §8, §9: the proof is to be made again with the nonce that comes with this answer."""

    error = "use_dpop_nonce"


class SlowDown(OAuthError):
    """Too many failures: try again after `retry_after` seconds."""

    error = "slow_down"
    status = 429

    def __init__(self, description: str = "", *, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.retry_after = retry_after


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5, as the following two: the person has not answered yet."""

    error = "authorization_pending"


class PolledTooSoon(OAuthError):
    """The person has not answered yet, and the client shall wait five seconds longer from now on."""

    error = "slow_down"


class ExpiredToken(OAuthError):
    error = "expired_token"


class UnknownUserId(OAuthError):
    """CIBA Core 1.0 §13, as the following one."""

    error = "unknown_user_id"


class InvalidBindingMessage(OAuthError):
    error = "invalid_binding_message"


class ServerError(OAuthError):
    """A programming or configuration error of ours."""

    error = "server_error"
    status = 500


class TemporarilyUnavailable(OAuthError):
    """A store, a peer or our capacity is out of reach; nothing was decided, and trying again is right."""

    error = "temporarily_unavailable"
    status = 503

    def __init__(self, description: str = "", *, retry_after: int = 1, detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.retry_after = retry_after


class Refused(OAuthError):
    """For events: a refusal with a code of the application's choice; without one the event's default code applies."""

    _STATUS: ClassVar[dict[str, int]] = {
        "invalid_client": 401,
        "invalid_token": 401,
        "insufficient_scope": 403,
        "server_error": 500,
        "temporarily_unavailable": 503,
    }

    def __init__(
        self, error: str | None = None, description: str = "", uri: str = "", *, detail: str = ""
    ) -> None:
        super().__init__(description, uri=uri, detail=detail)
        self.chosen: str | None = safe_text(error) if error else None

    @property
    def code(self) -> str:
        return self.chosen or self.error

    @property
    def http_status(self) -> int:
        return self._STATUS.get(self.code, 400)

    def or_default(self, default: type[OAuthError]) -> OAuthError:
        """Itself when a code was chosen, else the same text under the default code of the event."""
        if self.chosen is not None:
            return self
        return default(self.description, uri=self.uri, detail=self.detail)
