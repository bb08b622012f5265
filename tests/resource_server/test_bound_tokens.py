"""The guard and tokens that are bound: to a DPoP key (RFC 9449 §7) or a certificate (RFC 8705 §3); rows D1 to D5 and D7."""

import asyncio
from typing import Any

import msgspec
import pytest

from authwright.crypto.dpop import sign_proof
from authwright.crypto.dpop_nonces import DpopNonces
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import build_proof
from authwright.protocol.http import Headers, HttpRequest, Json
from authwright.remote.dpop import DpopProofs
from authwright.resource_server.guard import ResourceServer
from authwright.resource_server.holder import DpopAcceptance
from authwright.stores.memory import MemoryOnce
from authwright.stores.protocols import OnceStore, Stores, StoreUnavailable
from authwright.testing.clock import FrozenClock
from tests.provider.conftest import each_store
from tests.provider.sender_constrained.peers import Prover, certificate, thumbprint_of
from tests.provider.sender_constrained.wrong_proofs import GOOD_PROOFS, WRONG_PROOFS
from tests.relying_party.hostile_provider import ISSUER, HostileProvider
from tests.resource_server.test_bearer_guard import API, INTROSPECTION, Introspected, mint, refused

__all__ = ["each_store"]

ORDERS = f"{API}/orders"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def provider(clock: FrozenClock) -> HostileProvider:
    return HostileProvider(clock)  # type: ignore[arg-type]


@pytest.fixture
def prover(clock: FrozenClock) -> Prover:
    return Prover(clock)


def guard_of(
    provider: HostileProvider,
    once: OnceStore | None = None,
    nonces: DpopNonces | None = None,
    required: bool = False,
    **more: Any,
) -> ResourceServer:
    proofs = DpopProofs(once or MemoryOnce(provider.clock), nonces)
    return ResourceServer(
        issuer=ISSUER,
        audience=API,
        fetch=provider,
        clock=provider.clock,
        dpop=DpopAcceptance(origin=API, proofs=proofs, required=required),
        **more,
    )


def request(
    token: str, *proofs: str, scheme: str = "DPoP", query: str = "", certificate: bytes | None = None
) -> HttpRequest:
    fields = [("authorization", f"{scheme} {token}"), *(("dpop", proof) for proof in proofs)]
    return HttpRequest("GET", "/orders", query, Headers.of(fields), client_certificate=certificate)


def bound(provider: HostileProvider, prover: Prover, **changes: Json) -> str:
    return mint(provider, cnf={"jkt": prover.jkt}, **changes)


@pytest.mark.parametrize("scheme", ["DPoP", "dPOP"])
async def test_a_bound_token_with_its_proof_is_let_in(
    provider: HostileProvider, prover: Prover, scheme: str
) -> None:
    """RFC 9449 §7.1: the proof is for this method, URL and token; the query does not count."""
    token = bound(provider, prover)
    proof = prover.proof("GET", ORDERS, access_token=token)
    found = await guard_of(provider).guard(request(token, proof, scheme=scheme, query="page=2"), ["read"])
    assert found.confirmation is not None
    assert (found.sub, found.confirmation.jkt) == ("u-alice", prover.jkt)


@pytest.mark.parametrize("wrong", WRONG_PROOFS)
async def test_sec_D1_a_wrong_proof_is_401(provider: HostileProvider, prover: Prover, wrong: str) -> None:
    """D1: every wrong proof: 401 `WWW-Authenticate: DPoP error="invalid_dpop_proof"`; a good one still works."""
    guard, token = guard_of(provider), bound(provider, prover)
    error = await refused(guard, request(token, WRONG_PROOFS[wrong](prover, "GET", ORDERS, token)))
    assert (error.status, error.error) == (401, "invalid_dpop_proof")
    challenge = error.response.headers.get("www-authenticate") or ""
    assert challenge.startswith('DPoP error="invalid_dpop_proof"')
    assert 'algs="ES256 PS256 EdDSA"' in challenge
    await guard.guard(request(token, prover.proof("GET", ORDERS, access_token=token)))


async def test_sec_D1_two_proofs_or_none_are_refused(provider: HostileProvider, prover: Prover) -> None:
    """D1: two DPoP headers, or none."""
    guard, token = guard_of(provider), bound(provider, prover)
    two = [prover.proof("GET", ORDERS, access_token=token) for _ in range(2)]
    for proofs, reason in ((two, "dpop.two_proofs"), ([], "dpop.missing")):
        error = await refused(guard, request(token, *proofs))
        assert (error.error, error.reason) == ("invalid_dpop_proof", reason)


