"""The device authorization endpoint: a device without a browser begins a sign-in (RFC 8628 §3.1, §3.2)."""

from authwright.clock import Clock, utcnow
from authwright.protocol.client_credentials import parse_client_credentials
from authwright.protocol.device import (
    DEVICE_CODE,
    DeviceAuthorizationResponse,
    build_device_authorization_response,
    parse_device_authorization_request,
    shown_user_code,
)
from authwright.protocol.errors import UnauthorizedClient
from authwright.protocol.http import HttpRequest, HttpResponse, Pass, json_response
from authwright.provider.authorization_request import check_resources
from authwright.provider.client_authentication import ClientAuthenticator
from authwright.provider.client_form import read_form
from authwright.provider.device_codes import DeviceCodes
from authwright.provider.device_pages import DEVICE_PATH
from authwright.provider.grants.base import check_user_scopes
from authwright.provider.limits import Limits
from authwright.provider.profiles import check_resource_named
from authwright.provider.settings import Settings


class DeviceAuthorizationEndpoint:
    def __init__(
        self,
        *,
        settings: Settings,
        authenticator: ClientAuthenticator,
        devices: DeviceCodes,
        limits: Limits,
        clock: Clock = utcnow,
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._devices = devices
        self._limits = limits
        self._clock = clock

    async def handle(self, http: HttpRequest) -> HttpResponse | Pass:
        """Answer a device authorization request. Raises OAuthError for every refusal."""
        # 1. Read.
        params = read_form(http)
        asked = parse_device_authorization_request(params)
        credentials = parse_client_credentials(http.headers, params)
        # 2. Authenticate; a public client names itself (RFC 8628 §3.1).
        now = self._clock()
        caller = await self._authenticator.authenticate(credentials, http, now)
        client = caller.client
        # 3. May it ask for this?
        if DEVICE_CODE not in client.grant_types:
            raise UnauthorizedClient(
                "The client may not use the device authorization grant.", detail="client.grant_not_allowed"
            )
        scopes = check_user_scopes(client, asked.scope)
        resources = check_resource_named(client, check_resources(asked.resource, self._settings))
        if not caller.confidential:
            await self._limits.device_code_wanted(client.client_id, http.peer, now)
        # 4. A device code to poll with, and a user code to show.
        begun = await self._devices.begin(client, scopes, resources, now)
        shown = shown_user_code(begun.user_code)
        page = self._settings.url(DEVICE_PATH)
        response = DeviceAuthorizationResponse(
            device_code=begun.device_code,
            user_code=shown,
            verification_uri=page,
            verification_uri_complete=f"{page}?user_code={shown}",
            expires_in=begun.expires_in,
        )
        return json_response(200, build_device_authorization_response(response))
