"""The JWT bearer grant (RFC 7523 §2.1): statements of trusted issuers and of the client itself, each good once."""

import asyncio
import json
from typing import Any

import jwt
import pytest

from authwright.protocol.http import HttpResponse
from authwright.provider.audit import TokenRefused
from authwright.provider.events import ProviderEvents
from authwright.provider.settings import TrustedIssuer
from authwright.registrations import client
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.client_authentication.assertions import (
    ASSERTION_TYPE,
    EC_KEY,
    JWKS,
    OTHER_EC_KEY,
    RSA_KEY,
    Remote,
    assertion,
    ec_jwk,
    outcome,
    post,
)
from tests.provider.installation import API, CLIENTS, ISSUER, SECRET, Installation, install

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
IDP = "https://idp.example"
IDP_JWKS = "https://idp.example/jwks"
HERE = "https://audience.example"
REFUSED = (400, "invalid_grant")

ALL = (
    *CLIENTS,
    client(
        "bearer",
        SECRET,
        grant_types=[JWT_BEARER, "refresh_token"],
        scope="openid profile offline_access read",
    ),
    client("own", jwks=JWKS, grant_types=[JWT_BEARER], scope="openid read"),
)
# The rules of fapi2 about assertions are there, the profile is not yet whole: only in a store can there be such a client.
OWN_FAPI = client("own-fapi", jwks=JWKS, profile="fapi2", grant_types=[JWT_BEARER], scope="read").client


async def provider(stores: Stores, clock: FrozenClock, remote: Remote, **options: Any) -> Installation:
    options.setdefault("trusted_issuers", [TrustedIssuer(issuer=IDP, jwks_uri=IDP_JWKS, audience=HERE)])
    await stores.clients.put(OWN_FAPI)
    return await install(stores, clock, clients=ALL, fetch=remote.fetch, **options)


@pytest.fixture
def remote() -> Remote:
    remote = Remote()
    remote.publish({"keys": [ec_jwk(OTHER_EC_KEY, "idp-1")]}, IDP_JWKS)
    return remote


@pytest.fixture
async def op(clock: FrozenClock, remote: Remote) -> Installation:
    return await provider(memory_stores(clock), clock, remote)


def statement(op: Installation, *, key: Any = OTHER_EC_KEY, **changes: Any) -> str:
    """What the identity provider says of alice."""
    changes.setdefault("headers", {"kid": "idp-1"})
    return assertion(op, IDP, key=key, **{"sub": "u-alice", "aud": HERE, **changes})


def own(op: Installation, client_id: str = "own", **changes: Any) -> str:
    """What the client says of alice."""
    return assertion(op, client_id, **{"sub": "u-alice", **changes})


async def ask(op: Installation, signed: str, client_id: str = "bearer", **params: str) -> HttpResponse:
    return await op.post("/token", client_id=client_id, grant_type=JWT_BEARER, assertion=signed, **params)


async def ask_own(op: Installation, signed: str, client_id: str = "own", **params: str) -> HttpResponse:
    return await post(
        op,
        grant_type=JWT_BEARER,
        assertion=signed,
        client_assertion_type=ASSERTION_TYPE,
        client_assertion=assertion(op, client_id),
        **params,
    )


def reason(op: Installation) -> str:
    return [event for event in op.audit if isinstance(event, TokenRefused)][-1].reason


async def test_a_statement_of_a_trusted_issuer_gives_tokens_for_its_user(op: Installation) -> None:
    """RFC 7523 §2.1: the tokens are the user's, the client's, and what the scopes call for."""
    members = (await ask(op, statement(op), scope="openid offline_access read")).json()
    assert set(members) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    seen = (await op.post("/introspect", client_id="bearer", token=members["access_token"])).json()
    assert (seen["sub"], seen["client_id"]) == ("u-alice", "bearer")
    # Nobody signed in here.
    assert "auth_time" not in seen
    claims = jwt.decode(members["id_token"], options={"verify_signature": False})
    assert claims["sub"] == "u-alice"
    assert "auth_time" not in claims
    refreshed = await op.refresh(members["refresh_token"], client_id="bearer")
    assert refreshed.status == 200


async def test_scopes_stay_within_the_clients(op: Installation) -> None:
    """RFC 6749 §3.3; without `scope` all but what must be asked for; RFC 8707 §2 for resources."""
    assert (await ask(op, statement(op))).json()["scope"] == "profile read"
    assert outcome(await ask(op, statement(op), scope="write")) == (400, "invalid_scope")
    assert outcome(await ask(op, statement(op), resource="https://no.example")) == (400, "invalid_target")
    assert (await ask(op, statement(op), resource=API, scope="read")).status == 200


