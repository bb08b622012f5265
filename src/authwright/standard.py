"""The composition root of the provider: the one file that wires its rooms together.

`standard_provider(...)` is what an application calls; everything it chooses can be handed over instead.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from authwright.asgi.served_provider import ServedProvider
from authwright.clock import Clock, utcnow
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.crypto.handles import Handles
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import RootKeys, Seal
from authwright.protocol.device import DEVICE_CODE
from authwright.protocol.http import Fetch
from authwright.protocol.metadata import OAUTH_AUTHORIZATION_SERVER, OPENID_CONFIGURATION, oauth_metadata_url
from authwright.protocol.token import AUTHORIZATION_CODE, JWT_BEARER, PASSWORD
from authwright.provider.accounts import Accounts, StoredAccounts
from authwright.provider.audit import Audit, AuditSink
from authwright.provider.backchannel import Approver, Backchannel
from authwright.provider.backchannel_authentication import BackchannelAuthenticationEndpoint
from authwright.provider.backchannel_delivery import BackchannelDelivery
from authwright.provider.backchannel_logout import BackchannelLogout
from authwright.provider.backchannel_requests import BackchannelRequests
from authwright.provider.browser_routes import browser_routes
from authwright.provider.client_assertions import ClientAssertions
from authwright.provider.client_authentication import METHODS, METHODS_BEHIND_A_PROXY, ClientAuthenticator
from authwright.provider.client_certificates import ClientCertificates, mixes_methods, warn_of_mixed_methods
from authwright.provider.client_keys import ClientKeys
from authwright.provider.clients import SECRET_SEAL, ClientRegistration, Clients
from authwright.provider.cors import ANY, REGISTERED, RegisteredOrigins, Sharing
from authwright.provider.device_authorization import DeviceAuthorizationEndpoint
from authwright.provider.device_codes import DeviceCodes
from authwright.provider.discovery import ConfigurationEndpoint, CryptographyEndpoint, Wiring, derive_metadata
from authwright.provider.events import ProviderEvents
from authwright.provider.exchange_wiring import token_exchange_grants
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.grants.authorization_code import AuthorizationCodeGrant
from authwright.provider.grants.base import AnyGrant
from authwright.provider.grants.ciba import CibaGrant
from authwright.provider.grants.client_credentials import ClientCredentialsGrant
from authwright.provider.grants.device_code import DeviceCodeGrant
from authwright.provider.grants.jwt_bearer import JwtBearerGrant, uses_jwt_bearer
from authwright.provider.grants.password import PasswordGrant, uses_password_grant, warn_of_password_grant
from authwright.provider.grants.refresh_token import RefreshTokenGrant
from authwright.provider.id_token_hint import IdTokenHints
from authwright.provider.introspection import IntrospectionEndpoint
from authwright.provider.limits import Limits
from authwright.provider.minting import Minting
from authwright.provider.pages import Pages
from authwright.provider.profiles import check_client
from authwright.provider.provider import Endpoint
from authwright.provider.revocation import RevocationEndpoint
from authwright.provider.scope_authority import ScopeAuthority
from authwright.provider.sender_constraint import SenderConstraint
from authwright.provider.settings import Resource, Settings, TrustedIssuer
from authwright.provider.signing import Signing
from authwright.provider.token_endpoint import TokenEndpoint
from authwright.provider.token_response import DefaultTokenResponseGenerator, TokenResponseGenerator
from authwright.provider.userinfo import UserInfoEndpoint
from authwright.records import Client
from authwright.registrations import UserRegistration, check_subjects, check_subjects_at_rest, write_users
from authwright.remote.dpop import DpopProofs
from authwright.standard_consent_services import LIMITS, ConsentServices, authority_of
from authwright.standard_fetch import outbound
from authwright.stores.memory import MemoryOnce
from authwright.stores.protocols import OnceStore, Stores
from authwright.stores.sealed_tickets import TICKET_SEAL, SealedTickets
from authwright.ticket import TokenKind


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


def _listed(
    grants: Sequence[AnyGrant], clients: Sequence[Client], trusted_issuers: Sequence[TrustedIssuer]
) -> tuple[str, ...]:
    """The grants discovery names: those that are wired, but for two that work only when they are configured."""
    hidden = {
        *(() if any(map(uses_password_grant, clients)) else (PASSWORD,)),
        *(() if uses_jwt_bearer(clients, trusted_issuers) else (JWT_BEARER,)),
    }
    return tuple(dict.fromkeys(grant.grant_type for grant in grants if grant.grant_type not in hidden))


SHARED = ("token_endpoint", "userinfo_endpoint", "revocation_endpoint", "jwks_uri")
"""What browser clients may call from their own origins (RFC 9700 §2.6 has the authorization endpoint never among it)."""

BROWSER_ENDPOINTS: Mapping[str, str] = {
    "authorization_endpoint": "/authorize",
    "end_session_endpoint": "/end_session",
}
BROWSER_GRANTS = frozenset({AUTHORIZATION_CODE, DEVICE_CODE})
"""The grants that somebody must sign in for at a page."""


def _generator(
    chosen: Callable[[TokenResponseGenerator], TokenResponseGenerator]
    | type[DefaultTokenResponseGenerator]
    | None,
    minting: Minting,
) -> TokenResponseGenerator:
    """The default generator, a subclass of it, or what wraps it."""
    subclass: Any = chosen
    if isinstance(subclass, type) and issubclass(subclass, DefaultTokenResponseGenerator):
        return subclass(minting=minting)
    generator = DefaultTokenResponseGenerator(minting=minting)
    wrapping: Callable[[TokenResponseGenerator], TokenResponseGenerator] | None = subclass
    return wrapping(generator) if wrapping is not None else generator


def standard_provider(
    *,
    issuer: str,
    stores: Stores,
    keys: RootKeys | str,
    clients: Sequence[ClientRegistration] = (),
    users: Sequence[UserRegistration] = (),
    accounts: Accounts | None = None,
    resources: Sequence[Resource] = (),
    algorithms: Sequence[str] = ("ES256", "RS256"),
    lifetimes: Mapping[TokenKind, timedelta] | None = None,
    sliding_refresh: bool = True,
    refresh_absolute_lifetime: timedelta | None = None,
    authorization_endpoint: bool = True,
    trusted_issuers: Sequence[TrustedIssuer] = (),
    token_exchange: ExchangePolicy | None = None,
    scope_authority: ScopeAuthority | ConsentServices | None = None,
    extra_grants: Sequence[AnyGrant] = (),
    events: ProviderEvents | None = None,
    token_response: Callable[[TokenResponseGenerator], TokenResponseGenerator]
    | type[DefaultTokenResponseGenerator]
    | None = None,
    pages: Pages | None = None,
    audit: AuditSink | None = None,
    ciba: Approver | None = None,
    tenant: str = "main",
    profile: str = "oidc",
    dpop_nonce: bool = False,
    trusted_proxies: Sequence[str] = (),
    client_certificate_header: str = "client-cert",
    fetch: Fetch | None = None,
    proofs_once: OnceStore | None = None,
    opened: Callable[[], Awaitable[None]] = _nothing,
    closed: Callable[[], Awaitable[None]] = _nothing,
    passwords: Passwords | None = None,
    clock: Clock = utcnow,
) -> ServedProvider:
    """A provider from its parts.

    `keys`, root keys or the text of a key file, protect signing keys, cookies and handles; keep them out of the store.
    `clients` and `users` are this application's own, beside those in the store. `dpop_nonce`: DPoP proofs must carry a
    nonce of ours (RFC 9449 §8). `authorization_endpoint=False` leaves out all that a browser visits, and the grants
    that need it. `token_response` is a subclass of the default generator, or is given the default one and returns the
    one to use, which may wrap it. `ciba` is told of each backchannel request, so that it can bring it before its user,
    and answers later by `provider.ciba.approve(request.id)` or `deny`. `token_exchange` is what the issuer allows
    there, `scope_authority` who decides about the scopes below its `base_scope`, or which services are asked, and how;
    without one they are those of the store. `fetch` calls other servers, for their keys; without one it is a guarded
    client, made when it is first needed (extra `client`). `proofs_once`: where the ids of used DPoP proofs are kept,
    when that is not `stores.once`. `opened` and `closed` open and close what `stores` are made of. Raises ValueError,
    in words for an operator, when something does not fit together.
    """
    keys = RootKeys.parse(keys) if isinstance(keys, str) else keys
    exchange = token_exchange or ExchangePolicy()
    settings = Settings(
        base_scope=exchange.base_scope,
        issuer=issuer,
        tenant=tenant,
        profile=profile,
        algorithms=tuple(algorithms),
        lifetimes=dict(lifetimes or {}),
        resources=tuple(resources),
        dpop_nonce=dpop_nonce,
        sliding_refresh=sliding_refresh,
        refresh_absolute_lifetime=refresh_absolute_lifetime,
    )
    for item in clients:
        check_client(item.client, profile)
    stores = msgspec.structs.replace(stores, tickets=SealedTickets(stores.tickets, Seal(keys, TICKET_SEAL)))
    events = events or ProviderEvents()
    watcher = Audit(audit)
    passwords = passwords or Passwords()
    handles = Handles(keys.derive("handles"))
    signing = Signing(stores.keys, Seal(keys, "signing-key"), algorithms=settings.algorithms, clock=clock)
    secret_seal = Seal(keys, SECRET_SEAL)
    registered = Clients(
        stores.clients,
        configured=[item.digested(handles, clock, seal=secret_seal) for item in clients],
        clock=clock,
        profile=profile,
    )
    known = accounts or StoredAccounts(stores.accounts, passwords, clock)
    limits = Limits(store=stores.limits, digest=partial(handles.digest_of, "limit"))
    minting = Minting(settings=settings, handles=handles, signing=signing, events=events)
    # Services get a client of their own, so that one that hangs takes no connection from anybody else.
    service_fetch, hang_up_services = (fetch, _nothing) if fetch is not None else outbound(issuer, **LIMITS)
    fetch, hang_up = (fetch, _nothing) if fetch is not None else outbound(issuer)
    client_keys = ClientKeys(fetch, clock=clock)
    authenticator = ClientAuthenticator(
        clients=registered,
        handles=handles,
        passwords=passwords,
        limits=limits,
        assertions=ClientAssertions(settings=settings, keys=client_keys, seal=secret_seal),
        certificates=ClientCertificates(client_keys),
        once=stores.once,
    )
    grants: list[AnyGrant] = [
        AuthorizationCodeGrant(tickets=stores.tickets, handles=handles, accounts=known, events=events),
        RefreshTokenGrant(
            settings=settings,
            tickets=stores.tickets,
            once=stores.once,
            handles=handles,
            accounts=known,
            events=events,
        ),
        ClientCredentialsGrant(settings),
        JwtBearerGrant(settings=settings, keys=client_keys, accounts=known, trusted_issuers=trusted_issuers),
        PasswordGrant(settings=settings, accounts=known, limits=limits, audit=watcher),
        DeviceCodeGrant(tickets=stores.tickets, handles=handles, accounts=known),
        CibaGrant(tickets=stores.tickets, handles=handles, accounts=known),
        *token_exchange_grants(
            settings=settings,
            policy=exchange,
            stores=stores,
            handles=handles,
            minting=minting,
            signing=signing,
            keys=client_keys,
            trusted_issuers=trusted_issuers,
            clients=registered,
            accounts=known,
            authority=authority_of(
                scope_authority,
                base_scope=exchange.base_scope,
                store=stores.consent_services,
                settings=settings,
                signing=signing,
                fetch=service_fetch,
                audit=watcher,
                clock=clock,
            ),
            events=events,
        ),
        *extra_grants,
    ]
    if not authorization_endpoint:
        grants = [grant for grant in grants if grant.grant_type not in BROWSER_GRANTS]
    # A proof that a forgetful store may have seen must not be good again: it needs a nonce from after that.
    epoch = stores.once.epoch if isinstance(stores.once, MemoryOnce) else ""
    nonces = DpopNonces(keys.derive("dpop-nonce"), epoch) if dpop_nonce else None
    proofs = DpopProofs(proofs_once or stores.once, nonces)
    sender = SenderConstraint(settings=settings, proofs=proofs)
    token = TokenEndpoint(
        settings=settings,
        grants=grants,
        authenticator=authenticator,
        sender=sender,
        generator=_generator(token_response, minting),
        tickets=stores.tickets,
        once=stores.once,
        events=events,
        audit=watcher,
        fingerprint=handles.fingerprint,
        clock=clock,
    )
    userinfo = UserInfoEndpoint(
        issuer=issuer,
        tickets=stores.tickets,
        handles=handles,
        accounts=known,
        sender=sender,
        events=events,
        clock=clock,
    )
    introspection = IntrospectionEndpoint(
        settings=settings,
        authenticator=authenticator,
        tickets=stores.tickets,
        handles=handles,
        minting=minting,
        signing=signing,
        events=events,
        clock=clock,
    )
    revocation = RevocationEndpoint(
        authenticator=authenticator, tickets=stores.tickets, handles=handles, events=events, clock=clock
    )
    devices = DeviceCodes(tickets=stores.tickets, handles=handles, settings=settings)
    device_authorization = DeviceAuthorizationEndpoint(
        settings=settings, authenticator=authenticator, devices=devices, limits=limits, clock=clock
    )
    waiting = BackchannelRequests(
        tickets=stores.tickets, handles=handles, settings=settings, seal=Seal(keys, "ciba")
    )
    backchannel = Backchannel(
        requests=waiting,
        delivery=BackchannelDelivery(
            settings=settings, requests=waiting, tickets=stores.tickets, fetch=fetch, give=token.give
        ),
        clients=registered,
        audit=watcher,
        clock=clock,
    )
    backchannel_authentication = BackchannelAuthenticationEndpoint(
        settings=settings,
        authenticator=authenticator,
        accounts=known,
        hints=IdTokenHints(signing, settings, events),
        requests=waiting,
        approvers=(ciba,) if ciba is not None else (),
        clock=clock,
    )
    notices = BackchannelLogout(
        settings=settings, clients=registered, signing=signing, fetch=fetch, clock=clock
    )
    browser: Mapping[str, Endpoint] = {}
    if authorization_endpoint:
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
            devices=devices,
            backchannel=backchannel,
            events=events,
            audit=watcher,
            notices=notices,
            clock=clock,
        )
    # What clients find through discovery: the member that names it, its path, and what answers there.
    published: dict[str, tuple[str, Endpoint]] = {
        "token_endpoint": ("/token", token.handle),
        "userinfo_endpoint": ("/userinfo", userinfo.handle),
        "introspection_endpoint": ("/introspect", introspection.handle),
        "revocation_endpoint": ("/revoke", revocation.handle),
        "device_authorization_endpoint": ("/device_authorization", device_authorization.handle),
        "backchannel_authentication_endpoint": (
            "/backchannel_authentication",
            backchannel_authentication.handle,
        ),
        "jwks_uri": ("/jwks", CryptographyEndpoint(signing, events).handle),
    }
    if not authorization_endpoint:
        del published["device_authorization_endpoint"]
    wiring = Wiring(
        endpoints={
            **(BROWSER_ENDPOINTS if authorization_endpoint else {}),
            **{member: path for member, (path, _) in published.items()},
        },
        auth_methods=METHODS_BEHIND_A_PROXY if trusted_proxies else METHODS,
        grant_types=_listed(grants, [item.client for item in clients], trusted_issuers),
        response_types=("code",) if authorization_endpoint else (),
        client_certificates=bool(trusted_proxies),
    )
    configuration = ConfigurationEndpoint(derive_metadata(settings, wiring), events)
    base = settings.base_path
    documents = (
        base + OPENID_CONFIGURATION,
        base + OAUTH_AUTHORIZATION_SERVER,
        oauth_metadata_url(issuer).removeprefix(settings.origin),
    )
    sharing = Sharing(
        RegisteredOrigins(registered, clock=clock),
        {**{base + published[member][0]: REGISTERED for member in SHARED}, **dict.fromkeys(documents, ANY)},
    )
    routes: dict[str, Endpoint] = {
        **dict.fromkeys(documents, configuration.handle),
        **{base + path: endpoint for path, endpoint in published.values()},
        **browser,
    }

    async def start() -> None:
        if mixes_methods(item.client for item in clients):
            warn_of_mixed_methods(issuer)
        for item in clients:
            if uses_password_grant(item.client):
                warn_of_password_grant(issuer, item.client.client_id)
        check_subjects([item.client.client_id for item in clients], [item.account.subject for item in users])
        await opened()
        await check_subjects_at_rest(clients, users, stores)
        await write_users(users, stores.accounts, passwords)
        await signing.ring()

    async def close() -> None:
        await notices.close()
        await hang_up()
        await hang_up_services()
        await closed()

    async def maintain() -> None:
        await signing.maintain()
        await stores.tickets.purge(clock())

    return ServedProvider(
        ciba=backchannel,
        settings=settings,
        routes=routes,
        opened=start,
        closed=close,
        maintain=maintain,
        events=events,
        audit=watcher,
        fingerprint=handles.fingerprint,
        sharing=sharing,
        dpop_nonce=(lambda: nonces.current(clock())) if nonces is not None else None,
        trusted_proxies=trusted_proxies,
        client_certificate_header=client_certificate_header,
    )
