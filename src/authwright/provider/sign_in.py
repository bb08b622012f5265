"""Signing in with a username and a password, whatever it is for (NIST SP 800-63B §5.2.2, OpenID Connect Core §3.1.2.3)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from authwright.protocol.errors import AccessDenied, SlowDown
from authwright.protocol.http import HttpRequest
from authwright.protocol.params import Params
from authwright.provider.accounts import Accounts
from authwright.provider.audit import Audit, LoginCompleted, LoginFailed, log_refusal
from authwright.provider.interaction_pages import MAX_USERNAME
from authwright.provider.limits import Limits
from authwright.provider.sessions import ProviderSessions
from authwright.provider.settings import Settings
from authwright.records import Session

WRONG_CREDENTIALS = "Wrong username or password. Check both and try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The new session, and the header that gives the browser its cookie."""

    session: Session
    cookie: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSignedIn:
    """The login page is to be shown once more."""

    username: str
    problem: str
    """In words for the person."""
    status: int = 400
    retry_after: int | None = None


Outcome: TypeAlias = SignedIn | NotSignedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Checks what was typed into the login page."""

    settings: Settings
    accounts: Accounts
    sessions: ProviderSessions
    limits: Limits
    audit: Audit

    async def attempt(
        self,
        form: Params,
        request: HttpRequest,
        *,
        before: Session | None,
        client_id: str | None,
        now: datetime,
    ) -> Outcome:
        """One attempt; `before` is the browser's session until now. Raises StoreUnavailable or Overloaded."""
        username, password = form.one("username"), form.one("password")
        if username is None or password is None:
            return NotSignedIn(username=username or "", problem="Enter your username and your password.")
        try:
            await self.limits.login_attempt(username[:MAX_USERNAME], request.peer, now)
        except SlowDown as limit:
            return self._limited(request, client_id, username, limit)
        account = await self.accounts.authenticate(username, password)
        if account is None:
            self.audit.record(LoginFailed(client_id=client_id, reason="credentials"))
            wrong = AccessDenied("The sign-in failed.", detail="login.credentials")
            log_refusal("login", wrong, request, client_id)
            # The same words for an unknown name as for a wrong password.
            return NotSignedIn(username=username, problem=WRONG_CREDENTIALS)
        await self.limits.login_succeeded(username[:MAX_USERNAME], request.peer)
        session, cookie = await self.sessions.begin(
            before=before,
            subject=account.subject,
            now=now,
            acr=self.settings.acr_values[0] if self.settings.acr_values else None,
            amr=("pwd",),
        )
        self.audit.record(
            LoginCompleted(subject=account.subject, session_id=session.session_id, client_id=client_id)
        )
        return SignedIn(session=session, cookie=cookie)

    def _limited(
        self, request: HttpRequest, client_id: str | None, username: str, limit: SlowDown
    ) -> NotSignedIn:
        self.audit.record(LoginFailed(client_id=client_id, reason="limit"))
        log_refusal("login", limit, request, client_id)
        return NotSignedIn(
            username=username,
            problem=f"Too many attempts. Wait {limit.retry_after} seconds and try again.",
            status=limit.status,
            retry_after=limit.retry_after,
        )