@pytest.mark.parametrize("good", GOOD_PROOFS)
async def test_sec_D2_what_is_the_same_request_is_accepted(
    provider: HostileProvider, prover: Prover, good: str
) -> None:
    """D2: htu with query, fragment, other case or the default port is the same URL."""
    token = bound(provider, prover)
    url = ORDERS.replace("api.example", "op.example")
    guard = ResourceServer(
        issuer=ISSUER,
        audience=API,
        fetch=provider,
        clock=provider.clock,
        dpop=DpopAcceptance(origin="https://op.example", proofs=DpopProofs(MemoryOnce(provider.clock))),
    )
    await guard.guard(request(token, GOOD_PROOFS[good](prover, "GET", url, token)))


async def test_sec_D3_of_32_uses_of_one_proof_one_succeeds(
    provider: HostileProvider, prover: Prover, each_store: Stores
) -> None:
    """D3: jti replay in parallel, over each store: one accepted."""
    guard, token = guard_of(provider, each_store.once), bound(provider, prover)
    given = request(token, prover.proof("GET", ORDERS, access_token=token))
    outcomes = await asyncio.gather(*(guard.guard(given) for _ in range(32)), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert (await refused(guard, given)).reason == "dpop.replay"


async def test_sec_D4_a_nonce_may_be_asked_for(
    provider: HostileProvider, prover: Prover, clock: FrozenClock
) -> None:
    """D4: 401 use_dpop_nonce with `DPoP-Nonce`; another worker with the same keys accepts the nonce; a stale one is refused."""
    guard, other = (guard_of(provider, nonces=DpopNonces([b"k" * 32])) for _ in range(2))
    token = bound(provider, prover)
    error = await refused(guard, request(token, prover.proof("GET", ORDERS, access_token=token)))
    nonce = error.response.headers.get("dpop-nonce")
    assert (error.status, error.error) == (401, "use_dpop_nonce")
    assert (error.www_authenticate or "").startswith("DPoP ")
    assert nonce
    await other.guard(request(token, prover.proof("GET", ORDERS, access_token=token, nonce=nonce)))
    clock.advance(121)
    stale = request(token, prover.proof("GET", ORDERS, access_token=token, nonce=nonce))
    assert (await refused(guard, stale)).error == "use_dpop_nonce"


async def test_sec_D5_other_tokens_other_keys_other_schemes_are_refused(
    provider: HostileProvider, prover: Prover
) -> None:
    """D5: ath missing or wrong, other key, bound token as Bearer, unbound token as DPoP: 401."""
    guard, token, free = guard_of(provider), bound(provider, prover), mint(provider)
    thief = Prover(provider.clock)
    good = prover.proof("GET", ORDERS, access_token=token)
    for given, error, reason in (
        (request(token, prover.proof("GET", ORDERS)), "invalid_dpop_proof", "dpop.ath"),
        (request(token, prover.proof("GET", ORDERS, access_token=free)), "invalid_dpop_proof", "dpop.ath"),
        (request(token, thief.proof("GET", ORDERS, access_token=token)), "invalid_dpop_proof", "dpop.key"),
        (request(token, good, scheme="Bearer"), "invalid_token", "bound"),
        (request(token, scheme="Bearer"), "invalid_token", "bound"),
        (request(free, prover.proof("GET", ORDERS, access_token=free)), "invalid_token", "unbound"),
    ):
        answer = await refused(guard, given)
        assert (answer.status, answer.error, answer.reason) == (401, error, reason)
        assert (answer.www_authenticate or "").startswith("DPoP ")


@pytest.mark.parametrize(
    "cnf", [{}, "x", [], {"jkt": 1}, {"jkt": "é"}, {"jwk": {}}, {"jkt": "x", "x5t#S256": 1}, {"jkt": "x", "kid": "y"}]
)  # fmt: skip
async def test_a_binding_that_is_not_understood_is_not_kept(
    provider: HostileProvider, prover: Prover, cnf: Json
) -> None:
    """RFC 7800 §3.1: a cnf we cannot check refuses the token, whatever the scheme."""
    token = mint(provider, cnf=cnf)
    for scheme in ("Bearer", "DPoP"):
        proof = prover.proof("GET", ORDERS, access_token=token)
        error = await refused(guard_of(provider), request(token, proof, scheme=scheme))
        assert (error.status, error.error) == (401, "invalid_token")


async def test_unbound_tokens_are_let_in_unless_proofs_are_required(
    provider: HostileProvider, prover: Prover
) -> None:
    """An API may take both kinds, or bound tokens only; without a token it says which."""
    free, token = mint(provider), bound(provider, prover)
    await guard_of(provider).guard(request(free, scheme="Bearer"))
    strict = guard_of(provider, required=True)
    assert (await refused(strict, request(free, scheme="Bearer"))).reason == "unbound"
    await strict.guard(request(token, prover.proof("GET", ORDERS, access_token=token)))
    bare = HttpRequest("GET", "/orders")
    algorithms = 'DPoP algs="ES256 PS256 EdDSA"'
    assert (await refused(strict, bare)).www_authenticate == algorithms
    assert (await refused(guard_of(provider), bare)).www_authenticate == f"Bearer, {algorithms}"


async def test_a_token_that_was_looked_up_is_bound_as_well(provider: HostileProvider, prover: Prover) -> None:
    """RFC 9449 §6.2: cnf of the introspection answer counts, also from memory."""
    Introspected(provider).answer.update({"cnf": {"jkt": prover.jkt}, "token_type": "DPoP"})
    guard = guard_of(provider, introspection=INTROSPECTION)
    for _ in range(2):
        await guard.guard(request("opaque", prover.proof("GET", ORDERS, access_token="opaque")))
        assert (await refused(guard, request("opaque", scheme="Bearer"))).reason == "bound"
    assert provider.asked("/introspect") == 1


async def test_a_store_that_cannot_be_reached_is_503(provider: HostileProvider, prover: Prover) -> None:
    """A proof that cannot be checked for reuse is not accepted, and not the caller's fault."""

    class Unreachable:
        async def claim(self, key: str, until: Any) -> bool:
            raise StoreUnavailable

    token = bound(provider, prover)
    given = request(token, prover.proof("GET", ORDERS, access_token=token))
    error = await refused(guard_of(provider, Unreachable()), given)
    assert (error.status, error.www_authenticate) == (503, None)


async def test_proofs_of_our_own_making_are_accepted(provider: HostileProvider) -> None:
    """The client's half: build and sign, for each algorithm; a key that proofs cannot have is refused."""
    for algorithm in ("ES256", "PS256", "EdDSA"):
        key = SigningKey.generate(algorithm)
        token = mint(provider, cnf={"jkt": key.kid})
        claims = build_proof(
            "GET", f"{ORDERS}?page=2#top", jti="j-1", now=provider.clock(), access_token=token
        )
        assert claims.htu == ORDERS
        found = await guard_of(provider).guard(request(token, sign_proof(key, claims)))
        assert found.sub == "u-alice"
    with pytest.raises(ValueError, match="ES256"):
        sign_proof(SigningKey.generate("RS256"), claims)


async def test_sec_D7_a_certificate_bound_token_needs_its_certificate(
    provider: HostileProvider, clock: FrozenClock, prover: Prover
) -> None:
    """D7: no, another, an expired certificate on the same token: 401 invalid_token; also without DPoP configured."""
    shown = certificate(clock)
    token = mint(provider, cnf={"x5t#S256": thumbprint_of(shown)})
    plain = ResourceServer(issuer=ISSUER, audience=API, fetch=provider, clock=clock)
    for guard in (plain, guard_of(provider)):
        found = await guard.guard(request(token, scheme="Bearer", certificate=shown))
        assert found.confirmation is not None
        for wrong in (None, certificate(clock), b"x"):
            error = await refused(guard, request(token, scheme="Bearer", certificate=wrong))
            assert (error.status, error.reason) == (401, "certificate")
        proof = prover.proof("GET", ORDERS, access_token=token)
        assert (await refused(guard, request(token, proof, certificate=shown))).status == 401
    expired = certificate(clock, days=-1)
    token = mint(provider, cnf={"x5t#S256": thumbprint_of(expired)})
    given = request(token, scheme="Bearer", certificate=expired)
    assert (await refused(plain, given)).reason == "certificate"


async def test_a_token_may_be_bound_to_both(
    provider: HostileProvider, clock: FrozenClock, prover: Prover
) -> None:
    """Then both are needed."""
    shown = certificate(clock)
    token = mint(provider, cnf={"jkt": prover.jkt, "x5t#S256": thumbprint_of(shown)})
    given = request(token, prover.proof("GET", ORDERS, access_token=token))
    assert (await refused(guard_of(provider), given)).reason == "certificate"
    given = request(token, prover.proof("GET", ORDERS, access_token=token))
    await guard_of(provider).guard(msgspec.structs.replace(given, client_certificate=shown))


@pytest.mark.parametrize(
    "origin", ["", "api.example", "https://", "https://api.example/", "https://u@api.example"]
)
def test_the_origin_is_scheme_and_host(origin: str) -> None:
    """Proofs are compared with it, so a mistake would refuse them all."""
    with pytest.raises(ValueError, match="origin"):
        DpopAcceptance(origin=origin, proofs=DpopProofs(MemoryOnce()))