async def test_a_client_may_speak_for_a_user_with_its_own_keys(op: Installation) -> None:
    """The client's own keys; it authenticates with another assertion beside it."""
    assert (await ask_own(op, own(op))).json()["scope"] == "read"
    assert (await ask_own(op, own(op, aud=ISSUER + "/token"))).status == 200
    assert outcome(await ask_own(op, own(op, key=OTHER_EC_KEY))) == REFUSED
    assert outcome(await ask_own(op, own(op, aud=HERE))) == REFUSED


async def test_another_clients_statement_is_of_no_use(op: Installation) -> None:
    """A client speaks for itself only, and one without keys not at all."""
    assert outcome(await ask(op, own(op))) == REFUSED
    assert reason(op) == "assertion.issuer_unknown"
    assert outcome(await ask_own(op, own(op, "own-fapi"))) == REFUSED
    assert outcome(await ask(op, own(op, "bearer"))) == REFUSED


async def test_the_grant_is_for_clients_whose_grant_types_name_it(op: Installation) -> None:
    """RFC 6749 §5.2: unauthorized_client; and without authentication nothing is looked at."""
    assert outcome(await ask(op, statement(op), "web")) == (400, "unauthorized_client")
    assert outcome(await ask(op, statement(op), "bearer", secret="wrong")) == (401, "invalid_client")


async def test_a_statement_counts_once(op: Installation) -> None:
    """RFC 7523 §3, jti: a replay is invalid_grant, to the end of its life and for every client."""
    signed = statement(op, exp=int(op.clock().timestamp()) + 120)
    assert (await ask(op, signed)).status == 200
    for _ in range(19):
        assert outcome(await ask(op, signed)) == REFUSED
        op.clock.advance(10)


async def test_a_refused_request_does_not_use_up_its_statement(op: Installation) -> None:
    """The id is claimed after every other check."""
    signed = statement(op)
    assert outcome(await ask(op, signed, scope="write")) == (400, "invalid_scope")
    assert (await ask(op, signed)).status == 200
    assert outcome(await ask(op, signed)) == REFUSED
    assert reason(op) == "assertion.replay"


async def test_of_32_requests_with_one_statement_one_is_answered(
    each_store: Stores, clock: FrozenClock, remote: Remote
) -> None:
    """In parallel and on each store: one gets tokens, the others invalid_grant."""
    op = await provider(each_store, clock, remote)
    signed = statement(op)
    answers = await asyncio.gather(*(ask(op, signed) for _ in range(32)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 31


async def test_an_event_cannot_make_a_statement_count_twice(clock: FrozenClock, remote: Remote) -> None:
    """An event that replaces the ticket describes what is granted; what is used up for it stays decided."""

    async def replace(request: Any, ticket: Ticket) -> Ticket:
        return Ticket(grant_id="g", client_id="bearer", subject="u-alice", scopes=("read",))

    op = await provider(memory_stores(clock), clock, remote, events=ProviderEvents(token_endpoint=replace))
    signed = statement(op)
    assert (await ask(op, signed)).json()["scope"] == "read"
    assert outcome(await ask(op, signed)) == REFUSED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"sub": "u-nobody"}, id="sub-unknown"),
        pytest.param({"sub": None}, id="sub-missing"),
        pytest.param({"sub": "bearer"}, id="sub-a-client"),
        pytest.param({"iss": "https://idp.example/"}, id="iss-slash"),
        pytest.param({"iss": "https://other.example"}, id="iss-other"),
        pytest.param({"iss": None}, id="iss-missing"),
        pytest.param({"aud": ISSUER}, id="aud-not-the-configured-one"),
        pytest.param({"aud": [HERE, "https://other.example"]}, id="aud-list-with-another"),
        pytest.param({"aud": None}, id="aud-missing"),
        pytest.param({"exp": None}, id="exp-missing"),
        pytest.param({"exp": 1}, id="exp-past"),
        pytest.param({"exp": 1767268800 + 3601}, id="exp-far"),
        pytest.param({"nbf": 1767268800 + 61}, id="nbf-ahead"),
        pytest.param({"jti": None}, id="jti-missing"),
        pytest.param({"key": EC_KEY}, id="another-key"),
        pytest.param({"headers": {"kid": "idp-1", "typ": "at+jwt"}}, id="an-access-token"),
        pytest.param({"headers": {"kid": "idp-1", "crit": ["exp"]}}, id="crit"),
    ],
)
async def test_a_statement_that_is_not_right_is_invalid_grant(
    op: Installation, changes: dict[str, Any]
) -> None:
    """RFC 7521 §4.1.1: one code and one text for every cause; the log knows which."""
    assert op.clock().timestamp() == 1767268800
    answer = await ask(op, statement(op, **changes))
    assert outcome(answer) == REFUSED
    assert answer.json()["error_description"] == "The specified assertion is invalid."
    assert reason(op).startswith("assertion.")


