"""Rows D1 to D13 of the token table: where the specifications demand something else than the reference did."""

import asyncio
import logging
from typing import Any

import pytest

from authwright.protocol.errors import Refused
from authwright.provider.audit import CodeReplayed, RefreshReplayed, TokenIssued, TokenRefused
from authwright.provider.events import ProviderEvents
from authwright.registrations import client
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.installation import CALLBACK, SECRET, VERIFIER, Installation
from tests.provider.token.rows import FORM, ask_for, provider, refused, with_event

WRONG_VERIFIER = "w" * 43


async def test_tok_D1_statuses_follow_the_code(clock: FrozenClock) -> None:
    """D1: invalid_client 401 with a challenge; server_error 500; temporarily_unavailable 503; every other 400."""
    for error, status in (
        ("invalid_client", 401),
        ("server_error", 500),
        ("temporarily_unavailable", 503),
        ("invalid_grant", 400),
        ("anything_else", 400),
    ):
        op = await with_event(clock, "token_endpoint", Refused(error))
        answer = await ask_for(op, "client_credentials")
        refused(answer, status, error)
        assert (answer.headers.get("www-authenticate") is not None) == (status == 401)


@pytest.mark.parametrize("name", ["grant_type", "scope", "username", "code", "made_up"])
async def test_tok_D2_a_repeated_parameter_is_invalid_request(op: Installation, name: str) -> None:
    """D2: never twice, grant_type least of all; resource and audience may be repeated."""
    params: dict[str, Any] = {"grant_type": "client_credentials", name: ["client_credentials", "x"]}
    refused(await op.post("/token", client_id="machine", **params), 400, "invalid_request")
    twice = ["https://api.example", "https://api.example"]
    assert (await ask_for(op, "client_credentials", resource=twice, audience=["a", "b"])).status == 200


async def test_tok_D3_an_unknown_and_a_foreign_code_are_told_alike(op: Installation) -> None:
    """D3: both invalid_grant on the wire; the reason is in the log and the audit alone."""
    refused(await op.redeem("ac_" + "A" * 47), 400, "invalid_grant")
    refused(await op.redeem(await op.code("other")), 400, "invalid_grant")
    reasons = [event.reason for event in op.audit if isinstance(event, TokenRefused)]
    assert reasons == ["code.unknown", "authorization_code.wrong_client"]


async def test_tok_D3_nothing_is_looked_up_before_the_client_is_believed(op: Installation) -> None:
    """D3: a wrong secret gets the same answer for a live, a spent and an unknown code."""
    live, spent = await op.code(), await op.code()
    await op.redeem(spent)
    answers = [await op.redeem(code, secret="wrong") for code in (live, spent, "unknown")]
    assert len({answer.body for answer in answers}) == 1
    assert {answer.status for answer in answers} == {401}


async def test_tok_D4_a_code_used_twice_revokes_what_it_gave(op_on_each_store: Installation) -> None:
    """D4: consumed by compare-and-set, and replay revokes everything issued from the grant."""
    op = op_on_each_store
    code = await op.code()
    first = (await op.redeem(code)).json()
    second = (await op.refresh(first["refresh_token"])).json()
    op.clock.advance(3600)
    refused(await op.redeem(code), 400, "invalid_grant", "The specified authorization code is invalid.")
    for token in (second["access_token"], second["refresh_token"]):
        assert not await op.is_active(token)
    assert any(isinstance(event, CodeReplayed) for event in op.audit)


async def test_tok_D5_nothing_but_a_success_burns_a_code(op_on_each_store: Installation) -> None:
    """D5: a wrong client, redirect, verifier, resource or secret leaves it as it was; two at once give one success."""
    op = op_on_each_store
    code = await op.code()
    await op.redeem(code, client_id="other")
    await op.redeem(code, redirect_uri="https://evil.example/")
    await op.redeem(code, code_verifier=WRONG_VERIFIER)
    await op.redeem(code, resource="https://unknown.example")
    await op.redeem(code, secret="wrong")
    answers = await asyncio.gather(op.redeem(code), op.redeem(code))
    assert sorted(answer.status for answer in answers) == [200, 400]


