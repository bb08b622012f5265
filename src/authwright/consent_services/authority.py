"""All services at once: each looked up, allowed, asked and held to its namespace in a task of its own.

The decisions are there when the slowest service has answered, or at the deadline without it.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

import msgspec

from authwright.consent_services.decisions import decide
from authwright.consent_services.messages import ConsentAnswer, ConsentRequest, MessageRejected, Requester
from authwright.crypto.handles import random_id
from authwright.protocol.errors import OAuthError
from authwright.provider.audit import Audit, ConsentServiceAnswered, ConsentServiceFailed
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.scope_authority import Decision, Declined, Granted, NotAllowed, Unavailable, Unknown
from authwright.records import Client, ConsentService
from authwright.remote.documents import RemoteFault
from authwright.stores.protocols import StoreUnavailable

DEADLINE = timedelta(seconds=3)
"""For all services together."""
PARALLEL = 64
"""How many services one request asks at the same time."""

_LOG = logging.getLogger("authwright")


class ServiceRegistry(Protocol):
    """Where services are found: a `ConsentServiceStore`, or anything else with this method."""

    async def get(self, tenant: str, name: str) -> ConsentService | None: ...


class Answered(msgspec.Struct, frozen=True):
    """What a service said, and which scopes it publishes (None = it does not say)."""

    answer: ConsentAnswer
    supported: tuple[str, ...] | None = None


class Ask(Protocol):
    """The way to a service: over HTTP, in this process, or a fake."""

    async def __call__(self, service: ConsentService, request: ConsentRequest, request_id: str) -> Answered:
        """Its answer to `request`. Raises RemoteFault or MessageRejected when there is none that can be used.

        `request_id` is the same for all services that one token request asks.
        """


class _Asking(msgspec.Struct, frozen=True):
    """What all the questions of one token request have in common."""

    client: Client
    tenant: str
    subject: str
    request_id: str
    until: float
    """The deadline, in the time of the loop."""
    turns: asyncio.Semaphore


class ConsentScopeAuthority:
    """A `ScopeAuthority` that asks the services of a registry.

    Service scopes are `base_scope` + name [+ "." + permission]. `deadline` is for all services together; each has its
    own `timeout` besides.
    """

    def __init__(
        self,
        *,
        base_scope: str,
        services: ServiceRegistry,
        ask: Ask,
        audit: Audit | None = None,
        deadline: timedelta = DEADLINE,
        parallel: int = PARALLEL,
    ) -> None:
        self._base_scope = base_scope
        self._services = services
        self._ask = ask
        self._audit = audit or Audit()
        self._deadline = deadline
        self._parallel = parallel

    async def authorize(
        self, request: AuthenticatedTokenRequest[Any], subject: str, services: Mapping[str, tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        """A decision of each service, in their order. Raises StoreUnavailable when the registry cannot be read."""
        asking = _Asking(
            client=request.client,
            tenant=request.client.tenant or request.tenant,
            subject=subject,
            request_id=random_id(),
            until=asyncio.get_running_loop().time() + self._deadline.total_seconds(),
            turns=asyncio.Semaphore(self._parallel),
        )
        tasks = [
            asyncio.create_task(self._decision(asking, name, scopes)) for name, scopes in services.items()
        ]
        try:
            return dict(zip(services, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()

    async def _decision(self, asking: _Asking, name: str, scopes: tuple[str, ...]) -> Decision:
        # 1. Is there such a service, and may this client ask for it?
        service = await self._registered(asking, name)
        if service is None or not service.enabled:
            _LOG.info("consent_service.unknown", extra={"tenant": asking.tenant, "service": name})
            return Unknown()
        if name not in asking.client.allowed_consent_services:
            return NotAllowed()

        # 2. Ask it. Whatever goes wrong from here on is this service's failure and nobody else's.
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            decision = await self._consult(asking, service, scopes)
        except (StoreUnavailable, OAuthError):
            raise
        except (RemoteFault, MessageRejected) as fault:
            reason = fault.reason
        except TimeoutError:
            reason = "deadline" if loop.time() >= asking.until else "timeout"
        except Exception as failure:
            # The text of an unknown failure may hold anything, so only its kind is told.
            _LOG.error("consent_service.broken", extra={"service": name, "failure": type(failure).__name__})
            reason = "broken"
        else:
            self._tell_answered(asking, name, isinstance(decision, Granted), loop.time() - started)
            return decision
        self._tell_failed(asking, name, reason, loop.time() - started)
        return Unavailable(reason=reason, required=service.on_failure == "fail")

    async def _registered(self, asking: _Asking, name: str) -> ConsentService | None:
        try:
            async with asyncio.timeout_at(asking.until):
                return await self._services.get(asking.tenant, name)
        except TimeoutError:
            raise StoreUnavailable("the registry of consent services did not answer in time") from None

    async def _consult(
        self, asking: _Asking, service: ConsentService, scopes: tuple[str, ...]
    ) -> Granted | Declined:
        client = asking.client
        request = ConsentRequest(
            requester=Requester(
                client_id=client.client_id,
                client_name=client.client_name or None,
                client_description=client.description or None,
                namespace=client.namespace or None,
                tenant=asking.tenant,
            ),
            subject=asking.subject,
            scopes=scopes,
        )
        async with asyncio.timeout_at(asking.until), asking.turns:
            async with asyncio.timeout(service.timeout.total_seconds()):
                answered = await self._ask(service, request, asking.request_id)
        return decide(
            answered.answer,
            service=service.name,
            base_scope=self._base_scope,
            subject=asking.subject,
            requested=scopes,
            supported=answered.supported,
            may_add=service.may_add_scopes,
        )

    def _tell_answered(self, asking: _Asking, name: str, authorized: bool, seconds: float) -> None:
        ms = round(seconds * 1000)
        _LOG.info("consent_service.answered", extra={**_who(asking, name, ms), "authorized": authorized})
        if self._audit.watched:
            self._audit.record(
                ConsentServiceAnswered(tenant=asking.tenant, service=name, authorized=authorized, ms=ms)
            )

    def _tell_failed(self, asking: _Asking, name: str, reason: str, seconds: float) -> None:
        ms = round(seconds * 1000)
        _LOG.warning("consent_service.failed", extra={**_who(asking, name, ms), "reason": reason})
        if self._audit.watched:
            self._audit.record(ConsentServiceFailed(tenant=asking.tenant, service=name, reason=reason, ms=ms))


def _who(asking: _Asking, name: str, ms: int) -> dict[str, Any]:
    return {"tenant": asking.tenant, "service": name, "ms": ms, "request_id": asking.request_id}
