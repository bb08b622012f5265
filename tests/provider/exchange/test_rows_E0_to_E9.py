"""Token exchange (RFC 8693), rows E0 to E9: who asks for what, and with which subject token."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from authwright.protocol.errors import Refused
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.protocol.http import HttpResponse
from authwright.protocol.params import encode
from authwright.provider.events import ProviderEvents
from authwright.provider.exchanged import ExchangePolicy
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.subject_tokens import SubjectTokenRejected, ValidatedToken
from authwright.records import Client
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Confirmation, Ticket
from tests.provider.exchange.exchanging import (
    access_token,
    allowing,
    claims_of,
    exchange,
    exchange_with,
    exchanging,
    introspected,
    minted_for,
    own_token,
    refusal,
    sign_in,
    tokens_of,
)
from tests.provider.installation import API, CALLBACK, ISSUER, VERIFIER, Installation
from tests.provider.sender_constrained.peers import Prover, certificate, thumbprint_of

SAML = "urn:ietf:params:oauth:token-type:saml2"


async def public(op: Installation, grant_type: str, **params: str) -> HttpResponse:
    """A token request of the public client."""
    form = {"grant_type": grant_type, "client_id": "spa", **params}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await op.post_raw("/token", encode(form.items()).encode(), headers)


async def test_tx_E0_the_framework_answers_before_the_grant(op: Installation) -> None:
    """E0: rows 1 to 14 of the token endpoint: authentication, the client's grants, parameters named twice."""
    token = await access_token(op)
    assert (await op.post("/token", secret="wrong", grant_type=TOKEN_EXCHANGE)).status == 401
    assert refusal(op, await exchange(op, token, "plain"))[:2] == (400, "unauthorized_client")
    assert refusal(op, await exchange(op, token, subject_token=[token, token]))[:2] == (
        400,
        "invalid_request",
    )
    query = await op.post("/token", query=f"subject_token={token}", grant_type=TOKEN_EXCHANGE)
    assert refusal(op, query)[:2] == (400, "invalid_request")


async def test_tx_E0_audience_and_resource_may_come_more_than_once(op: Installation) -> None:
    """E0: RFC 8693 §2.1 lets these two be repeated."""
    token = await access_token(op)
    answer = await exchange(op, token, audience=[API, API], resource=[API, API])
    assert (answer.status, claims_of(answer.json()["access_token"])["aud"]) == (200, API)


async def test_tx_E0_validate_token_request_comes_before_the_grants_own_checks(clock: FrozenClock) -> None:
    """E0: the event sees the request first, and refuses with its own default."""

    async def validate(request: AuthenticatedTokenRequest[Any], found: object) -> None:
        assert found is None
        raise Refused(description="not today")

    op = await exchanging(memory_stores(clock), clock, events=ProviderEvents(validate_token_request=validate))
    answer = await exchange(op, None, subject_token_type=None)
    assert (answer.json()["error"], answer.json()["error_description"]) == ("invalid_request", "not today")


async def test_tx_E1_a_public_client_may_not_exchange(op: Installation) -> None:
    """E1: confidential clients only; its own token changes nothing."""
    answer = await public(op, TOKEN_EXCHANGE, subject_token="x", subject_token_type=ACCESS_TOKEN)
    assert refusal(op, answer) == (400, "unauthorized_client", "exchange.public_client")


async def test_tx_E1_unless_public_exchange_is_allowed(clock: FrozenClock) -> None:
    """E1: `allow_public_exchange`."""
    op = await exchanging(memory_stores(clock), clock, policy={"allow_public_exchange": True})
    code = await op.code("spa")
    signed_in = await public(
        op, "authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
    )
    token = signed_in.json()["access_token"]
    answer = await public(op, TOKEN_EXCHANGE, subject_token=token, subject_token_type=ACCESS_TOKEN)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject_token": None}, "subject_token is required"),
        ({"subject_token_type": None}, "subject_token_type is required"),
        (
            {"subject_token": None, "subject_token_type": None},
            "subject_token is required | subject_token_type is required",
        ),
        ({"actor_token": "x"}, "actor_token_type is required with actor_token"),
        ({"actor_token_type": ACCESS_TOKEN}, "actor_token_type must not be sent without actor_token"),
        (
            {"subject_token": None, "actor_token": "x", "access_token_lifetime": "0"},
            "subject_token is required | actor_token_type is required with actor_token"
            " | access_token_lifetime is out of range",
        ),
    ],
)
async def test_tx_E2_all_that_is_missing_is_named_in_one_answer(
    op: Installation, changes: dict[str, Any], said: str
) -> None:
    """E2, §2 rows 4 to 6: collected and joined; the error is a code and the words are in error_description."""
    answer = await exchange(op, await access_token(op), **changes)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.parameters")
    assert answer.json()["error_description"] == said


