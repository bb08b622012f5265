"""The pages of a device sign-in: type the code, sign in, compare and decide (RFC 8628 §3.3, §3.3.1, §5.1, §5.4).

The browser comes back to `/device` after each step. Nothing is ever approved by a link alone: a code that came with
the address only fills the field, and the person still sees who asks for what.
"""

from dataclasses import dataclass
from datetime import datetime

from authwright.clock import Clock, utcnow
from authwright.protocol.device import DEVICE_CODE, MAX_TYPED, canonical_user_code, shown_user_code
from authwright.protocol.errors import InvalidRequest, OAuthError, SlowDown
from authwright.protocol.http import HttpRequest, HttpResponse, Pass
from authwright.provider.audit import Audit, RequestAnswered, log_refusal
from authwright.provider.browser_answers import OURS, BrowserAnswers, read_params
from authwright.provider.clients import Clients
from authwright.provider.device_codes import DeviceCodes, WaitingDevice
from authwright.provider.limits import Limits
from authwright.provider.page_sign_in import PageSignIn
from authwright.provider.pages import (
    DeviceCodePage,
    DeviceConfirmPage,
    DeviceDonePage,
    Form,
    account_name,
    display_name,
    web_link,
    with_page_headers,
)
from authwright.provider.provider import Endpoint
from authwright.provider.visits import Visit, Visits
from authwright.records import Account, Client, Session

DEVICE_PATH = "/device"
DEVICE_LOGIN_PATH = "/device/login"
DEVICE_CONFIRM_PATH = "/device/confirm"

