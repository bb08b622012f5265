"""Client authentication: exactly the method the client is registered with (RFC 6749 §2.3, OpenID Connect Core §9)."""

import hmac
from datetime import datetime

import msgspec

from authwright.crypto.handles import Handles
from authwright.crypto.jwt import JwtRejected
from authwright.crypto.passwords import Overloaded, Passwords
from authwright.crypto.shared_secrets import HS256
from authwright.protocol.client_credentials import (
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_JWT,
    CLIENT_SECRET_POST,
    NONE,
    PRIVATE_KEY_JWT,
    ClientCredentials,
    OfferedAssertion,
    OfferedIdentifier,
    OfferedSecret,
)
from authwright.protocol.errors import InvalidClient, TemporarilyUnavailable
from authwright.protocol.http import HttpRequest
from authwright.provider.client_assertions import ClientAssertions
from authwright.provider.client_certificates import CERTIFICATE_METHODS, ClientCertificates
from authwright.provider.client_keys import SIGNATURE_ALGORITHMS
from authwright.provider.clients import SECRET_LABEL, Clients, live_secrets
from authwright.provider.limits import Limits
from authwright.provider.requests import ClientAuthentication
from authwright.records import Client
from authwright.stores.protocols import OnceStore
from authwright.ticket import SingleUse

METHODS = (CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, PRIVATE_KEY_JWT, CLIENT_SECRET_JWT, NONE)
METHODS_BEHIND_A_PROXY = (*METHODS[:-1], *CERTIFICATE_METHODS, NONE)
"""What there is when a trusted proxy hands certificates on."""

ASSERTION_ALGORITHMS = (*SIGNATURE_ALGORITHMS, HS256)
ASSERTION_METHODS = frozenset({PRIVATE_KEY_JWT, CLIENT_SECRET_JWT})

# Compared with when there is no client, so that an unknown one costs what a wrong secret costs.
_NO_DIGEST = "0" * 64


class ClientAuthenticator:
    """Turns offered credentials into a client that is believed."""

    def __init__(
        self,
        *,
        clients: Clients,
        handles: Handles,
        passwords: Passwords,
        limits: Limits,
        assertions: ClientAssertions,
        certificates: ClientCertificates,
        once: OnceStore,
    ) -> None:
        self._clients = clients
        self._handles = handles
        self._passwords = passwords
        self._limits = limits
        self._assertions = assertions
        self._certificates = certificates
        self._once = once

    async def authenticate(
        self, credentials: ClientCredentials, http: HttpRequest, now: datetime
    ) -> ClientAuthentication:
        """The client. Raises InvalidClient, with one text for every cause, or SlowDown after many failures.

        An assertion is used up by this.
        """
        return await self.claim(await self.identify(credentials, http, now), http, now)

    async def identify(
        self, credentials: ClientCredentials, http: HttpRequest, now: datetime
    ) -> ClientAuthentication:
        """As `authenticate`, but an assertion is not used up yet: for a caller that calls `claim` before it writes."""
        client = await self._clients.get(credentials.client_id)
        if client is None:
            await self._secret_matches(None, credentials, now)
            raise await self._failure(credentials.client_id, "client.unknown", http, now)
        try:
            single_use = await self._prove(client, credentials, http, now)
        except JwtRejected as rejected:
            reason = f"client.assertion_{rejected.reason}"
            raise await self._failure(client.client_id, reason, http, now) from None
        except InvalidClient as refusal:
            raise await self._failure(client.client_id, refusal.detail, http, now) from None
        return ClientAuthentication(client, client.token_endpoint_auth_method, single_use)

    async def claim(
        self, authentication: ClientAuthentication, http: HttpRequest, now: datetime
    ) -> ClientAuthentication:
        """The same with nothing left to claim. Raises InvalidClient when the assertion was used before."""
        single_use = authentication.single_use
        if single_use is None:
            return authentication
        # RFC 7523 §3: concurrent requests with one assertion get one answer, for the store says yes once.
        if not await self._once.claim(single_use.key, single_use.until):
            client_id = authentication.client.client_id
            raise await self._failure(client_id, "client.assertion_replay", http, now)
        return msgspec.structs.replace(authentication, single_use=None)

    async def _failure(self, client_id: str, reason: str, http: HttpRequest, now: datetime) -> InvalidClient:
        await self._limits.client_authentication_failed(client_id, http.peer, now)
        return InvalidClient("Client authentication failed.", detail=reason)

    async def _prove(
        self, client: Client, credentials: ClientCredentials, http: HttpRequest, now: datetime
    ) -> SingleUse | None:
        """What is left to claim once the credentials prove the client. Raises InvalidClient or JwtRejected."""
        method = client.token_endpoint_auth_method
        match credentials:
            case OfferedSecret():
                matches = await self._secret_matches(client, credentials, now)
                if method != credentials.method:
                    raise InvalidClient(detail="client.method")
                if not matches:
                    raise InvalidClient(detail="client.auth_failed")
            case OfferedAssertion():
                if method not in ASSERTION_METHODS:
                    raise InvalidClient(detail="client.method")
                return await self._assertions.check(client, credentials.assertion, now)
            case OfferedIdentifier() if method in CERTIFICATE_METHODS:
                # RFC 8705 §2: such a client names itself, and the connection proves it.
                await self._certificates.check(client, http.client_certificate, now)
            case OfferedIdentifier():
                if method != NONE:
                    raise InvalidClient(detail="client.auth_missing")
        return None

    async def _secret_matches(
        self, client: Client | None, credentials: ClientCredentials, now: datetime
    ) -> bool:
        if not isinstance(credentials, OfferedSecret):
            return False
        offered = self._handles.digests_of(SECRET_LABEL, credentials.secret)
        known = live_secrets(client, now) if client is not None else ()
        matched = False
        for digest in [secret.digest for secret in known] or [_NO_DIGEST]:
            if digest.startswith("$argon2"):
                matched |= await self._verify_imported(credentials.secret, digest)
            else:
                for candidate in offered:
                    matched |= hmac.compare_digest(candidate, digest)
        return matched

    async def _verify_imported(self, secret: str, phc: str) -> bool:
        try:
            return await self._passwords.verify(secret, phc)
        except Overloaded:
            raise TemporarilyUnavailable("Try again.", detail="client.overloaded") from None
