"""Several providers in one application: who is asked, and whose user is signed in (RFC 9700 §4.4).

Each relying party has endpoints of its own, so the redirect URI tells the providers apart, and each attempt is bound to
the party it was begun for: an answer cannot be taken from one provider to another's token endpoint.
"""

from collections.abc import Sequence

import msgspec

from authwright.protocol.errors import InvalidRequest
from authwright.protocol.http import PASS, HttpRequest, HttpResponse, Pass, see_other
from authwright.protocol.params import encode, parse_params
from authwright.relying_party.client import Paths, Site
from authwright.relying_party.errors import LoginRequired, NoAccessToken
from authwright.relying_party.navigation import is_navigation, is_not_script, login_needed, own_target
from authwright.relying_party.pages import choice_page, refused_page
from authwright.relying_party.party import RelyingParty
from authwright.relying_party.refusal import unavailable
from authwright.relying_party.sessions import SignedIn
from authwright.relying_party.user import User
from authwright.stores.protocols import StoreUnavailable


class RelyingParties:
    """Signs users in with one of several issuers. They share base URL, keys, session store and session cookie.

    `default`: the name of the party that is asked when nobody says otherwise; without it a page lets the user choose.
    `prefix`: below it are the page (`/login`) and the sign-out of whoever is signed in (`/logout`).
    """

    def __init__(
        self, parties: Sequence[RelyingParty], *, default: str | None = None, prefix: str = "/auth"
    ) -> None:
        """Raises ValueError for parties that could be taken for one another."""
        self.parties: dict[str, RelyingParty] = {party.name: party for party in parties}
        if not parties or len(self.parties) != len(parties) or not all(self.parties):
            raise ValueError("relying parties: each has a name of its own")
        if default is not None and default not in self.parties:
            raise ValueError("default: the name of one of the relying parties")
        sites = [party.site for party in parties]
        if len({site.base_url for site in sites}) != 1:
            raise ValueError("relying parties: all have the same base_url")
        self.site: Site = Site(sites[0].base_url, Paths(prefix=prefix), sites[0].return_to_origins)
        # RFC 9700 §4.4.2.1: a redirect URI for each issuer tells apart even providers that send no `iss`.
        prefixes = {prefix, *(site.paths.prefix for site in sites)}
        if len(prefixes) != len(parties) + 1:
            raise ValueError("relying parties: each has paths of its own")
        for party in parties:
            if any(other is not party and other.issuers.overlaps(party.issuers) for other in parties):
                raise ValueError("relying parties: each has an issuer of its own")
        self.default = default
        self._routes = {
            self.site.path(self.site.paths.login): self._login,
            self.site.path(self.site.paths.logout): self._logout,
        }

    def serves(self, path: str) -> bool:
        """Whether the path is one of our endpoints, or of one of the parties."""
        return path in self._routes or any(party.serves(path) for party in self.parties.values())

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """Answer a request to one of our endpoints; PASS for any other."""
        route = self._routes.get(request.path)
        if route is not None:
            try:
                return await route(request)
            except StoreUnavailable:
                return unavailable(next(iter(self.parties.values())), "sessions_unavailable")
        for party in self.parties.values():
            if party.serves(request.path):
                return await party.handle(request)
        return PASS

    async def session(self, request: HttpRequest) -> SignedIn | None:
        """The session of the browser, with whichever provider. Raises StoreUnavailable."""
        found = await self._found(request)
        return None if found is None else found[1]

    def party_of(self, signed_in: SignedIn) -> RelyingParty:
        """The party whose session it is. Raises NoAccessToken for a session of none of them."""
        for party in self.parties.values():
            if party.issuers.accepts(signed_in.iss):
                return party
        raise NoAccessToken("the session is of another issuer")

    def user(self, signed_in: SignedIn) -> User:
        """The user of a session."""
        return self.party_of(signed_in).user(signed_in)

    async def challenge_for(self, request: HttpRequest, needed: LoginRequired) -> HttpResponse:
        """What a `LoginRequired` asks for: with its provider, the default one, or the one the user chooses."""
        name = needed.provider or self.default
        if name is not None:
            return await self.parties[name].challenge_for(request, needed)
        target = own_target(request) if needed.return_to is None else needed.return_to
        url = self.login_url(target)
        return see_other(url) if is_navigation(request) else login_needed(url)

    async def sign_out(
        self, request: HttpRequest, *, return_to: str | None = None, everywhere: bool = False
    ) -> HttpResponse:
        """End the session here and at its provider."""
        found = await self._found(request)
        if found is None:
            return see_other(self.site.absolute(self.site.return_to(return_to)), self.forget_cookie())
        return await found[0].sign_out(request, return_to=return_to, everywhere=everywhere)

    def is_same_origin(self, request: HttpRequest) -> bool:
        """Whether nothing in the request says that another origin made it."""
        return any(party.is_same_origin(request) for party in self.parties.values())

    def forget_cookie(self) -> tuple[str, str]:
        """The header field that deletes the browser's session cookie; all parties have the same."""
        return next(iter(self.parties.values())).forget_cookie()

    def login_url(self, return_to: str | None = None) -> str:
        """Where a person can choose how to sign in, and come back to `return_to`."""
        return _with_return_to(self.site, self.site.paths.login, return_to)

    # --- Endpoints

    async def _login(self, request: HttpRequest) -> HttpResponse | Pass:
        try:
            query = parse_params(request.query.encode("latin-1", "replace"))
            return_to = self.site.return_to(query.one("return_to"))
        except InvalidRequest:
            return refused_page(400, "The request is malformed.")
        if not is_not_script(request):
            return login_needed(self.login_url(return_to))
        if self.default is not None:
            return see_other(self.parties[self.default].login_url(return_to))
        return choice_page([(party.name, party.login_url(return_to)) for party in self.parties.values()])

    async def _logout(self, request: HttpRequest) -> HttpResponse | Pass:
        found = await self._found(request)
        # Without a session any of them will do: it shows its page and forgets a cookie.
        party = next(iter(self.parties.values())) if found is None else found[0]
        path = party.site.path(party.site.paths.logout)
        return await party.handle(msgspec.structs.replace(request, path=path))

    async def _found(self, request: HttpRequest) -> tuple[RelyingParty, SignedIn] | None:
        for party in self.parties.values():
            signed_in = await party.session(request)
            if signed_in is not None:
                return party, signed_in
        return None


def _with_return_to(site: Site, path: str, return_to: str | None) -> str:
    url, target = site.url(path), site.return_to(return_to)
    return url if target == site.home else f"{url}?{encode((('return_to', target),))}"
