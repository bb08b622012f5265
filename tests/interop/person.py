"""Alice, and the browser she answers in, over HTTP: the part of a flow that no client does itself."""

import asyncio
import http.client
import ssl
from urllib.parse import urlsplit

from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.testing.browser import Browser, Page
from tests.interop.fleet_clients import PASSWORD, USERNAME
from tests.interop.tls import Authority


class Person:
    """Signs in wherever she is asked to, and says yes. Each call is a browser without cookies."""

    def __init__(self, issuer: str, authority: Authority) -> None:
        self._issuer = issuer
        self._tls = ssl.create_default_context(cafile=authority.certificate.file)

    def sign_in(self, url: str) -> str:
        """Follows a link to the provider; the address that she is sent to when she has consented."""
        return asyncio.run(self.signs_in(url))

    def allow_device(self, verification_uri_complete: str) -> None:
        """Opens the address that a device shows her, code and all."""
        asyncio.run(self._allow(verification_uri_complete, "device-allow", "device-connected"))

    def allow_request(self) -> None:
        """Opens her page of waiting requests and allows the one that is there."""
        page = f"{self._issuer}/backchannel_authentication/requests"
        asyncio.run(self._allow(page, "ciba-allow", "nothing-pending"))

    async def signs_in(self, url: str) -> str:
        """`sign_in` within an event loop."""
        browser = self._browser()
        page = await self._signed_in(browser, await browser.get(url))
        if page.has("consent-allow"):
            page = await browser.click("consent-allow")
        assert page.response is None, f"{page.status} {page.texts}"
        return page.url

    async def _allow(self, url: str, button: str, done: str) -> None:
        browser = self._browser()
        page = await browser.get(url)
        if page.has("device-continue"):
            page = await browser.click("device-continue")
        page = await self._signed_in(browser, page)
        page = await browser.click(button)
        assert page.has(done), f"{page.status} {page.texts}"

    @staticmethod
    async def _signed_in(browser: Browser, page: Page) -> Page:
        if page.has("login-submit"):
            page = await browser.click("login-submit", username=USERNAME, password=PASSWORD)
        return page

    def _browser(self) -> Browser:
        return Browser({self._issuer: self._fetch})

    async def _fetch(self, request: HttpRequest) -> HttpResponse:
        return await asyncio.to_thread(self._exchange, request)

    def _exchange(self, request: HttpRequest) -> HttpResponse:
        connection = http.client.HTTPSConnection(
            urlsplit(request.origin).netloc, timeout=20, context=self._tls
        )
        try:
            target = request.url.removeprefix(request.origin)
            headers = {name.decode(): text.decode("latin-1") for name, text in request.headers.lines}
            connection.request(request.method, target, request.body or None, headers)
            answer = connection.getresponse()
            return HttpResponse(answer.status, Headers.of(answer.getheaders()), answer.read())
        finally:
            connection.close()
