"""The backchannel authentication endpoint: a client asks for a user who is elsewhere (CIBA Core 1.0 §7)."""

from collections.abc import Sequence
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.protocol.ciba import (
    CIBA,
    DELIVERY_MODES,
    POLL,
    PUSH,
    BackchannelRequest,
    build_backchannel_response,
    parse_backchannel_request,
)
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.errors import (
    InvalidClient,
    InvalidRequest,
    UnauthorizedClient,
    UnknownUserId,
)
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.provider.accounts import Accounts, NamedAccounts
from authwright.provider.authorization_request import check_resources
from authwright.provider.backchannel import Approver
from authwright.provider.backchannel_requests import BackchannelRequests, PendingRequest
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.client_form import read_form
from authwright.provider.grants.base import check_user_scopes
from authwright.provider.id_token_hint import IdTokenHints
from authwright.provider.profiles import check_resource_named
from authwright.provider.settings import Settings
from authwright.records import Account, Client


class BackchannelAuthenticationEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        authenticator: ClientAuthenticator,
        accounts: Accounts,
        hints: IdTokenHints,
        requests: BackchannelRequests,
        approvers: Sequence[Approver] = (),
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._accounts = accounts
        self._hints = hints
        self._requests = requests
        self._approvers = tuple(approvers)
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer a backchannel authentication request. Raises OAuthError for every refusal."""
        # 1. Read who asks, and authenticate. CIBA Core §7: a client that cannot has no business here.
        params = read_form(http)
        credentials = parse_client_credentials(http.headers, params)
        now = self._clock()
        caller = await self._authenticator.authenticate(credentials, http, now)
        if not caller.confidential:
            raise InvalidClient("Client authentication is required.", detail="ciba.public_client")
        client = caller.client
        # 2. May it ask for this?
        if CIBA not in client.grant_types:
            raise UnauthorizedClient(
                "The client may not use backchannel authentication.", detail="client.grant_not_allowed"
            )
        asked = parse_backchannel_request(params)
        check_delivery(asked, client, self._settings)
        scopes = check_user_scopes(client, asked.scope)
        resources = check_resource_named(client, check_resources(asked.resource, self._settings))
        # 3. Whom does it mean?
        account = await self._user(asked, client)
        if account is None:
            raise UnknownUserId("The user is not known.", detail="ciba.unknown_user")
        # 4. Keep it, bring it before the user, and tell the client what to wait with.
        request, response = await self._requests.begin(asked, client, account.subject, scopes, resources, now)
        await self._announce(request, now)
        return json_response(200, build_backchannel_response(response))

    async def _user(self, asked: BackchannelRequest, client: Client) -> Account | None:
        if asked.id_token_hint is not None:
            hint = await self._hints.read(asked.id_token_hint)
            # CIBA Core §7.1: an ID token that was issued to this client.
            if client.client_id not in hint.audiences:
                raise InvalidRequest(
                    "The id_token_hint was issued to another client.", detail="ciba.hint_audience"
                )
            return await self._accounts.get(hint.subject)
        name = asked.login_hint or ""
        named = await self._accounts.find(name) if isinstance(self._accounts, NamedAccounts) else None
        return named or await self._accounts.get(name)

    async def _announce(self, request: PendingRequest, now: datetime) -> None:
        try:
            for approver in self._approvers:
                await approver(request)
        except Exception:
            # Its user will never hear of it, so the client must not wait for an answer.
            await self._requests.withdraw(request, now)
            raise


def check_delivery(asked: BackchannelRequest, client: Client, settings: Settings) -> None:
    """Raise unless the answer can get to the client the way it is registered for (CIBA Core §4, §7.1)."""
    mode = client.backchannel_token_delivery_mode
    if mode not in DELIVERY_MODES:
        raise UnauthorizedClient("The client has no delivery mode.", detail="ciba.mode")
    if mode == POLL:
        return
    endpoint = client.backchannel_client_notification_endpoint
    local = settings.issuer.startswith("http://")
    if not endpoint.startswith("https://") and not (local and endpoint.startswith("http://")):
        raise UnauthorizedClient(
            "The client has no notification endpoint.", detail="ciba.notification_endpoint"
        )
    if asked.client_notification_token is None:
        raise InvalidRequest(
            "The mandatory 'client_notification_token' parameter is missing.",
            detail="ciba.notification_token",
        )
    bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    if mode == PUSH and bound:
        # RFC 9449 §5, RFC 8705 §3: nobody proves a key when tokens are pushed.
        raise UnauthorizedClient("Bound tokens are not pushed.", detail="ciba.push_bound")
