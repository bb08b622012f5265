"""What comes next: a table of every decision the pure function makes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authwright.protocol.authorization import AuthorizationRequest
from authwright.provider.authorization_request import RedirectTarget, ValidatedAuthorizationRequest
from authwright.provider.interaction import (
    Interaction,
    Issue,
    NeedAccountChoice,
    NeedConsent,
    NeedLogin,
    Refuse,
    next_step,
)
from authwright.records import Client, Consent, Session

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACR = "urn:authwright:acr:password"
SESSION = Session(
    digest="s1",
    session_id="sid-1",
    subject="alice",
    auth_time=NOW - timedelta(seconds=100),
    created_at=NOW - timedelta(seconds=100),
    expires_at=NOW + timedelta(hours=1),
    acr=ACR,
)
FIRST_PARTY = Client(client_id="own", require_consent=False)
THIRD_PARTY = Client(client_id="web")


def request(
    *prompt: str,
    client: Client = FIRST_PARTY,
    max_age: int | None = None,
    scopes: tuple[str, ...] = ("openid",),
    subject: str | None = None,
    essential_acr: tuple[str, ...] = (),
) -> ValidatedAuthorizationRequest:
    return ValidatedAuthorizationRequest(
        target=RedirectTarget(
            client=client, redirect_uri="https://app.example/cb", response_mode="query", state=None
        ),
        asked=AuthorizationRequest(client_id=client.client_id, prompt=prompt, max_age=max_age),
        scopes=scopes,
        resources=(),
        code_challenge=None,
        subject=subject,
        essential_acr=essential_acr,
        acr_supported=(ACR, "gold"),
    )


def consent(*scopes: str) -> Consent:
    return Consent(subject="alice", client_id="web", scopes=frozenset(scopes), granted_at=NOW)


def came_back(**marks: str) -> Interaction:
    return Interaction("i1", NOW, (), **marks)


ROWS: list[tuple[str, ValidatedAuthorizationRequest, dict[str, Any], object]] = [
    ("nobody is signed in", request(), {"session": None}, NeedLogin),
    ("nobody, silently", request("none"), {"session": None}, "login_required"),
    ("first party, signed in", request(), {}, Issue),
    ("first party, silently", request("none"), {}, Issue),
    ("prompt=login", request("login"), {}, NeedLogin),
    ("prompt=login, done here", request("login"), {"interaction": came_back(signed_in="s1")}, Issue),
    (
        "prompt=login, done in another session",
        request("login"),
        {"interaction": came_back(signed_in="s0")},
        NeedLogin,
    ),
    ("max_age met", request(max_age=100), {}, Issue),
    ("max_age passed", request(max_age=99), {}, NeedLogin),
    ("max_age passed, silently", request("none", max_age=99), {}, "login_required"),
    (
        "max_age passed, signed in here",
        request(max_age=99),
        {"interaction": came_back(signed_in="s1")},
        Issue,
    ),
    ("max_age=0 is prompt=login", request(max_age=0), {"session": "just now"}, NeedLogin),
    ("select_account", request("select_account"), {}, NeedAccountChoice),
    ("select_account, chosen", request("select_account"), {"interaction": came_back(chosen="s1")}, Issue),
    (
        "select_account, signed in instead",
        request("select_account"),
        {"interaction": came_back(signed_in="s1")},
        Issue,
    ),
    ("the hinted user", request(subject="alice"), {}, Issue),
    ("another user than hinted", request(subject="bob"), {}, "login_required"),
    ("a hint, and nobody signed in", request(subject="bob"), {"session": None}, NeedLogin),
    ("essential acr met", request(essential_acr=(ACR,)), {}, Issue),
    (
        "essential acr nobody can meet",
        request(essential_acr=("platinum",)),
        {},
        "unmet_authentication_requirements",
    ),
    ("essential acr not met yet", request(essential_acr=("gold",)), {}, NeedLogin),
    ("essential acr not met, silently", request("none", essential_acr=("gold",)), {}, "login_required"),
    (
        "essential acr not met by a fresh sign-in",
        request(essential_acr=("gold",)),
        {"interaction": came_back(signed_in="s1")},
        "unmet_authentication_requirements",
    ),
    ("third party, never asked", request(client=THIRD_PARTY), {}, NeedConsent),
    ("third party, never asked, silently", request("none", client=THIRD_PARTY), {}, "consent_required"),
    ("consent remembered", request(client=THIRD_PARTY), {"consent": consent("openid", "email")}, Issue),
    (
        "a scope more than remembered",
        request(client=THIRD_PARTY, scopes=("openid", "email")),
        {"consent": consent("openid")},
        NeedConsent,
    ),
    ("no scope, never asked", request(client=THIRD_PARTY, scopes=()), {}, NeedConsent),
    ("prompt=consent", request("consent", client=THIRD_PARTY), {"consent": consent("openid")}, NeedConsent),
    (
        "prompt=consent, agreed here",
        request("consent", client=THIRD_PARTY),
        {"consent": consent("openid"), "interaction": came_back(consented="s1")},
        Issue,
    ),
    (
        "agreed here, and withdrawn since",
        request("consent", client=THIRD_PARTY),
        {"interaction": came_back(consented="s1")},
        NeedConsent,
    ),
    ("first party, prompt=consent", request("consent"), {}, NeedConsent),
    (
        "offline_access once agreed to needs no prompt=consent",
        request(client=THIRD_PARTY, scopes=("openid", "offline_access")),
        {"consent": consent("openid", "offline_access")},
        Issue,
    ),
]


@pytest.mark.parametrize(
    ("asked", "known", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_comes_next(
    asked: ValidatedAuthorizationRequest, known: dict[str, Any], expected: object
) -> None:
    """Each row: the request, what is known, and the step; a text is the code of a refusal."""
    session: Session | None = known.get("session", SESSION)
    if known.get("session") == "just now":
        session = Session(
            digest="s1", session_id="x", subject="alice", auth_time=NOW, created_at=NOW, expires_at=NOW
        )
    step = next_step(asked, session, known.get("consent"), NOW, known.get("interaction"))
    if isinstance(expected, str):
        assert isinstance(step, Refuse)
        assert step.error.code == expected
    else:
        assert type(step) is expected