UNKNOWN_CODE = "This code is not known, or it has expired. Check it, or get a new one on your device."
OVER = "This code was used already, or it has expired. Get a new one on your device."


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePages:
    """Serves `/device` (GET, POST) and the forms behind it."""

    visits: Visits
    devices: DeviceCodes
    clients: Clients
    who: PageSignIn
    limits: Limits
    answers: BrowserAnswers
    audit: Audit
    clock: Clock = utcnow

    def routes(self) -> dict[str, Endpoint]:
        """Full path to what answers there."""
        base = self.visits.settings.base_path
        return {
            base + DEVICE_PATH: self.handle,
            base + DEVICE_LOGIN_PATH: self.login,
            base + DEVICE_CONFIRM_PATH: self.confirm,
        }

    async def handle(self, request: HttpRequest) -> HttpResponse | Pass:
        """The page a person types in, or opens from the device (RFC 8628 §3.3)."""
        try:
            if request.method == "POST":
                return await self._enter(request, self.clock())
            return await self._show(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("device", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("device", fault, request)

    async def login(self, request: HttpRequest) -> HttpResponse | Pass:
        """The login page's form (POST)."""
        try:
            return await self._login(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("device", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("device", fault, request)

    async def confirm(self, request: HttpRequest) -> HttpResponse | Pass:
        """The confirmation page's form (POST)."""
        try:
            return await self._confirm(request, self.clock())
        except OAuthError as refusal:
            return await self.answers.refusal_page("device", refusal, request)
        except OURS as fault:
            return await self.answers.unavailable_page("device", fault, request)

    async def _show(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it the start, or does the browser come back from a step?
        params = read_params(request)
        known = self.visits.binding.read(request)
        sealed = params.one("visit")
        if sealed is None or known is None:
            browser = known or self.visits.binding.fresh()
            page = await self._code_page(browser, user_code=params.one("user_code") or "")
            return page if known else page.with_headers(self.visits.binding.cookie(browser))

        # 2. Does the device still wait?
        visit = self.visits.open(sealed, known, now)
        found = await self._waiting(visit, now)
        if visit is None or found is None:
            return await self._code_page(known, problem=OVER, status=400)
        waiting, client = found

        # 3. Who is the person?
        session, account = await self.who.signed_in(request, now)
        if session is None or account is None:
            return await self.who.page(visit, known, client)

        # 4. Do they want it?
        return await self._confirm_page(visit, known, waiting, client, session, account)

    async def _enter(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, from the browser we gave it to?
        returned = self.visits.read(request)
        browser = returned.browser
        self.visits.binding.check_token(returned.fields.one("csrf"), "device_code", browser)
        typed = returned.fields.one("user_code")
        if typed is None:
            return await self._code_page(
                browser, problem="Enter the code that your device shows.", status=400
            )

        # 2. May it be tried?
        try:
            # The browser's value is a secret, and what a limit is counted under is not.
            counted = await self.limits.user_code_attempt(
                self.visits.binding.token("user_code", browser), request.peer, now
            )
        except SlowDown as limit:
            log_refusal("device", limit, request)
            return await self._code_page(
                browser,
                user_code=typed,
                problem=f"Too many codes were tried. Wait {limit.retry_after} seconds and try again.",
                status=limit.status,
                retry_after=limit.retry_after,
            )

        # 3. Does a device wait for it?
        waiting = await self.devices.find(typed, now)
        if waiting is None:
            log_refusal("device", InvalidRequest(detail="user_code.unknown"), request)
            return await self._code_page(browser, user_code=typed, problem=UNKNOWN_CODE, status=400)
        await self.limits.user_code_succeeded(counted)
        return self.visits.back(self.visits.begin(typed, now), browser)

    async def _login(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, about a device that still waits?
        returned = self.visits.read(request)
        fields, browser = returned.fields, returned.browser
        visit = self.visits.open(fields.one("visit"), browser, now)
        if visit is None or fields.one("action") == "cancel":
            return self.visits.back(None, browser)
        found = await self._waiting(visit, now)
        if found is None:
            return self.visits.back(visit, browser)
        _, client = found

        # 2. Who is it? Then back to the page, in a new session.
        return await self.who.attempt(fields, request, visit, browser, client, now)

    async def _confirm(self, request: HttpRequest, now: datetime) -> HttpResponse:
        # 1. Is it our page, and is the person still signed in?
        returned = self.visits.read(request)
        fields, browser = returned.fields, returned.browser
        visit = self.visits.open(fields.one("visit"), browser, now)
        found = await self._waiting(visit, now)
        session, account = await self.who.signed_in(request, now)
        if visit is None or found is None or session is None or account is None:
            return self.visits.back(visit, browser)
        waiting, client = found

        # 2. Is it about exactly what was shown, to exactly this session?
        self.visits.binding.check_token(
            fields.one("csrf"), "device_confirm", browser, *_shown_facts(visit, waiting, session)
        )
        action = fields.one("action")
        if action not in ("allow", "deny"):
            raise InvalidRequest("Choose whether to allow or to deny.", detail="device.action")

        # 3. Once only: the answer spends the user code. A sign-out that was faster wins.
        allowed = action == "allow"
        if allowed and not await self.who.sessions.note_client(session, client.client_id):
            return self.visits.back(visit, browser)
        if allowed:
            answered = await self.devices.approve(waiting, session, now)
        else:
            answered = await self.devices.deny(waiting, now)
        if not answered:
            return self.visits.back(visit, browser)
        self.audit.record(
            RequestAnswered(
                client_id=client.client_id, subject=session.subject, grant_type=DEVICE_CODE, allowed=allowed
            )
        )
        page = DeviceDonePage(client_name=display_name(client), allowed=allowed)
        return with_page_headers(await self.answers.pages.device(page))

    async def _waiting(self, visit: Visit | None, now: datetime) -> tuple[WaitingDevice, Client] | None:
        """The device the visit is about and its client, as long as there is something to answer."""
        waiting = await self.devices.find(visit.about, now) if visit is not None else None
        client = await self.clients.get(waiting.ticket.client_id) if waiting is not None else None
        return None if waiting is None or client is None else (waiting, client)

    async def _code_page(
        self,
        browser: str,
        *,
        user_code: str = "",
        problem: str = "",
        status: int = 200,
        retry_after: int | None = None,
    ) -> HttpResponse:
        form = Form(
            action=self.visits.settings.base_path + DEVICE_PATH,
            hidden=(("csrf", self.visits.binding.token("device_code", browser)),),
        )
        page = DeviceCodePage(
            form=form,
            user_code=user_code[:MAX_TYPED],
            problem=problem,
            status=status,
            retry_after=retry_after,
        )
        return with_page_headers(await self.answers.pages.device(page), retry_after=retry_after)

    async def _confirm_page(
        self,
        visit: Visit,
        browser: str,
        waiting: WaitingDevice,
        client: Client,
        session: Session,
        account: Account,
    ) -> HttpResponse:
        token = self.visits.binding.token("device_confirm", browser, *_shown_facts(visit, waiting, session))
        form = Form(
            action=self.visits.settings.base_path + DEVICE_CONFIRM_PATH,
            hidden=(("visit", self.visits.sealed(visit, browser)), ("csrf", token)),
        )
        page = DeviceConfirmPage(
            form=form,
            user_code=shown_user_code(canonical_user_code(visit.about) or ""),
            client_name=display_name(client),
            client_uri=web_link(client.client_uri),
            policy_uri=web_link(client.policy_uri),
            tos_uri=web_link(client.tos_uri),
            account=account_name(account),
            scopes=waiting.ticket.scopes,
            resources=waiting.ticket.resources,
        )
        return with_page_headers(await self.answers.pages.device(page))


def _shown_facts(visit: Visit, waiting: WaitingDevice, session: Session) -> tuple[str, ...]:
    """What the person agrees to."""
    asked = waiting.ticket
    return (
        visit.id,
        session.digest,
        waiting.device.digest,
        asked.client_id,
        " ".join(asked.scopes),
        " ".join(asked.resources),
    )