@pytest.mark.parametrize("signed", ["x", "a.b.c", "..", "a." * 3000, "é.é.é"])
async def test_what_is_no_jwt_is_invalid_grant(op: Installation, signed: str) -> None:
    """Never a 5xx; an absent assertion is invalid_request."""
    assert outcome(await ask(op, signed)) == REFUSED
    assert outcome(await ask(op, "")) == (400, "invalid_request")


async def test_sec_J1_J2_unsigned_and_hmac_statements_are_refused(op: Installation) -> None:
    """J1: alg none; J2: HS256 with the public key, or with the client's secret."""
    payload = statement(op).split(".")[1]
    for header, key in (({"alg": "none"}, None), ({"alg": "HS256", "kid": "idp-1"}, SECRET)):
        opening = jwt.utils.base64url_encode(json.dumps(header).encode()) + b"." + payload.encode()
        signature = jwt.get_algorithm_by_name("HS256").sign(opening, key.encode()) if key else b""
        forged = opening + b"." + jwt.utils.base64url_encode(signature)
        assert outcome(await ask(op, forged.decode())) == REFUSED


async def test_fapi2_takes_neither_RS256_nor_a_list(op: Installation) -> None:
    """The client's profile decides over its own statements."""
    assert (await ask_own(op, own(op, "own-fapi"), "own-fapi")).status == 200
    assert outcome(await ask_own(op, own(op, "own-fapi", aud=[ISSUER]), "own-fapi")) == REFUSED
    rsa = own(op, "own-fapi", key=RSA_KEY, alg="RS256")
    assert outcome(await ask_own(op, rsa, "own-fapi")) == REFUSED


async def test_a_statement_is_no_client_assertion_and_the_other_way_round(op: Installation) -> None:
    """J6: signed by the same key, they differ in their subject."""
    authentication = await post(
        op,
        grant_type=JWT_BEARER,
        assertion=own(op),
        client_id="own",
        client_assertion_type=ASSERTION_TYPE,
        client_assertion=own(op),
    )
    assert outcome(authentication) == (401, "invalid_client")
    assert outcome(await ask_own(op, assertion(op, "own"))) == REFUSED


@pytest.mark.parametrize("answer", [OSError("refused"), HttpResponse(500), HttpResponse(200, body=b"{}")])
async def test_keys_that_cannot_be_had_are_no_fault_of_the_statement(
    op: Installation, remote: Remote, answer: HttpResponse | OSError
) -> None:
    """Outbound faults are 503 with Retry-After, never invalid_grant; the statement is still good then."""
    signed = statement(op)
    remote.answers[IDP_JWKS] = answer
    assert outcome(await ask(op, signed)) == (503, "temporarily_unavailable")
    op.clock.advance(5)
    remote.publish({"keys": [ec_jwk(OTHER_EC_KEY, "idp-1")]}, IDP_JWKS)
    assert (await ask(op, signed)).status == 200


async def test_sec_G5_made_up_key_ids_bring_one_fetch_a_minute(op: Installation, remote: Remote) -> None:
    """G5: unknown-kid flood against a jwks_uri."""
    assert (await ask(op, statement(op))).status == 200
    for number in range(5):
        assert outcome(await ask(op, statement(op, headers={"kid": f"made-up-{number}"}))) == REFUSED
    assert len(remote.asked) == 2


async def test_discovery_lists_the_grant_only_when_somebody_is_believed(
    op: Installation, clock: FrozenClock
) -> None:
    """Listed only when configured: [[trusted_issuers]] or a client with keys."""
    keyed = await install(memory_stores(clock), clock, clients=(ALL[-1],))
    plain = await install(memory_stores(clock), clock)
    for installation, listed in ((op, True), (keyed, True), (plain, False)):
        document = (await installation.get("/.well-known/openid-configuration")).json()
        assert (JWT_BEARER in document["grant_types_supported"]) is listed
