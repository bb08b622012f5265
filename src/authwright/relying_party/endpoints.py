"""Our own endpoints: which there are, how each may be called, and which verb of the relying party each one is.

OpenID Connect Core 1.0 §3.1.2.5 and §4, and the three kinds of logout of OpenID Connect.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, see_other
from authwright.protocol.params import Params, parse_form, parse_params
from authwright.relying_party.asked_login import open_asked
from authwright.relying_party.challenge import send_to_provider
from authwright.relying_party.initiate import initiate_login
from authwright.relying_party.navigation import is_not_script, login_needed
from authwright.relying_party.pages import refused_page, sign_out_page
from authwright.relying_party.refusal import cross_site_refusal
from authwright.relying_party.remote_logout import frontchannel_logout
from authwright.relying_party.sessions import SignedIn

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

Endpoint: TypeAlias = Callable[["RelyingParty", HttpRequest], Awaitable[HttpResponse | Pass]]
"""Raises RemoteFault or StoreUnavailable."""


def endpoints_of(party: "RelyingParty") -> Mapping[str, Endpoint]:
    """The full path of each endpoint that is switched on."""
    paths = party.site.paths
    endpoints: dict[str, Endpoint] = {
        paths.login: _login,
        paths.callback: _callback,
        paths.logout: _logout,
        paths.logout_callback: _logout_callback,
    }
    if party.flow_policy.initiate_login:
        endpoints[paths.initiate_login] = _initiate_login
    if party.logout.backchannel:
        endpoints[paths.backchannel_logout] = _backchannel_logout
    if party.logout.frontchannel:
        endpoints[paths.frontchannel_logout] = _frontchannel_logout
    return {party.site.path(path): endpoint for path, endpoint in endpoints.items()}


async def _login(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method != "GET":
        return _not_allowed("GET")
    query = _read(request)
    if query is None:
        return refused_page(400, "The request is malformed.")
    asked = open_asked(party.seal, query.one("ask"))
    if not is_not_script(request):
        return login_needed(party.login_url(query.one("return_to"), asked))
    again = query.one("again") is not None
    if again and await party.session(request) is not None:
        # Sent here from a tab that came too late, while another one signed in.
        return see_other(party.site.absolute(party.site.return_to(query.one("return_to"))))
    return await send_to_provider(
        party,
        request,
        query.one("return_to"),
        prompt=asked.prompt,
        max_age=asked.max_age,
        scopes=asked.scopes,
        acr_values=asked.acr_values,
        items=asked.items,
        parameters=None,
        again=again,
    )


async def _initiate_login(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method not in ("GET", "POST"):
        return _not_allowed("GET, POST")
    return await initiate_login(party, request)


async def _callback(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    outcome = await party.callback(request)
    if isinstance(outcome, SignedIn):
        assert outcome.response is not None  # noqa: S101 - callback sets it
        return outcome.response
    return outcome


async def _logout(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method == "GET":
        query = _read(request)
        if query is None:
            return refused_page(400, "The request is malformed.")
        return sign_out_page(
            party.site.url(party.site.paths.logout), party.site.return_to(query.one("return_to"))
        )
    if request.method != "POST":
        return _not_allowed("GET, POST")
    # A state change by POST alone, and not by another site's: its browser would say so. The cookie is SameSite.
    if not party.is_same_origin(request):
        return cross_site_refusal(request)
    form = _read(request)
    return await party.sign_out(request, return_to=form.one("return_to") if form else None)


async def _logout_callback(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method != "GET":
        return _not_allowed("GET")
    return await party.signed_out_callback(request)


async def _backchannel_logout(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method != "POST":
        return _not_allowed("POST")
    return await party.remote_sign_out(request)


async def _frontchannel_logout(party: "RelyingParty", request: HttpRequest) -> HttpResponse | Pass:
    if request.method not in ("GET", "POST"):
        return _not_allowed("GET, POST")
    return await frontchannel_logout(party, request)


def _read(request: HttpRequest) -> Params | None:
    """The parameters of a request to one of our endpoints, each given once; None when they are malformed."""
    try:
        if request.method == "POST" and request.body:
            params = parse_form(request.headers.get("content-type"), request.body)
        else:
            params = parse_params(request.query.encode("latin-1", "replace"))
        params.refuse_repeated(frozenset())
    except InvalidRequest:
        return None
    return params


def _not_allowed(allow: str) -> HttpResponse:
    return refused_page(405, "This address cannot be used that way.").with_headers(("allow", allow))
