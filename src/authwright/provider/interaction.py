"""What a person must still do before a request can be answered (OpenID Connect Core §3.1.2.3, §3.1.2.4).

`next_step` is a pure function: the authorization endpoint asks it anew each time the browser comes back. What was
done meanwhile is in the `Interaction`, which travels sealed through the browser and opens only with its cookie.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from authwright.crypto.handles import random_id
from authwright.crypto.seal import Seal
from authwright.protocol.errors import (
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from authwright.protocol.params import Params
from authwright.provider.authorization_request import ValidatedAuthorizationRequest
from authwright.provider.browser_binding import ForgedRequest
from authwright.records import Consent, Session

MAX_TRAVELLING = 5600
"""Bytes of a new interaction: sealed, and with all its marks set, it still fits a form field of 8192."""


class Interaction(msgspec.Struct, frozen=True, array_like=True):
    """An authorization request under way in one browser. The three marks hold the digest of a session, or nothing."""

    id: str
    started_at: datetime
    parameters: tuple[tuple[str, str], ...]
    signed_in: str = ""
    """The session that was begun in this interaction: `prompt=login` and `max_age` are met by it."""
    chosen: str = ""
    """The session the person chose to go on with."""
    consented: str = ""
    """The session in which the person was asked and agreed: `prompt=consent` is met by it."""

    @property
    def params(self) -> Params:
        """The parameters of the authorization request, as they were sent."""
        return Params.of(self.parameters)

    def __repr__(self) -> str:
        # The parameters hold state and hints.
        return f"Interaction(id={self.id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedLogin:
    """Nobody is signed in, or not freshly, not well enough, or not as who was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedAccountChoice:
    """Somebody is signed in, and is to say whether as the right one."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedConsent:
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Nothing is missing."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """It cannot succeed; the client is told so."""

    error: OAuthError


NextStep: TypeAlias = NeedLogin | NeedAccountChoice | NeedConsent | Issue | Refuse


def next_step(
    request: ValidatedAuthorizationRequest,
    session: Session | None,
    consent: Consent | None,
    now: datetime,
    interaction: Interaction | None = None,
) -> NextStep:
    """What comes next for `request`, given the live `session`, the remembered `consent` and what was done so far."""
    silent = "none" in request.asked.prompt
    freshly = session is not None and interaction is not None and interaction.signed_in == session.digest

    # 1. Can it ever succeed? (OpenID Connect Core §5.5.1.1: an essential acr must be met.)
    if request.essential_acr and not set(request.essential_acr) & set(request.acr_supported):
        return Refuse(error=_unmet())

    # 2. Somebody must be signed in, and as recently as was asked for.
    if session is None or (not freshly and _is_stale(request, session, now)):
        if silent:
            return Refuse(error=LoginRequired("The user must sign in.", detail="authz.login_required"))
        return NeedLogin()

    # 3. It must be the account the person means.
    if "select_account" in request.asked.prompt and not freshly:
        chosen = interaction is not None and interaction.chosen == session.digest
        if not chosen:
            return NeedAccountChoice(session=session)

    # 4. It must be the user the client means (Core §3.1.2.1: anyone else is an error, not a surprise).
    if request.subject is not None and request.subject != session.subject:
        return Refuse(error=LoginRequired("Another user is signed in.", detail="authz.hint_mismatch"))

    # 5. The sign-in must have been as strong as is essential.
    if request.essential_acr and session.acr not in request.essential_acr:
        if freshly:
            return Refuse(error=_unmet())
        if silent:
            return Refuse(error=LoginRequired("A stronger sign-in is needed.", detail="authz.stepup"))
        return NeedLogin()

    # 6. The person must have agreed.
    if _must_ask(request, session, consent, interaction):
        if silent:
            return Refuse(error=ConsentRequired("The user must consent.", detail="authz.consent_required"))
        return NeedConsent(session=session)
    return Issue(session=session)


def _is_stale(request: ValidatedAuthorizationRequest, session: Session, now: datetime) -> bool:
    max_age = request.asked.max_age
    # Core §3.1.2.1: max_age=0 means what prompt=login means.
    if "login" in request.asked.prompt or max_age == 0:
        return True
    return max_age is not None and now - session.auth_time > timedelta(seconds=max_age)


def _must_ask(
    request: ValidatedAuthorizationRequest,
    session: Session,
    consent: Consent | None,
    interaction: Interaction | None,
) -> bool:
    asked_anew = "consent" in request.asked.prompt
    if asked_anew and (interaction is None or interaction.consented != session.digest):
        return True
    if not request.client.require_consent:
        return False
    # Core §11 with consent remembered: offline_access is a scope like the others once the user has agreed to it.
    return consent is None or not consent.scopes.issuperset(request.scopes)


def _unmet() -> UnmetAuthenticationRequirements:
    return UnmetAuthenticationRequirements("The requested acr cannot be met.", detail="authz.stepup")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Interaction)


class Interactions:
    """Begins interactions, and seals them to the browser they began in."""

    __slots__ = ("_lifetime", "_seal")

    def __init__(self, seal: Seal, lifetime: timedelta) -> None:
        self._seal = seal
        self._lifetime = lifetime

    def begin(self, params: Params, now: datetime) -> Interaction:
        """A new interaction about the request with these parameters. Raises InvalidRequest when they are too large."""
        interaction = Interaction(random_id(), now, params.pairs())
        if len(_encoder.encode(interaction)) > MAX_TRAVELLING:
            raise InvalidRequest("The request is too large.", detail="dos.limit")
        return interaction

    def seal(self, interaction: Interaction, browser: str) -> str:
        """Text for a form field or a link, which opens in the browser with that binding only."""
        return self._seal.seal(_encoder.encode(interaction), context=browser)

    def open(self, sealed: str | None, browser: str | None) -> Interaction:
        """The interaction, live or expired. Raises ForgedRequest when it was not sealed for this browser."""
        data = (
            self._seal.open(sealed, context=browser) if sealed is not None and browser is not None else None
        )
        if data is None:
            raise ForgedRequest(
                "This page belongs to another browser, or the browser does not keep cookies. "
                "Go back to the application and start again.",
                detail="csrf.browser",
            )
        return _decoder.decode(data)

    def expired(self, interaction: Interaction, now: datetime) -> bool:
        """Whether it has been under way for too long; then it starts over."""
        return self.ends_at(interaction) < now

    def ends_at(self, interaction: Interaction) -> datetime:
        return interaction.started_at + self._lifetime