@pytest.mark.parametrize("lifetime", ["0", "-1", "601", "ten", "1.5", "9" * 12, "٣", "0x10", " 5"])
async def test_tx_E2_a_lifetime_that_is_none_is_refused(op: Installation, lifetime: str) -> None:
    """E2, §2 row 3: a whole number from 1 to what the client's tokens live."""
    answer = await exchange(op, await access_token(op), access_token_lifetime=lifetime)
    assert answer.json()["error_description"] == "access_token_lifetime is out of range"
    assert refusal(op, answer)[:2] == (400, "invalid_request")


async def test_tx_row_3_a_lifetime_shortens_the_token(op: Installation) -> None:
    """§2 row 3: 1 to the client's lifetime is used."""
    answer = await exchange(op, await access_token(op), access_token_lifetime="60")
    assert answer.json()["expires_in"] == 60
    assert (await exchange(op, await access_token(op), access_token_lifetime="600")).json()[
        "expires_in"
    ] == 600


async def test_tx_bug_6_a_lifetime_that_is_no_number_is_not_ignored(op: Installation) -> None:
    """Defect 6: the reference takes the default instead."""
    answer = await exchange(op, await access_token(op), access_token_lifetime="soon")
    assert refusal(op, answer)[:2] == (400, "invalid_request")


async def test_tx_E3_what_is_asked_for_must_be_something_we_issue(op: Installation) -> None:
    """E3, T14: requested_token_type unknown."""
    token = await access_token(op)
    for asked in (SAML, JWT, "x"):
        answer = await exchange(op, token, requested_token_type=asked)
        assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_unknown")


