"""Client authentication: exactly the method the client is registered with (RFC 6749 §2.3, OpenID Connect Core §9)."""

import hmac
from datetime import datetime

from authwright.crypto.handles import Handles
from authwright.crypto.passwords import Overloaded, Passwords
from authwright.protocol.client_credentials import NONE, ClientCredentials
from authwright.protocol.errors import InvalidClient, TemporarilyUnavailable
from authwright.protocol.http import HttpRequest
from authwright.provider.clients import SECRET_LABEL, Clients
from authwright.provider.limits import Limits
from authwright.provider.requests import ClientAuthentication
from authwright.records import Client

METHODS = ("client_secret_basic", "client_secret_post", "none")

# Compared with when there is no client, so that an unknown one costs what a wrong secret costs.
_NO_DIGEST = "0" * 64


class ClientAuthenticator:
    """Turns offered credentials into a client that is believed."""

    def __init__(self, *, clients: Clients, handles: Handles, passwords: Passwords, limits: Limits) -> None:
        self._clients = clients
        self._handles = handles
        self._passwords = passwords
        self._limits = limits

    async def authenticate(
        self, credentials: ClientCredentials, http: HttpRequest, now: datetime
    ) -> ClientAuthentication:
        """The client. Raises InvalidClient, with one text for every cause, or SlowDown after many failures."""
        client = await self._clients.get(credentials.client_id)
        reason = await self._refusal(client, credentials, now)
        if client is None or reason:
            await self._limits.client_authentication_failed(credentials.client_id, http.peer, now)
            raise InvalidClient("Client authentication failed.", detail=reason or "client.unknown")
        return ClientAuthentication(client, credentials.method)

    async def _refusal(self, client: Client | None, credentials: ClientCredentials, now: datetime) -> str:
        """Why the credentials do not prove the client, or an empty text when they do."""
        if credentials.method == NONE or credentials.secret is None:
            proven = client is not None and client.token_endpoint_auth_method == NONE
            return "" if proven else "client.auth_missing"
        offered = self._handles.digests_of(SECRET_LABEL, credentials.secret)
        matches = await self._secret_matches(client, credentials.secret, offered, now)
        if client is None:
            return "client.unknown"
        if client.token_endpoint_auth_method != credentials.method:
            return "client.method"
        return "" if matches else "client.auth_failed"

    async def _secret_matches(
        self, client: Client | None, secret: str, offered: tuple[str, ...], now: datetime
    ) -> bool:
        live = [
            known.digest
            for known in (client.secrets if client is not None else ())
            if known.expires_at is None or known.expires_at > now
        ] or [_NO_DIGEST]
        matched = False
        for digest in live:
            if digest.startswith("$argon2"):
                matched |= await self._verify_imported(secret, digest)
            else:
                for candidate in offered:
                    matched |= hmac.compare_digest(candidate, digest)
        return matched

    async def _verify_imported(self, secret: str, phc: str) -> bool:
        try:
            return await self._passwords.verify(secret, phc)
        except Overloaded:
            raise TemporarilyUnavailable("Try again.", detail="client.overloaded") from None
