"""A sign-in that failed: logged, shown to the application, and answered with a page that helps; never a 500."""

import logging
from typing import TYPE_CHECKING

from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.protocol.params import encode
from authwright.relying_party.arrival import Arrival
from authwright.relying_party.audit import LoginFailed
from authwright.relying_party.errors import Denied, Failure, ProviderRefused, ResponseRejected, reason_of
from authwright.relying_party.events import Answered, RemoteFailure
from authwright.relying_party.pages import failure_page, refused_page
from authwright.remote.documents import RemoteFault

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

_LOG = logging.getLogger("authwright.relying_party")

_KNOWN = frozenset(
    {
        "access_denied",
        "consent_required",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)
_LOST = "The sign-in took too long or was begun in another window. Nothing is wrong with your account."
_REJECTED = "The answer of the sign-in service could not be accepted. Please try once more."
_REFUSED = "The sign-in service did not sign you in."
_UNREACHABLE = "The sign-in service cannot be reached just now. Please try again in a moment."
_DENIED = "You are signed in at the sign-in service, but this application does not let you in."


async def refuse(
    party: "RelyingParty", request: HttpRequest, failure: Failure, arrival: Arrival | None
) -> HttpResponse | Pass:
    """The page of a failure, unless the application answers in its place."""
    reason = "provider_refused" if isinstance(failure, ProviderRefused) else reason_of(failure)
    # The provider's own words stay out of log and page: whoever has the browser can choose them. A known code is none.
    error = failure.error if isinstance(failure, ProviderRefused) and failure.error in _KNOWN else ""
    _LOG.warning(
        "sign-in failed: %s %s",
        reason,
        error,
        extra={
            "event": "rp.failed",
            "reason": reason,
            "error": error,
            "status": getattr(failure, "status", None),
            "client_id": party.client.client_id,
        },
    )
    party.audit.record(LoginFailed(issuer=party.issuer, client_id=party.client.client_id, reason=reason))
    properties = arrival.properties if arrival else None
    try:
        context = await party.line.ask(RemoteFailure(request=request, failure=failure, properties=properties))
    except Answered as answered:
        return answered.answer
    return await _page_for(party, request, context.failure, arrival)


def cross_site_refusal(request: HttpRequest) -> HttpResponse:
    """The answer to a request that another site made with our user's cookie."""
    _LOG.warning(
        "request from another site",
        extra={
            "event": "rp.forbidden",
            "reason": "cross_site",
            "method": request.method,
            "path": request.path,
        },
    )
    return refused_page(403, "The request came from another site.")


def unavailable(party: "RelyingParty", reason: str) -> HttpResponse:
    """The page for a provider or a session store that gave no answer, before any sign-in was decided."""
    _LOG.warning("sign-in unavailable: %s", reason, extra={"event": "rp.unavailable", "reason": reason})
    return _unreachable(party, reason)


def _unreachable(party: "RelyingParty", code: str) -> HttpResponse:
    login = party.site.url(party.site.paths.login)
    return failure_page(503, code=code, text=_UNREACHABLE, start_again=login, retry_after=5)


async def _page_for(
    party: "RelyingParty", request: HttpRequest, failure: Failure, arrival: Arrival | None
) -> HttpResponse:
    login = party.site.url(party.site.paths.login)
    code = reason_of(failure)
    match failure:
        case Denied():
            return failure_page(403, code="access_denied", text=_DENIED, start_again=login)
        case RemoteFault():
            return _unreachable(party, code)
        case ProviderRefused():
            return failure_page(400, code=code, text=_REFUSED, start_again=login)
    return failure_page(
        400,
        code=code,
        text=_LOST if failure.lost_flow else _REJECTED,
        start_again=login,
        again=await _where_again(party, request, failure, arrival),
    )


async def _where_again(
    party: "RelyingParty", request: HttpRequest, failure: ResponseRejected, arrival: Arrival | None
) -> str | None:
    """Where the browser may go by itself after a lost attempt: on when signed in, else once more to the login."""
    if not failure.lost_flow or arrival is None:
        return None
    stale = arrival.stale
    return_to = party.site.return_to(stale.return_to if stale else None)
    if await party.sessions.find(request) is not None:
        return party.site.absolute(return_to)
    # The mark is in `state` itself, so that a browser that keeps no cookie at all is not sent round for ever.
    if party.flows.is_again(arrival.state):
        return None
    return party.site.url(party.site.paths.login) + "?" + encode((("again", "1"), ("return_to", return_to)))