async def test_tx_E3_and_allowed_for_the_client(op: Installation) -> None:
    """E3: no refresh token for a client without the grant, no ID token for one without openid."""
    token = await access_token(op)
    answer = await exchange(op, token, "gateway", requested_token_type=REFRESH_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.requested_type_not_allowed")


async def test_tx_E4_an_unknown_target_is_refused(op: Installation) -> None:
    """E4: invalid_target for a resource or an audience nobody registered."""
    token = await access_token(op)
    for params, reason in (
        ({"resource": "https://no.example"}, "exchange.resource_unknown"),
        ({"resource": API + "#x"}, "exchange.resource_unknown"),
        ({"resource": "api"}, "exchange.resource_unknown"),
        ({"audience": "nobody"}, "exchange.audience_unknown"),
        ({"audience": [API, "nobody"]}, "exchange.audience_unknown"),
    ):
        assert refusal(op, await exchange(op, token, **params)) == (400, "invalid_target", reason)


async def test_tx_E5_the_type_must_be_known_and_allowed(op: Installation) -> None:
    """E5: a validator for the type, and the type in the client's allow-list."""
    token = await access_token(op)
    answer = await exchange(op, token, subject_token_type=SAML)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_type_unknown")
    answer = await exchange(op, token, "gateway", subject_token_type=ID_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_type_not_allowed")


@pytest.mark.parametrize("client_id", ["web", "opaque"])
async def test_tx_E6_our_access_tokens_of_either_format(op: Installation, client_id: str) -> None:
    """E6: a JWT and an opaque one, by their records."""
    token = await access_token(op, client_id)
    assert ("." in token) is (client_id == "web")
    answer = await exchange(op, token, client_id, scope="read")
    assert answer.status == 200, answer.body
    assert (answer.json()["scope"], answer.json()["token_type"]) == ("read", "Bearer")
    seen = await introspected(op, answer.json()["access_token"], client_id)
    assert (seen["sub"], seen["client_id"], seen["iss"]) == ("u-alice", client_id, ISSUER)


async def test_tx_E6_our_refresh_tokens_and_they_are_not_spent(op: Installation) -> None:
    """E6: exchange does not change the validity of its inputs (RFC 8693 §1)."""
    tokens = await tokens_of(op)
    answer = await exchange(op, tokens["refresh_token"], subject_token_type=REFRESH_TOKEN, scope="read")
    assert answer.status == 200, answer.body
    assert (await op.refresh(tokens["refresh_token"])).status == 200


async def test_tx_E6_our_id_tokens(op: Installation) -> None:
    """E6: signature, issuer, time and session; scopes must be named, since an ID token has none."""
    tokens = await tokens_of(op)
    params = {"subject_token_type": ID_TOKEN}
    answer = await exchange(op, tokens["id_token"], scope="read", **params)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_signed_out")
    await sign_in(op)
    assert (await exchange(op, tokens["id_token"], scope="read", **params)).json()["scope"] == "read"
    answer = await exchange(op, tokens["id_token"], **params)
    assert refusal(op, answer) == (400, "invalid_scope", "exchange.scope_missing")
    op.clock.advance(timedelta(minutes=10))
    answer = await exchange(op, tokens["id_token"], scope="read", **params)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_exp")


class Badges:
    """A token type of the application's own."""

    token_type = "urn:example:badge"

    async def validate(self, request: AuthenticatedTokenRequest[Any], token: str) -> ValidatedToken:
        if token != "badge-7":
            raise SubjectTokenRejected("no_badge")
        return ValidatedToken(
            issuer="urn:example:gate", subject="alice", expires_at=request.now + timedelta(seconds=90)
        )


async def test_tx_E6_a_type_of_the_applications_own(clock: FrozenClock) -> None:
    """E6, E7: a validator, and a mapper that knows who the subject is here."""

    async def mapped(token: ValidatedToken) -> str | None:
        return f"u-{token.subject}" if token.issuer == "urn:example:gate" else None

    badge = Badges()
    op = await exchanging(
        memory_stores(clock),
        clock,
        clients=allowing(badge.token_type),
        policy={"validators": (badge,), "subject_mapper": mapped},
    )
    answer = await exchange(op, "badge-7", subject_token_type=badge.token_type, scope="read")
    assert (answer.status, answer.json()["expires_in"]) == (200, 90)
    assert claims_of(answer.json()["access_token"])["sub"] == "u-alice"
    answer = await exchange(op, "badge-8", subject_token_type=badge.token_type, scope="read")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_no_badge")


async def test_tx_E6_a_registered_type_cannot_be_taken_over() -> None:
    """RFC 8693 §3: `urn:ietf:params:oauth:token-type:` names are not an application's to redefine."""

    class Mine(Badges):
        token_type = ACCESS_TOKEN

    with pytest.raises(ValueError, match="not a token type of your own"):
        ExchangePolicy(validators=(Mine(),))
    with pytest.raises(ValueError, match="two validators"):
        ExchangePolicy(validators=(Badges(), Badges()))


async def test_tx_E7_the_user_and_the_tokens_client_must_be_there(op: Installation) -> None:
    """E7, T14, §2 row 9: a disabled user's token, and a token of a client that is gone, are refused."""
    token = await access_token(op)
    account = await op.stores.accounts.get("u-alice")
    assert account is not None
    await op.stores.accounts.put(msgspec.structs.replace(account, enabled=False))
    # A change is seen within two seconds.
    op.clock.advance(timedelta(seconds=3))
    assert refusal(op, await exchange(op, token)) == (400, "invalid_request", "exchange.subject_user_gone")
    await op.stores.accounts.put(account)
    op.clock.advance(timedelta(seconds=3))
    assert (await exchange(op, token)).status == 200
    ticket = Ticket(grant_id="g", client_id="vanished", subject="u-alice", scopes=("read",), resources=(API,))
    orphan = await minted_for(op, ticket, Client(client_id="vanished"))
    assert refusal(op, await exchange(op, orphan)) == (400, "invalid_request", "exchange.subject_client_gone")


async def test_tx_E8_another_clients_token_is_refused(op: Installation) -> None:
    """E8, T14, defect 11: issued to the requester, addressed to it, or of a client it may exchange from."""
    token = await access_token(op, "web")
    answer = await exchange(op, token, "other")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_token")
    # It cannot be told from a token that is none.
    assert answer.json() == (await exchange(op, token[:-2], "other")).json()


async def test_tx_E8_a_client_named_for_the_tokens_resource_may_exchange_it(op: Installation) -> None:
    """E8: addressed to the requester, as the client that introspects for the resource."""
    token = await access_token(op, "web", resources=(API,))
    answer = await exchange(op, token, "api", scope="read")
    assert answer.status == 200, answer.body
    seen = await introspected(op, answer.json()["access_token"], "api")
    assert (seen["sub"], seen["client_id"]) == ("u-alice", "api")
    elsewhere = await access_token(op, "web", resources=("https://else.example",))
    assert refusal(op, await exchange(op, elsewhere, "api"))[2] == "exchange.subject_other_clients_token"


async def test_tx_E8_exchange_from_names_clients(op: Installation) -> None:
    """E8: the client's `exchange_from`."""
    assert (await exchange(op, await access_token(op, "web"), "gateway", scope="read")).status == 200
    answer = await exchange(op, await access_token(op, "other"), "gateway", scope="read")
    assert refusal(op, answer)[2] == "exchange.subject_other_clients_token"


async def test_tx_E8_a_refresh_token_is_for_its_owner_only(clock: FrozenClock) -> None:
    """E8: whatever exchange_from says."""
    op = await exchanging(memory_stores(clock), clock, clients=allowing(REFRESH_TOKEN))
    tokens = await tokens_of(op, "web")
    answer = await exchange(op, tokens["refresh_token"], "gateway", subject_token_type=REFRESH_TOKEN)
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_other_clients_refresh_token")


async def test_tx_E8_another_clients_own_token_never_becomes_a_users(op: Installation) -> None:
    """E8, RFC 9700 §4.15: its `sub` is a client's id; in our client's token it would read as a user's."""
    own = await own_token(op, "web")
    assert (await exchange(op, own)).status == 200
    answer = await exchange(op, own, "gateway")
    assert refusal(op, answer) == (400, "invalid_request", "exchange.subject_client_subject")


async def test_tx_E9_a_bound_token_needs_its_key(op: Installation, clock: FrozenClock) -> None:
    """E9, T14 "cnf lost": DPoP: the same key now, and the new token is bound to it."""
    prover, thief = Prover(clock), Prover(clock)
    token = await access_token(op, confirmation=Confirmation(jkt=prover.jkt))
    assert refusal(op, await exchange(op, token)) == (400, "invalid_dpop_proof", "exchange.proof_missing")
    url = ISSUER + "/token"
    answer = await exchange_with(op, {"subject_token": token}, {"dpop": thief.proof("POST", url)})
    assert refusal(op, answer) == (400, "invalid_request", "exchange.other_key")
    answer = await exchange_with(
        op, {"subject_token": token, "scope": "read"}, {"dpop": prover.proof("POST", url)}
    )
    assert (answer.status, answer.json()["token_type"]) == (200, "DPoP")
    assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


async def test_tx_E9_a_certificate_bound_token_needs_its_certificate(
    op: Installation, clock: FrozenClock
) -> None:
    """E9: RFC 8705 §3; the client need not be registered for bound tokens of its own."""
    shown, another = certificate(clock), certificate(clock)
    thumbprint = thumbprint_of(shown)
    token = await access_token(op, confirmation=Confirmation(x5t_s256=thumbprint))
    for wrong in (None, another, b"no certificate"):
        answer = await exchange_with(op, {"subject_token": token}, {}, certificate=wrong)
        assert refusal(op, answer) == (400, "invalid_request", "exchange.other_certificate")
    answer = await exchange_with(op, {"subject_token": token, "scope": "read"}, {}, certificate=shown)
    assert claims_of(answer.json()["access_token"])["cnf"] == {"x5t#S256": thumbprint}


async def test_tx_E9_an_unbound_token_is_bound_to_the_requesters_key(
    op: Installation, clock: FrozenClock
) -> None:
    """E9: the new token is bound to the requester's proof."""
    prover = Prover(clock)
    answer = await exchange_with(
        op, {"subject_token": await access_token(op)}, {"dpop": prover.proof("POST", ISSUER + "/token")}
    )
    assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}
