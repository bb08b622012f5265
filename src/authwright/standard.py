"""The composition root of the provider: the one file that wires its rooms together.

`standard_provider(...)` is what an application calls; everything it chooses can be handed over instead.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authwright.asgi.served_provider import ServedProvider
from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.client_credentials import CLIENT_SECRET_BASIC, NONE
from authwright.protocol.http import Json
from authwright.protocol.metadata import OAUTH_AUTHORIZATION_SERVER, OPENID_CONFIGURATION, oauth_metadata_url
from authwright.protocol.redirect_uri import check_registrable
from authwright.protocol.scopes import parse_scope
from authwright.provider.accounts import Accounts, StoredAccounts
from authwright.provider.audit import Audit, AuditSink
from authwright.provider.browser_routes import browser_routes
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.clients import ClientRegistration, Clients
from authwright.provider.discovery import ConfigurationEndpoint, CryptographyEndpoint, Wiring, derive_metadata
from authwright.provider.events import ProviderEvents
from authwright.provider.grants.authorization_code import AuthorizationCodeGrant
from authwright.provider.grants.base import AnyGrant
from authwright.provider.grants.client_credentials import ClientCredentialsGrant
from authwright.provider.grants.refresh_token import RefreshTokenGrant
from authwright.provider.introspection import IntrospectionEndpoint
from authwright.provider.limits import Limits
from authwright.provider.minting import Minting
from authwright.provider.pages import Pages
from authwright.provider.provider import Endpoint
from authwright.provider.revocation import RevocationEndpoint
from authwright.provider.settings import Resource, Settings
from authwright.provider.signing import Signing
from authwright.provider.token_endpoint import TokenEndpoint
from authwright.provider.token_response import DefaultTokenResponseGenerator, TokenResponseGenerator
from authwright.provider.userinfo import UserInfoEndpoint
from authwright.records import Account, Client
from authwright.stores.protocols import AccountStore, Stores
from authwright.ticket import TokenKind


def client(
    client_id: str,
    client_secret: str | None = None,
    *,
    redirect_uris: Iterable[str] = (),
    scope: str = "openid",
    **metadata: Any,
) -> ClientRegistration:
    """A client in RFC 7591 names. Without a secret it is public; `metadata` are further members of `records.Client`.

    Raises ValueError or a redirect URI error for what no client may have.
    """
    native = metadata.get("application_type") == "native"
    method = metadata.pop("token_endpoint_auth_method", CLIENT_SECRET_BASIC if client_secret else NONE)
    grant_types = frozenset(metadata.pop("grant_types", ("authorization_code", "refresh_token")))
    return ClientRegistration(
        client=Client(
            client_id=client_id,
            redirect_uris=tuple(check_registrable(uri, native=native) for uri in redirect_uris),
            post_logout_redirect_uris=tuple(metadata.pop("post_logout_redirect_uris", ())),
            scopes=parse_scope(scope) if scope else (),
            grant_types=grant_types,
            token_endpoint_auth_method=method,
            **metadata,
        ),
        secrets=(client_secret,) if client_secret else (),
    )


@dataclass(frozen=True, slots=True)
class UserRegistration:
    """A user as an operator or an application writes one down: with the password still in clear."""

    account: Account
    password: str | None = None

    def __repr__(self) -> str:
        return f"UserRegistration({self.account!r})"


def user(
    username: str,
    password: str | None = None,
    *,
    sub: str | None = None,
    password_hash: str = "",
    **claims: Json,
) -> UserRegistration:
    """A user with the given claims. Without `sub`, the subject is made from the username, and stays the same."""
    account = Account(
        subject=sub or f"u-{username}", username=username, password_hash=password_hash, claims=claims
    )
    return UserRegistration(account, password)


async def write_users(users: Sequence[UserRegistration], store: AccountStore, passwords: Passwords) -> None:
    """Put users into the store; one that is there already with the same password keeps its hash."""
    for registration in users:
        account = registration.account
        known = await store.get(account.subject)
        password_hash = account.password_hash
        if registration.password is not None:
            if known is not None and await passwords.verify(registration.password, known.password_hash):
                password_hash = known.password_hash
            else:
                password_hash = await passwords.hash(registration.password)
        await store.put(
            Account(
                subject=account.subject,
                username=account.username,
                password_hash=password_hash,
                claims=account.claims,
                enabled=account.enabled,
            )
        )


async def _nothing() -> None:
    """Stores that need no opening."""


def _default_pages(settings: Settings) -> Pages:
    """The built-in pages, under the issuer's host. Raises ValueError when their extra is not installed."""
    try:
        from authwright.html_pages.pages import HtmlPages
    except ModuleNotFoundError as missing:
        raise ValueError(
            f"pages: the built-in pages need {missing.name}; install authwright[ui], or hand over pages of your own"
        ) from None
    return HtmlPages(name=settings.origin.partition("://")[2])


