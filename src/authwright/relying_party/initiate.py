"""A login that somebody else starts: the provider, or a page that knows who the user is (OpenID Connect Core §4)."""

from typing import TYPE_CHECKING

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.protocol.params import Params, parse_form, parse_params
from authwright.relying_party.challenge import send_to_provider
from authwright.relying_party.client import Site
from authwright.relying_party.navigation import is_not_script, login_needed
from authwright.relying_party.pages import refused_page

if TYPE_CHECKING:
    from authwright.relying_party.party import RelyingParty

MAX_HINT = 512


async def initiate_login(party: "RelyingParty", request: HttpRequest) -> HttpResponse:
    """The redirect to our provider, if the request names it. Raises RemoteFault."""
    # 1. Read it: `iss` is required, the others are hints.
    try:
        params = _params(request)
        params.refuse_repeated(frozenset())
        issuer = params.require("iss")
    except InvalidRequest:
        return refused_page(400, "The request is malformed.")

    # 2. Ours, exactly: nobody else can have a login sent to a provider of their choice.
    if not party.issuers.accepts(issuer):
        return refused_page(400, "This application does not sign in there.")

    # 3. Core §4: where it is to end must be checked, or the login would be an open redirector.
    target = own_path(party.site, params.one("target_link_uri"))
    if not is_not_script(request):
        return login_needed(party.login_url(target))

    # 4. A login like any other. Nothing of the user is believed; the hint only fills in a form.
    hint = params.one("login_hint")
    return await send_to_provider(
        party,
        request,
        target,
        prompt=None,
        max_age=None,
        scopes=None,
        acr_values=None,
        items=None,
        parameters={"login_hint": hint} if hint and len(hint) <= MAX_HINT else None,
        again=False,
    )


def own_path(site: Site, uri: str | None) -> str:
    """The path `uri` has in our application, or the front page."""
    if uri is not None and uri.startswith(site.origin + "/"):
        return site.return_to(uri[len(site.origin) :])
    return site.return_to(uri)


def _params(request: HttpRequest) -> Params:
    if request.method == "POST":
        return parse_form(request.headers.get("content-type"), request.body)
    return parse_params(request.query.encode("latin-1", "replace"))
