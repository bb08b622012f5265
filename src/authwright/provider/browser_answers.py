"""How the browser endpoints answer: to the redirect URI in the asked mode, or with a page of our own.

RFC 6749 §4.1.2, RFC 9207 (`iss` on success and error), OAuth 2.0 Form Post Response Mode.
"""

from authwright.crypto.passwords import Overloaded
from authwright.protocol.authorization import (
    FORM_POST,
    FRAGMENT,
    AuthorizationResponse,
    add_to_fragment,
    add_to_url,
    build_authorization_response,
    error_response,
)
from authwright.protocol.errors import (
    MethodNotAllowed,
    OAuthError,
    SlowDown,
    TemporarilyUnavailable,
)
from authwright.protocol.http import HttpRequest, HttpResponse, see_other
from authwright.protocol.params import Params, parse_form, parse_params
from authwright.provider.audit import log_refusal
from authwright.provider.authorization_request import RedirectTarget
from authwright.provider.pages import (
    ErrorPage,
    FormPostPage,
    Pages,
    display_name,
    form_targets,
    redirect_host,
    with_page_headers,
)
from authwright.provider.settings import Settings
from authwright.stores.protocols import StoreUnavailable

OURS = (StoreUnavailable, Overloaded)
"""What is no fault of the request; the answer is 503, and nothing was decided."""


class BrowserAnswers:
    """The ends of a request that a person's browser made."""

    __slots__ = ("_settings", "pages")

    def __init__(self, pages: Pages, settings: Settings) -> None:
        self.pages: Pages = pages
        self._settings = settings

    async def to_client(self, target: RedirectTarget, response: AuthorizationResponse) -> HttpResponse:
        """Send `response` to the redirect URI."""
        params = build_authorization_response(response)
        if target.response_mode == FORM_POST:
            page = FormPostPage(
                action=target.redirect_uri,
                fields=params.pairs(),
                client_name=display_name(target.client),
                redirect_host=redirect_host(target.redirect_uri),
                targets=form_targets(target.client, target.redirect_uri),
            )
            return with_page_headers(await self.pages.form_post(page))
        if target.response_mode == FRAGMENT:
            return see_other(add_to_fragment(target.redirect_uri, params))
        return see_other(add_to_url(target.redirect_uri, params))

    async def refusal_to_client(
        self, target: RedirectTarget, error: OAuthError, request: HttpRequest
    ) -> HttpResponse:
        """Send a refusal to the redirect URI, and its reason to the log."""
        log_refusal("authorize", error, request, target.client.client_id)
        response = error_response(error, state=target.state, iss=self._settings.issuer)
        return await self.to_client(target, response)

    async def refusal_page(self, endpoint: str, error: OAuthError, request: HttpRequest) -> HttpResponse:
        """Show a refusal that may be sent nowhere, and tell its reason to the log."""
        log_refusal(endpoint, error, request)
        retry_after = error.retry_after if isinstance(error, SlowDown | TemporarilyUnavailable) else None
        page = ErrorPage(
            status=error.http_status,
            error=error.code,
            description=error.description,
            retry_after=retry_after,
        )
        response = with_page_headers(await self.pages.error(page))
        if retry_after is not None and response.headers.get("retry-after") is None:
            response = response.with_headers(("retry-after", str(retry_after)))
        if isinstance(error, MethodNotAllowed):
            response = response.with_headers(("allow", error.allow))
        return response

    async def unavailable_page(self, endpoint: str, fault: Exception, request: HttpRequest) -> HttpResponse:
        """Show that it is our fault and will pass."""
        error = TemporarilyUnavailable(
            "The service cannot answer right now. Try again in a moment.",
            detail=f"unavailable.{type(fault).__name__}",
        )
        return await self.refusal_page(endpoint, error, request)


def read_params(request: HttpRequest) -> Params:
    """The parameters of a GET, or of a POST in query and body together. Raises InvalidRequest, MethodNotAllowed.

    Query and body are one list, so that a parameter split between them is a repeated one (RFC 6749 §3.1).
    """
    in_query = parse_params(request.query.encode("utf-8", "surrogatepass"))
    if request.method == "GET":
        return in_query
    if request.method != "POST":
        raise MethodNotAllowed("GET", "POST")
    in_body = parse_form(request.headers.get("content-type"), request.body)
    return Params.of((*in_query.pairs(), *in_body.pairs())) if in_query.names() else in_body


def read_form(request: HttpRequest) -> Params:
    """The parameters of one of our own forms. Raises InvalidRequest, MethodNotAllowed."""
    if request.method != "POST":
        raise MethodNotAllowed("POST")
    return parse_form(request.headers.get("content-type"), request.body)
