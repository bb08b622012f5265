"""What is known of an authorization request after each check (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2, RFC 8707).

Two steps, because they fail in two ways. Until the redirect URI is proven to be the client's, a refusal is shown as a
page and goes nowhere (RFC 9700 §4.11). Afterwards it is sent there.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from authwright.crypto.strict_json import parse_object
from authwright.protocol.authorization import (
    FORM_POST,
    FRAGMENT,
    MAX_STATE,
    QUERY,
    AuthorizationRequest,
    parse_authorization_request,
)
from authwright.protocol.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    OAuthError,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    ServerError,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from authwright.protocol.http import Json
from authwright.protocol.params import Params
from authwright.protocol.pkce import check_challenge
from authwright.protocol.redirect_uri import is_registered
from authwright.protocol.scopes import OFFLINE_ACCESS, OPENID
from authwright.provider.clients import Clients
from authwright.provider.events import ProviderEvents
from authwright.provider.id_token_hint import IdTokenHints
from authwright.provider.profiles import check_resource_named
from authwright.provider.settings import Settings
from authwright.records import Client

_MODES = (QUERY, FRAGMENT, FORM_POST)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_\-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectTarget:
    """Where answers may be sent: having one proves that the redirect URI is registered for the client."""

    client: Client
    redirect_uri: str
    response_mode: str
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedAuthorizationRequest:
    """A request this client may make. Nothing is known of the user yet."""

    target: RedirectTarget
    asked: AuthorizationRequest
    """As it was sent."""
    scopes: tuple[str, ...]
    """What would be granted."""
    resources: tuple[str, ...]
    code_challenge: str | None
    subject: str | None
    """The only user for whom it may succeed; None for any."""
    essential_acr: tuple[str, ...]
    """Of these one must be met; empty for no such demand."""
    acr_supported: tuple[str, ...]

    @property
    def client(self) -> Client:
        return self.target.client


class AuthorizationRequests:
    """Reads authorization requests."""

    __slots__ = ("_clients", "_events", "_hints", "_settings")

    def __init__(
        self, clients: Clients, hints: IdTokenHints, settings: Settings, events: ProviderEvents | None = None
    ) -> None:
        self._events = events
        self._clients = clients
        self._hints = hints
        self._settings = settings

    async def target(self, params: Params) -> RedirectTarget:
        """Raises InvalidRequest, to be shown as a page, unless client and redirect URI are what was registered."""
        # RFC 6749 §3.1.2.4: nothing but these two is looked at before they fit, and each must be there once.
        client_id = params.require("client_id")
        sent = params.one("redirect_uri")
        client = await self._clients.get(client_id)
        if client is None:
            raise InvalidRequest("The client_id is not registered.", detail="authz.client_unknown")
        taken = await self._taken_by_event(client, sent)
        redirect_uri = taken or params.require("redirect_uri")
        if taken is None and not is_registered(
            redirect_uri, client.redirect_uris, native=client.application_type == "native"
        ):
            raise InvalidRequest(
                "The redirect_uri is not registered for this client.", detail="authz.redirect_mismatch"
            )
        return RedirectTarget(
            client=client,
            redirect_uri=redirect_uri,
            response_mode=_response_mode(params),
            state=_state(params),
        )

    async def _taken_by_event(self, client: Client, sent: str | None) -> str | None:
        """The redirect URI, as an event takes it without comparison; None when it is for us to compare."""
        if self._events is None or "validate_client_redirect_uri" not in self._events.wanted:
            return None
        taken: str | None = await self._events.ask(
            "validate_client_redirect_uri", InvalidClient, client, sent
        )
        if taken is not None and sent is not None and taken != sent:
            # What was sent is what the client will compare: it may be refused, but never exchanged for another.
            raise ServerError(detail="event.redirect_uri: validate_client_redirect_uri answered another URI")
        return taken

    async def validate(self, params: Params, target: RedirectTarget) -> ValidatedAuthorizationRequest:
        """Check everything else. Raises the OAuthError to send to the redirect URI."""
        asked = parse_authorization_request(params)
        _refuse_what_is_not_supported(asked, params)
        check_response_type(asked, target.client)
        demands = _identity_demands(asked.claims)
        hinted = None
        if asked.id_token_hint is not None:
            hinted = (await self._hints.read(asked.id_token_hint)).subject
        if hinted is not None and demands.subject is not None and hinted != demands.subject:
            raise LoginRequired("Two different users are asked for.", detail="authz.hint")
        return ValidatedAuthorizationRequest(
            target=target,
            asked=asked,
            scopes=check_scopes(asked, target.client),
            resources=check_resource_named(target.client, check_resources(asked.resource, self._settings)),
            # RFC 9700 §2.1.1: a public client has nothing but the challenge to tell its code from a stolen one.
            code_challenge=check_challenge(
                asked.code_challenge,
                asked.code_challenge_method,
                required=target.client.require_pkce or not target.client.confidential,
            ),
            subject=hinted or demands.subject,
            essential_acr=demands.essential_acr,
            acr_supported=self._settings.acr_values,
        )


def check_response_type(asked: AuthorizationRequest, client: Client) -> None:
    """Raise unless it is `code`, and the client may have codes; its response mode is checked with it."""
    if asked.response_type is None:
        raise InvalidRequest(
            "The mandatory 'response_type' parameter is missing.", detail="authz.response_type"
        )
    if asked.response_type != "code":
        raise UnsupportedResponseType("The response_type is not supported.", detail="authz.response_type")
    if "code" not in client.response_types or "authorization_code" not in client.grant_types:
        raise UnauthorizedClient(
            "The client may not use this response_type.", detail="authz.response_type_not_allowed"
        )
    if asked.response_mode is not None and asked.response_mode not in _MODES:
        raise InvalidRequest("The response_mode is not supported.", detail="authz.response_mode")
    if asked.dpop_jkt is not None and not _THUMBPRINT.fullmatch(asked.dpop_jkt):
        raise InvalidRequest("The 'dpop_jkt' parameter is malformed.", detail="authz.dpop_jkt")


def check_scopes(asked: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """The scopes that would be granted. Raises InvalidScope for one that is not registered for the client."""
    # RFC 6749 §3.3: without `scope` a default applies. `openid` and `offline_access` change what kind of request it
    # is, so they must be asked for by name.
    scopes = asked.scope or tuple(scope for scope in client.scopes if scope not in (OPENID, OFFLINE_ACCESS))
    if any(scope not in client.scopes for scope in scopes):
        raise InvalidScope("A scope is not registered for this client.", detail="authz.scope_not_registered")
    if OFFLINE_ACCESS in scopes and "refresh_token" not in client.grant_types:
        # OpenID Connect Core §11: a request for offline access that cannot be met is ignored.
        return tuple(scope for scope in scopes if scope != OFFLINE_ACCESS)
    return scopes


def check_resources(asked: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The resources, without repeats. Raises InvalidTarget for one that is not configured (RFC 8707 §2)."""
    known = {resource.uri for resource in settings.resources}
    for uri in asked:
        try:
            parts = urlsplit(uri)
        except ValueError:
            raise InvalidTarget(
                "A resource is not an absolute URI.", detail="authz.resource_malformed"
            ) from None
        if not parts.scheme or "#" in uri:
            raise InvalidTarget("A resource is not an absolute URI.", detail="authz.resource_malformed")
        if uri not in known:
            raise InvalidTarget("A resource is not known here.", detail="authz.resource_unknown")
    return tuple(dict.fromkeys(asked))