async def test_tok_D6_rotation_and_reuse(op_on_each_store: Installation) -> None:
    """D6: every refresh gives the next token, and the old one again revokes the family."""
    op = op_on_each_store
    first = (await op.redeem(await op.code())).json()
    second = (await op.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    refused(await op.refresh(first["refresh_token"]), 400, "invalid_grant")
    refused(await op.refresh(second["refresh_token"]), 400, "invalid_grant")
    assert any(isinstance(event, RefreshReplayed) for event in op.audit)


async def test_tok_D6_a_client_may_have_a_grace_window_or_no_rotation(clock: FrozenClock) -> None:
    """D6: policy per client."""
    scope = "openid profile offline_access read"
    registered = (
        client("web", SECRET, redirect_uris=[CALLBACK], scope=scope, refresh_grace=5),
        client("other", SECRET, redirect_uris=[CALLBACK], scope=scope, refresh_rotation=False),
    )
    op = await provider(clock, clients=registered)
    first = (await op.redeem(await op.code())).json()["refresh_token"]
    assert (await op.refresh(first)).json()["refresh_token"] == (await op.refresh(first)).json()[
        "refresh_token"
    ]
    kept = (await op.redeem(await op.code("other"), client_id="other")).json()["refresh_token"]
    assert "refresh_token" not in (await op.refresh(kept, client_id="other")).json()


async def test_tok_D7_asos_48_narrowing_is_for_this_access_token_only(op: Installation) -> None:
    """D7, RFC 6749 §6: the next refresh token has the scope of the old one."""
    first = (await op.redeem(await op.code())).json()
    narrow = (await op.refresh(first["refresh_token"], scope="profile")).json()
    assert narrow["scope"] == "profile"
    whole = (await op.refresh(narrow["refresh_token"])).json()
    assert whole["scope"] == "openid profile offline_access read"


async def test_tok_D8_scope_and_resource_have_errors_of_their_own(op: Installation) -> None:
    """D8: invalid_scope and invalid_target, not invalid_grant."""
    first = (await op.redeem(await op.code())).json()
    refused(await op.refresh(first["refresh_token"], scope="admin"), 400, "invalid_scope")
    refused(await op.refresh(first["refresh_token"], resource="https://x.example"), 400, "invalid_target")


async def test_tok_D9_a_refresh_is_looked_at_anew(clock: FrozenClock) -> None:
    """D9: the client must be the one, its user active, the grant not revoked, its scopes still registered."""
    op = await provider(clock)
    first, second = [(await op.redeem(await op.code())).json()["refresh_token"] for _ in range(2)]
    refused(await op.refresh(first, client_id="other"), 400, "invalid_grant")
    assert (await op.post("/revoke", token=first)).status == 200
    refused(await op.refresh(first), 400, "invalid_grant")
    less = (client("web", SECRET, redirect_uris=[CALLBACK], scope="openid offline_access"),)
    narrowed = await provider(clock, stores=op.stores, clients=less)
    refused(await narrowed.refresh(second), 400, "invalid_grant")
    await op.remove_user()
    refused(await op.refresh(second), 400, "invalid_grant")


async def test_tok_D10_an_event_sees_a_credential_and_not_two_texts(clock: FrozenClock) -> None:
    """D10: validate_client_authentication is given the parsed credential: its method, its client, its secret."""
    seen: list[Any] = []

    async def look(request: Any) -> None:
        seen.append((type(request.credentials).__name__, request.credentials.client_id))
        assert SECRET not in repr(request)

    op = await provider(clock, events=ProviderEvents(validate_client_authentication=look))
    await ask_for(op, "client_credentials")
    code = await op.code("spa")
    body = f"grant_type=authorization_code&client_id=spa&code={code}&code_verifier={VERIFIER}"
    assert (await op.post_raw("/token", body.encode(), FORM)).status == 200
    assert seen == [("OfferedSecret", "machine"), ("OfferedIdentifier", "spa")]


async def test_tok_D11_a_public_client_that_sends_a_secret_is_invalid_client(op: Installation) -> None:
    """D11: and secrets are digests at rest."""
    code = await op.code("spa")
    body = f"grant_type=authorization_code&client_id=spa&client_secret=x&code={code}&code_verifier={VERIFIER}"
    refused(await op.post_raw("/token", body.encode(), FORM), 401, "invalid_client")
    assert SECRET not in str([secret.digest for known in op.clients.values() for secret in known.secrets])


async def test_tok_D12_our_faults_say_nothing_of_themselves(clock: FrozenClock) -> None:
    """D12: an exception is 500 server_error, without a word of its text."""

    async def broken(request: Any, ticket: Ticket) -> Ticket:
        raise RuntimeError("the database password is hunter2")

    op = await provider(clock, events=ProviderEvents(token_endpoint=broken))
    answer = await ask_for(op, "client_credentials")
    refused(answer, 500, "server_error", "")
    assert b"hunter2" not in answer.body


async def test_tok_D13_no_secret_is_logged_and_events_are_recorded(
    op: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """D13: code, tokens, secret and verifier are in no log line; issued, refused and replayed are in the audit."""
    caplog.set_level(logging.DEBUG)
    code = await op.code()
    tokens = (await op.redeem(code)).json()
    await op.refresh(tokens["refresh_token"], scope="admin")
    await op.redeem(code)
    await op.redeem(code, secret="a-wrong-secret")
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert caplog.records
    for secret in (code, tokens["access_token"], tokens["refresh_token"], SECRET, "a-wrong-secret", VERIFIER):
        assert secret not in text
        assert secret not in repr(op.audit)
    kinds = [type(event) for event in op.audit]
    assert kinds == [TokenIssued, TokenRefused, CodeReplayed, TokenRefused, TokenRefused]
