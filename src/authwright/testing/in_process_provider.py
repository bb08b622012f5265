"""A provider for the tests of an application: real sign-ins, with the application's own configuration, and no sockets."""

import hmac
import secrets
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

import msgspec

from authwright.asgi.served_provider import ServedProvider
from authwright.asgi.types import ASGIApp
from authwright.clock import Clock, utcnow
from authwright.crypto.seal import KEY_SIZE, RootKeys
from authwright.protocol.authorization import AuthorizationRequest
from authwright.protocol.client_credentials import (
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_JWT,
    CLIENT_SECRET_POST,
    NONE,
    PRIVATE_KEY_JWT,
    basic_authorization,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Json
from authwright.protocol.params import encode
from authwright.provider.clients import ClientRegistration
from authwright.provider.events import ProviderEvents
from authwright.provider.settings import Resource
from authwright.records import Account, Client
from authwright.registrations import client
from authwright.remote.client_authentication import (
    ClientAuth,
    ClientSecretJwt,
    PrivateKeyJwt,
    Public,
    SecretBasic,
    SecretPost,
)
from authwright.standard import standard_provider
from authwright.standard_rp import RelyingParty
from authwright.standard_rs import ResourceServer
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import KeyStore
from authwright.testing.browser import Browser, Page
from authwright.testing.network import Network
from authwright.ticket import Ticket

# Applications are often modules, which live as long as the process and remember the keys of their provider. So an
# issuer's signing keys are the same in every test; to make new ones each time would be slow besides.
_ROOTS = RootKeys([secrets.token_bytes(KEY_SIZE)])


@cache
def _signing_keys(issuer: str, clock: Clock) -> KeyStore:
    return memory_stores(clock).keys


ISSUER = "https://op.example"
"""The issuer while no application has named one."""
_TESTER = "authwright-testing"


@dataclass(frozen=True, slots=True)
class _People:
    """Everybody who can sign in. Passwords are in clear: nobody real has one of these."""

    accounts: dict[str, Account] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    async def authenticate(self, username: str, password: str) -> Account | None:
        expected = self.passwords.get(username)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            return None
        return self.accounts[username]

    async def get(self, subject: str) -> Account | None:
        return next((account for account in self.accounts.values() if account.subject == subject), None)


class SignIn(Protocol):
    """As `InProcessProvider.sign_in`."""

    async def __call__(
        self,
        app: ASGIApp,
        username: str = "alice",
        *,
        rp: RelyingParty | None = None,
        browser: Browser | None = None,
        **claims: Json,
    ) -> Browser: ...


class InProcessProvider:
    """The provider of the applications that are registered with it, at the issuer they name."""

    def __init__(self, network: Network | None = None, *, clock: Clock = utcnow) -> None:
        """`network`: where applications and the provider find each other."""
        self.network: Network = network or Network()
        self.acr: str | None = None
        """How users sign in from now on, as their ID tokens say it. None: as the application wants it, if it does."""
        self._clock = clock
        self._issuer = ""
        self._stores = memory_stores(clock)
        self._people = _People()
        self._tester_secret = secrets.token_urlsafe(32)
        self._parties: list[RelyingParty] = []
        self._apis: list[ResourceServer] = []
        self._made: ServedProvider | None = None

    @property
    def issuer(self) -> str:
        return self._issuer or ISSUER

    def register(self, *applications: RelyingParty | ResourceServer) -> None:
        """Make their provider be this one: their clients, redirect URIs, scopes and audiences are known to it.

        Raises ValueError for applications of different issuers, and for a client that proves itself by a certificate.
        """
        for application in applications:
            issuer = application.core.issuer
            if self._issuer not in ("", issuer):
                raise ValueError(f"this provider is {self._issuer}, and another one is wanted: {issuer}")
            self._issuer = issuer
            if isinstance(application, ResourceServer):
                self._apis = [known for known in self._apis if known is not application] + [application]
            else:
                _registration(application, ())
                self._parties = [known for known in self._parties if known is not application] + [application]
        self._made = None
        self.network.add(self.issuer, self.handle)

    def add_user(
        self, username: str, *, password: str | None = None, sub: str | None = None, **claims: Json
    ) -> None:
        """Somebody who can sign in, or other claims for somebody who can. Without a password there is a random one."""
        known = self._people.accounts.get(username)
        account = known or Account(subject=sub or f"u-{username}", username=username)
        merged = {**account.claims, **claims}
        self._people.accounts[username] = Account(
            subject=sub or account.subject, username=username, claims=merged
        )
        if password is not None or known is None:
            self._people.passwords[username] = password or secrets.token_urlsafe(16)

    async def sign_in(
        self,
        app: ASGIApp,
        username: str = "alice",
        *,
        rp: RelyingParty | None = None,
        browser: Browser | None = None,
        **claims: Json,
    ) -> Browser:
        """A browser in which that user is signed in to `app`, at the application's own address.

        `rp`: the application's relying party, where none or several are registered. A user nobody has added is made up,
        with `claims`. `browser`: one that was used before. Raises AssertionError when the sign-in fails.
        """
        party = self._party(rp)
        if username not in self._people.accounts or claims:
            self.add_user(username, **claims)
        self.network.serve(party.core.site.origin, app)
        self.network.add(self.issuer, self.handle)
        browser = browser or Browser(self.network.sites, clock=self._clock)
        await browser.get(party.core.login_url())
        page = await self.log_in(browser, username)
        site = party.core.site
        # A sign-in that failed ends at one of the relying party's own addresses, or at the provider.
        assert page.url.startswith(site.base_url), _why(page)
        assert not page.url.startswith(site.url(site.paths.prefix)), _why(page)
        return browser

    async def log_in(self, browser: Browser, username: str = "alice") -> Page:
        """Where the browser gets to when that user fills in the login page it is at; at any other page it stays."""
        if not browser.page.has("login-submit"):
            return browser.page
        password = self._people.passwords[username]
        return await browser.click("login-submit", username=username, password=password)

    async def access_token(self, username: str, *scopes: str, api: ResourceServer | None = None) -> str:
        """An access token of that user for `api`, or for the one that is registered. Raises AssertionError."""
        api = api or self._apis[-1]
        if api not in self._apis:
            self.register(api)
        if username not in self._people.accounts:
            self.add_user(username)
        form = {
            "grant_type": "password",
            "username": username,
            "password": self._people.passwords[username],
            "resource": api.core.audience,
            "scope": " ".join(scopes or api.named_scopes),
        }
        request = HttpRequest.to(
            "POST",
            f"{self.issuer.rstrip('/')}/token",
            headers={
                "authorization": basic_authorization(_TESTER, self._tester_secret),
                "content-type": "application/x-www-form-urlencoded",
            },
            body=encode((name, value) for name, value in form.items() if value).encode("ascii"),
        )
        answer = await self.handle(request)
        assert answer.status == 200, answer.json()
        token: str = answer.json()["access_token"]
        return token

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer as the provider. It is a `Fetch`."""
        if self._made is None:
            made = self._provider()
            await made.open()
            self._made = made
        return await self._made.handle(request)

    async def _strengthen(self, request: AuthorizationRequest, _: Client, ticket: Ticket) -> Ticket:
        # There is nothing but passwords here; a second factor of a test would prove nothing.
        acr = self.acr or next(iter(request.acr_values), ticket.acr)
        return msgspec.structs.replace(ticket, acr=acr)

    def _party(self, rp: RelyingParty | None) -> RelyingParty:
        if rp is not None and rp not in self._parties:
            self.register(rp)
        if rp is None and len(self._parties) != 1:
            raise LookupError(
                f"sign_in: {len(self._parties)} relying parties are registered; name one: sign_in(…, rp=rp)"
            )
        return rp or self._parties[0]

    def _provider(self) -> ServedProvider:
        resources = [_resource(api) for api in self._apis]
        scopes = tuple(dict.fromkeys(scope for resource in resources for scope in resource.scopes))
        return standard_provider(
            issuer=self.issuer,
            stores=msgspec.structs.replace(self._stores, keys=_signing_keys(self.issuer, self._clock)),
            keys=_ROOTS,
            accounts=self._people,
            resources=resources,
            events=ProviderEvents(authorization_endpoint=self._strengthen),
            fetch=self.network,
            clock=self._clock,
            clients=[
                *(_registration(party, scopes) for party in self._parties),
                *(found for api in self._apis if (found := _introspecting(api)) is not None),
                client(_TESTER, self._tester_secret, grant_types=["password"], scope=" ".join(scopes)),
            ],
        )


def _registration(party: RelyingParty, scopes: tuple[str, ...]) -> ClientRegistration:
    """The client that an application says it is. Its users are not asked for consent."""
    core = party.core
    wanted = tuple(dict.fromkeys((*core.client.scopes, *scopes)))
    return _with_auth(
        client(
            core.client.client_id,
            redirect_uris=[core.site.url(core.site.paths.callback)],
            post_logout_redirect_uris=[core.site.url(core.site.paths.logout_callback)],
            scope=" ".join(wanted),
            require_consent=False,
        ),
        core.client.auth,
    )


def _introspecting(api: ResourceServer) -> ClientRegistration | None:
    if api.introspection is None:
        return None
    made = client(api.introspection.client_id, scope="", grant_types=())
    return _with_auth(made, api.introspection.auth)


def _resource(api: ResourceServer) -> Resource:
    who = frozenset() if api.introspection is None else frozenset((api.introspection.client_id,))
    return Resource(uri=api.core.audience, scopes=api.named_scopes, introspected_by=who)


def _with_auth(registration: ClientRegistration, auth: ClientAuth) -> ClientRegistration:
    """The registration of a client that proves itself that way. Raises ValueError."""

    def method(name: str, secret: str = "", **more: Json) -> ClientRegistration:
        changed = msgspec.structs.replace(registration.client, token_endpoint_auth_method=name, **more)
        return replace(registration, client=changed, secrets=(secret,) if secret else ())

    match auth:
        case SecretBasic(secret):
            return method(CLIENT_SECRET_BASIC, secret)
        case SecretPost(secret):
            return method(CLIENT_SECRET_POST, secret)
        case ClientSecretJwt(secret):
            return method(CLIENT_SECRET_JWT, secret)
        case PrivateKeyJwt(key):
            return method(PRIVATE_KEY_JWT, jwks={"keys": [dict(key.public_jwk)]})
        case Public():
            return method(NONE)
    raise ValueError(
        "a client that proves itself by a certificate needs a connection, and there is none here"
    )


def _why(page: Page) -> str:
    said = page.texts.get("error-description") or page.texts.get("login-problem") or page.html[:500]
    return f"the sign-in ended at {page.url.partition('?')[0]}: {said}"
