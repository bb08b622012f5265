"""The browser side of a provider, put together: which path is served by what."""

from collections.abc import Mapping

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.accounts import Accounts
from authwright.provider.audit import Audit
from authwright.provider.authorization_request import AuthorizationRequests
from authwright.provider.authorize_endpoint import AuthorizeEndpoint
from authwright.provider.backchannel import Backchannel
from authwright.provider.backchannel_logout import BackchannelLogout
from authwright.provider.backchannel_pages import (
    REQUESTS_LOGIN_PATH,
    REQUESTS_PATH,
    BackchannelPages,
)
from authwright.provider.browser_answers import BrowserAnswers
from authwright.provider.browser_binding import BrowserBinding
from authwright.provider.clients import Clients
from authwright.provider.device_codes import DeviceCodes
from authwright.provider.device_pages import DEVICE_LOGIN_PATH, DEVICE_PATH, DevicePages
from authwright.provider.end_session import CONFIRM_PATH, EndSessionEndpoint
from authwright.provider.events import ProviderEvents
from authwright.provider.id_token_hint import IdTokenHints
from authwright.provider.interaction import Interactions
from authwright.provider.interaction_endpoints import ConsentEndpoint, InteractionForms, LoginEndpoint
from authwright.provider.interaction_pages import CONSENT_PATH, LOGIN_PATH, InteractionPages
from authwright.provider.limits import Limits
from authwright.provider.minting import Minting
from authwright.provider.page_sign_in import PageSignIn
from authwright.provider.pages import Pages
from authwright.provider.provider import Endpoint
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.provider.sign_in import SignIn
from authwright.provider.signing import Signing
from authwright.provider.visits import Visits
from authwright.stores.protocols import Stores


def browser_routes(
    *,
    settings: Settings,
    stores: Stores,
    keys: RootKeys,
    handles: Handles,
    signing: Signing,
    minting: Minting,
    clients: Clients,
    accounts: Accounts,
    limits: Limits,
    pages: Pages,
    devices: DeviceCodes,
    backchannel: Backchannel,
    events: ProviderEvents,
    audit: Audit,
    notices: BackchannelLogout,
    clock: Clock = utcnow,
) -> Mapping[str, Endpoint]:
    """Full path, the issuer's own included, to endpoint: sign-in, consent, sign-out, devices and backchannel requests."""
    binding = BrowserBinding(handles, settings)
    hints = IdTokenHints(signing, settings, events)
    requests = AuthorizationRequests(clients, hints, settings, events)
    sessions = ProviderSessions(stores.sessions, handles, settings)
    interactions = Interactions(Seal(keys, "interaction"), settings.interaction_lifetime)
    steps = InteractionPages(pages, interactions, binding, settings)
    answers = BrowserAnswers(pages, settings)
    sign_in = SignIn(settings=settings, accounts=accounts, sessions=sessions, limits=limits, audit=audit)
    forms = InteractionForms(settings=settings, interactions=interactions, binding=binding)
    authorize = AuthorizeEndpoint(
        settings=settings,
        requests=requests,
        interactions=interactions,
        binding=binding,
        sessions=sessions,
        accounts=accounts,
        consents=stores.consents,
        tickets=stores.tickets,
        minting=minting,
        steps=steps,
        answers=answers,
        events=events,
        clock=clock,
    )
    login = LoginEndpoint(
        forms=forms,
        requests=requests,
        sessions=sessions,
        sign_in=sign_in,
        steps=steps,
        answers=answers,
        clock=clock,
    )
    consent = ConsentEndpoint(
        forms=forms,
        requests=requests,
        sessions=sessions,
        consents=stores.consents,
        once=stores.once,
        steps=steps,
        answers=answers,
        clock=clock,
    )
    end_session = EndSessionEndpoint(
        settings=settings,
        clients=clients,
        hints=hints,
        sessions=sessions,
        accounts=accounts,
        binding=binding,
        seal=Seal(keys, "logout"),
        answers=answers,
        events=events,
        audit=audit,
        notices=notices,
        clock=clock,
    )

    def visits(path: str) -> Visits:
        lifetime = settings.interaction_lifetime
        return Visits(
            path=path, seal=Seal(keys, "visit"), binding=binding, settings=settings, lifetime=lifetime
        )

    def who(path: str, visits: Visits) -> PageSignIn:
        return PageSignIn(
            path=path,
            visits=visits,
            accounts=accounts,
            sessions=sessions,
            sign_in=sign_in,
            answers=answers,
        )

    at_device = visits(DEVICE_PATH)
    device = DevicePages(
        visits=at_device,
        devices=devices,
        clients=clients,
        who=who(DEVICE_LOGIN_PATH, at_device),
        limits=limits,
        answers=answers,
        audit=audit,
        clock=clock,
    )
    at_requests = visits(REQUESTS_PATH)
    requests_page = BackchannelPages(
        visits=at_requests,
        backchannel=backchannel,
        clients=clients,
        who=who(REQUESTS_LOGIN_PATH, at_requests),
        answers=answers,
        clock=clock,
    )
    base = settings.base_path
    return {
        **requests_page.routes(),
        **device.routes(),
        f"{base}/authorize": authorize.handle,
        base + LOGIN_PATH: login.handle,
        base + CONSENT_PATH: consent.handle,
        f"{base}/end_session": end_session.handle,
        base + CONFIRM_PATH: end_session.confirm,
    }