def standard_provider(
    *,
    issuer: str,
    stores: Stores,
    keys: RootKeys,
    clients: Sequence[ClientRegistration] = (),
    users: Sequence[UserRegistration] = (),
    accounts: Accounts | None = None,
    resources: Sequence[Resource] = (),
    algorithms: Sequence[str] = ("ES256", "RS256"),
    lifetimes: Mapping[TokenKind, timedelta] | None = None,
    extra_grants: Sequence[AnyGrant] = (),
    events: ProviderEvents | None = None,
    token_response: Callable[[TokenResponseGenerator], TokenResponseGenerator] | None = None,
    pages: Pages | None = None,
    audit: AuditSink | None = None,
    tenant: str = "main",
    profile: str = "oidc",
    trusted_proxies: Sequence[str] = (),
    client_certificate_header: str = "client-cert",
    opened: Callable[[], Awaitable[None]] = _nothing,
    closed: Callable[[], Awaitable[None]] = _nothing,
    passwords: Passwords | None = None,
    clock: Clock = utcnow,
) -> ServedProvider:
    """A provider from its parts.

    `keys` protects signing keys, cookies and handles; keep it out of the store. `clients` and `users` are this
    application's own, beside those in the store. `token_response` is given the default generator and returns the one
    to use, which may wrap it. `opened` and `closed` open and close what `stores` are made of. Raises ValueError, in
    words for an operator, when something does not fit together.
    """
    settings = Settings(
        issuer=issuer,
        tenant=tenant,
        profile=profile,
        algorithms=tuple(algorithms),
        lifetimes=dict(lifetimes or {}),
        resources=tuple(resources),
    )
    events = events or ProviderEvents()
    watcher = Audit(audit)
    passwords = passwords or Passwords()
    handles = Handles(keys.derive("handles"))
    signing = Signing(stores.keys, Seal(keys, "signing-key"), algorithms=settings.algorithms, clock=clock)
    registered = Clients(
        stores.clients, configured=[item.digested(handles, clock) for item in clients], clock=clock
    )
    known = accounts or StoredAccounts(stores.accounts, passwords)
    limits = Limits(store=stores.limits)
    minting = Minting(settings=settings, handles=handles, signing=signing)
    authenticator = ClientAuthenticator(
        clients=registered, handles=handles, passwords=passwords, limits=limits
    )
    grants: list[AnyGrant] = [
        AuthorizationCodeGrant(tickets=stores.tickets, handles=handles, accounts=known),
        RefreshTokenGrant(
            settings=settings, tickets=stores.tickets, once=stores.once, handles=handles, accounts=known
        ),
        ClientCredentialsGrant(settings),
        *extra_grants,
    ]
    generator: TokenResponseGenerator = DefaultTokenResponseGenerator(minting=minting)
    token = TokenEndpoint(
        settings=settings,
        grants=grants,
        authenticator=authenticator,
        generator=token_response(generator) if token_response is not None else generator,
        tickets=stores.tickets,
        events=events,
        audit=watcher,
        clock=clock,
    )
    userinfo = UserInfoEndpoint(
        issuer=issuer, tickets=stores.tickets, handles=handles, accounts=known, events=events, clock=clock
    )
    introspection = IntrospectionEndpoint(
        settings=settings,
        authenticator=authenticator,
        tickets=stores.tickets,
        handles=handles,
        minting=minting,
        events=events,
        clock=clock,
    )
    revocation = RevocationEndpoint(
        authenticator=authenticator, tickets=stores.tickets, handles=handles, clock=clock
    )
    browser = browser_routes(
        settings=settings,
        stores=stores,
        keys=keys,
        handles=handles,
        signing=signing,
        minting=minting,
        clients=registered,
        accounts=known,
        limits=limits,
        pages=pages or _default_pages(settings),
        events=events,
        audit=watcher,
        clock=clock,
    )
    # What clients find through discovery: the member that names it, its path, and what answers there.
    published: dict[str, tuple[str, Endpoint]] = {
        "token_endpoint": ("/token", token.handle),
        "userinfo_endpoint": ("/userinfo", userinfo.handle),
        "introspection_endpoint": ("/introspect", introspection.handle),
        "revocation_endpoint": ("/revoke", revocation.handle),
        "jwks_uri": ("/jwks", CryptographyEndpoint(signing, events).handle),
    }
    wiring = Wiring(
        endpoints={
            "authorization_endpoint": "/authorize",
            "end_session_endpoint": "/end_session",
            **{member: path for member, (path, _) in published.items()},
        },
        grant_types=tuple(dict.fromkeys(grant.grant_type for grant in grants)),
    )
    configuration = ConfigurationEndpoint(derive_metadata(settings, wiring), events)
    base = settings.base_path
    routes: dict[str, Endpoint] = {
        base + OPENID_CONFIGURATION: configuration.handle,
        base + OAUTH_AUTHORIZATION_SERVER: configuration.handle,
        oauth_metadata_url(issuer).removeprefix(settings.origin): configuration.handle,
        **{base + path: endpoint for path, endpoint in published.values()},
        **browser,
    }

    async def start() -> None:
        await opened()
        await write_users(users, stores.accounts, passwords)
        await signing.ring()

    async def maintain() -> None:
        await signing.maintain()
        await stores.tickets.purge(clock())

    return ServedProvider(
        settings=settings,
        routes=routes,
        opened=start,
        closed=closed,
        maintain=maintain,
        trusted_proxies=trusted_proxies,
        client_certificate_header=client_certificate_header,
    )
