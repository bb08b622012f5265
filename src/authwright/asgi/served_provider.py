"""The provider as an application: what `standard_provider` returns."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from authwright.asgi.lifecycle import upkeep
from authwright.asgi.provider_app import ProviderApp
from authwright.asgi.types import ASGIApp, Receive, Scope, Send
from authwright.provider.backchannel import Backchannel
from authwright.provider.provider import Provider


class ServedProvider(Provider):
    """A provider that is an ASGI application: run it, mount it, or put it in front of another with `wrap`."""

    def __init__(
        self,
        *,
        ciba: Backchannel,
        trusted_proxies: Sequence[str] = (),
        client_certificate_header: str = "client-cert",
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self.ciba = ciba
        """The backchannel authentication requests that wait, and the answers to them (CIBA Core 1.0 §8)."""
        self._trusted_proxies = tuple(trusted_proxies)
        self._certificate_header = client_certificate_header
        self._running = AsyncExitStack()
        self._app = self._application(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await self._app(scope, receive, send)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """An application that answers for the issuer and passes everything else to `app`.

        An issuer with a path needs this rather than a mount: RFC 8414 §3.1 puts one document at the host's root.
        """
        return self._application(app)

    def _application(self, app: ASGIApp | None) -> ProviderApp:
        return ProviderApp(
            self.handle,
            try_handle=self.try_handle,
            fallback=app,
            serves=self.serves,
            trusted_proxies=self._trusted_proxies,
            client_certificate_header=self._certificate_header,
            startup=self._start,
            shutdown=self._stop,
        )

    async def _start(self) -> None:
        await self.open()
        await self._running.enter_async_context(upkeep(self.maintain))

    async def _stop(self) -> None:
        await self._running.aclose()
        await self.close()
