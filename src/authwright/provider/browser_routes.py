"""The browser side of a provider, put together: which path is served by what."""

from collections.abc import Mapping

from authwright.clock import Clock, utcnow
from authwright.crypto.handles import Handles
from authwright.crypto.seal import RootKeys, Seal
from authwright.provider.accounts import Accounts
from authwright.provider.audit import Audit
from authwright.provider.authorization_request import AuthorizationRequests
from authwright.provider.authorize_endpoint import AuthorizeEndpoint
from authwright.provider.browser_answers import BrowserAnswers
from authwright.provider.browser_binding import BrowserBinding
from authwright.provider.clients import Clients
from authwright.provider.end_session import CONFIRM_PATH, EndSessionEndpoint
from authwright.provider.events import ProviderEvents
from authwright.provider.id_token_hint import IdTokenHints
from authwright.provider.interaction import Interactions
from authwright.provider.interaction_endpoints import ConsentEndpoint, InteractionForms, LoginEndpoint
from authwright.provider.interaction_pages import CONSENT_PATH, LOGIN_PATH, InteractionPages
from authwright.provider.limits import Limits
from authwright.provider.minting import Minting
from authwright.provider.pages import Pages
from authwright.provider.provider import Endpoint
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.provider.signing import Signing
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
    events: ProviderEvents,
    audit: Audit,
    clock: Clock = utcnow,
) -> Mapping[str, Endpoint]:
    """Full path, the issuer's own included, to endpoint: sign-in, consent and sign-out."""
    binding = BrowserBinding(handles, settings)
    hints = IdTokenHints(signing, settings)
    requests = AuthorizationRequests(clients, hints, settings)
    sessions = ProviderSessions(stores.sessions, handles, settings)
    interactions = Interactions(Seal(keys, "interaction"), settings.interaction_lifetime)
    steps = InteractionPages(pages, interactions, binding, settings)
    answers = BrowserAnswers(pages, settings)
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
        accounts=accounts,
        limits=limits,
        steps=steps,
        answers=answers,
        audit=audit,
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
        clock=clock,
    )
    base = settings.base_path
    return {
        f"{base}/authorize": authorize.handle,
        base + LOGIN_PATH: login.handle,
        base + CONSENT_PATH: consent.handle,
        f"{base}/end_session": end_session.handle,
        base + CONFIRM_PATH: end_session.confirm,
    }
