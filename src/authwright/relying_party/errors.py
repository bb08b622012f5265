"""What may go wrong in a sign-in, by whose fault it is.

`ProviderRefused`: the provider answered with an error. `ResponseRejected`: it answered, and we refuse its answer.
`RemoteFault` (of the remote room): it gave no usable answer. `Denied`: the application said no.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from authwright.protocol.http import Json
from authwright.remote.documents import RemoteFault


class ProviderRefused(Exception):
    """The provider answered with an OAuth error; `error_description` and `error_uri` are its own words."""

    def __init__(
        self,
        error: str,
        error_description: str | None = None,
        error_uri: str | None = None,
        *,
        status: int | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.error_description = error_description
        self.error_uri = error_uri
        self.status = status
        """Of the HTTP response that carried it; None when it came with the browser."""


class ResponseRejected(Exception):
    """We refuse what came back. `reason` is a short code for log and page, never a value of the response."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """Of the HTTP response it is about, where that is what is wrong with it."""

    @property
    def lost_flow(self) -> bool:
        """Whether the browser only lost its place, so that starting again is likely to help."""
        return self.reason in LOST_FLOW

    @property
    def unrecognized(self) -> bool:
        """Whether what came need not be an answer to a relying party at all."""
        return self.reason in UNRECOGNIZED


LOST_FLOW = frozenset({"flow_missing", "flow_expired", "flow_used", "flow_unreadable"})
UNRECOGNIZED = frozenset({"no_message", "front_channel_tokens", "state_missing", "state_unknown"})


class Denied(Exception):
    """Raised by an event: this user is not let in. `reason` is a short code of the application's for the log."""

    def __init__(self, reason: str = "denied") -> None:
        super().__init__(reason)
        self.reason = reason


class SessionEnded(Exception):
    """The session is over: signed out, expired, or the provider no longer honours its refresh token."""


class NoAccessToken(Exception):
    """The session has no access token that can be used, and no refresh token to get one with."""

    def __init__(self, message: str = "", *, just_signed_in: bool = False) -> None:
        """`just_signed_in`: the sign-in was a moment ago and brought none, so that the next one will not either."""
        super().__init__(message)
        self.just_signed_in: bool = just_signed_in


class LoginRequired(Exception):
    """Raised from anywhere in an application behind the middleware: the user has to sign in (again)."""

    def __init__(
        self,
        *,
        return_to: str | None = None,
        prompt: Sequence[str] | str | None = None,
        max_age: int | None = None,
        scopes: Sequence[str] | None = None,
        acr_values: Sequence[str] | None = None,
        items: Mapping[str, Json] | None = None,
        provider: str | None = None,
    ) -> None:
        """`provider`: the name of the relying party to sign in with, where there are several."""
        # Read only where nobody caught it.
        super().__init__("nobody is signed in; app.add_middleware(rp.middleware) makes a sign-in of this")
        self.provider = provider
        self.return_to = return_to
        self.prompt = prompt
        self.max_age = max_age
        self.scopes = scopes
        self.acr_values = acr_values
        self.items = items


class Forbidden(Exception):
    """Raised from anywhere in an application behind the middleware: this user may not, and no sign-in changes that.

    `reason` is a short code for the log.
    """

    def __init__(self, reason: str = "forbidden") -> None:
        super().__init__(reason)
        self.reason: str = reason


class CrossSiteRefused(Exception):
    """A request that could change something, made from another site with this user's cookie."""


Failure: TypeAlias = ProviderRefused | ResponseRejected | Denied | RemoteFault
"""Every way a sign-in can fail."""

FAILURES = (ProviderRefused, ResponseRejected, Denied, RemoteFault)


def reason_of(failure: Failure) -> str:
    """The short code of a failure."""
    return failure.error if isinstance(failure, ProviderRefused) else failure.reason