def _refuse_what_is_not_supported(asked: AuthorizationRequest, params: Params) -> None:
    # RFC 9101 §5: a request object is either by value or by reference.
    if asked.request is not None and asked.request_uri is not None:
        raise InvalidRequest(
            "The 'request' and 'request_uri' parameters cannot be used together.",
            detail="authz.request_object",
        )
    unsupported: list[tuple[bool, OAuthError]] = [
        (
            asked.request is not None,
            RequestNotSupported("Request objects are not supported.", detail="authz.request_object"),
        ),
        (
            asked.request_uri is not None,
            RequestUriNotSupported("The request_uri is not supported.", detail="authz.request_uri"),
        ),
        (
            "registration" in params,
            RegistrationNotSupported(
                "The 'registration' parameter is not supported.", detail="authz.registration"
            ),
        ),
        (
            # Initiating User Registration 1.0 §4.1: a prompt we do not list is refused.
            "create" in asked.prompt,
            InvalidRequest(
                "The 'prompt' parameter has a value that is not supported.", detail="authz.prompt"
            ),
        ),
    ]
    for present, refusal in unsupported:
        if present:
            raise refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class _IdentityDemands:
    subject: str | None = None
    essential_acr: tuple[str, ...] = ()


def _identity_demands(claims: str | None) -> _IdentityDemands:
    """What the `claims` parameter demands of the sign-in itself (OpenID Connect Core §5.5.1, §5.5.1.1)."""
    if claims is None:
        return _IdentityDemands()
    try:
        parsed = parse_object(claims.encode("utf-8"))
    except ValueError:
        raise InvalidRequest("The 'claims' parameter is not a JSON object.", detail="authz.claims") from None
    of_id_token = parsed.get("id_token")
    members = of_id_token if isinstance(of_id_token, dict) else {}
    subject = _member(members, "sub").get("value")
    acr = _member(members, "acr")
    wanted = _texts([acr["value"]] if "value" in acr else acr.get("values"))
    return _IdentityDemands(
        subject=subject if isinstance(subject, str) else None,
        essential_acr=wanted if acr.get("essential") is True else (),
    )


def _member(members: dict[str, Json], name: str) -> dict[str, Json]:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _texts(values: Json) -> tuple[str, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))


def _response_mode(params: Params) -> str:
    """How to answer, read leniently: this also serves refusals of requests that cannot be parsed."""
    modes = params.many("response_mode")
    if len(modes) == 1 and modes[0] in _MODES:
        return modes[0]
    # OAuth 2.0 Multiple Response Type Encoding Practices §5: the default of a type with tokens is the fragment.
    types = " ".join(params.many("response_type")).split()
    return FRAGMENT if "token" in types or "id_token" in types else QUERY


def _state(params: Params) -> str | None:
    states = params.many("state")
    return states[0] if len(states) == 1 and len(states[0]) <= MAX_STATE else None
