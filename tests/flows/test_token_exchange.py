"""Our client exchanges tokens at our provider, in one process, with no sockets (RFC 8693)."""

from collections.abc import AsyncIterator

import msgspec
import pytest

import authwright
from authwright.crypto.dpop import generate_proof_key
from authwright.protocol.exchange import ACCESS_TOKEN, ID_TOKEN, REFRESH_TOKEN
from authwright.protocol.http import Headers, HttpRequest, HttpResponse
from authwright.remote.client_authentication import SecretBasic
from authwright.remote.token_exchange import ExchangeRefused, ExchangeRejected, TokenExchanger
from authwright.stores.memory import memory_stores
from authwright.testing.clock import FrozenClock
from tests.provider.exchange.exchanging import (
    Services,
    access_token,
    claims_of,
    exchanging,
    introspected,
    own_token,
    scope_of,
    with_may_act,
)
from tests.provider.installation import API, ISSUER, SECRET, Installation


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def op(clock: FrozenClock) -> Installation:
    services = Services()
    services.grant("photos")
    return await exchanging(memory_stores(clock), clock, services)


@pytest.fixture
async def rp(op: Installation, clock: FrozenClock) -> AsyncIterator[authwright.RelyingParty]:
    party = authwright.RelyingParty(
        issuer=ISSUER,
        client_id="web",
        client_secret=SECRET,
        base_url="https://app.example",
        fetch=op.provider.handle,
        clock=clock,
    )
    yield party
    await party.close()


async def test_a_relying_party_exchanges_its_users_token(
    op: Installation, rp: authwright.RelyingParty
) -> None:
    """3.6: scopes that a service decides, from one call."""
    exchanged = await rp.exchange_token(
        await access_token(op), scope=["read", scope_of("photos")], resource=[]
    )
    assert (exchanged.issued_token_type, exchanged.token_type) == (ACCESS_TOKEN, "Bearer")
    assert exchanged.scope == ("read", scope_of("photos"))
    assert (await introspected(op, exchanged.access_token))["sub"] == "u-alice"


async def test_an_exchanged_token_is_bound_to_the_key_it_was_asked_for_with(
    op: Installation, rp: authwright.RelyingParty
) -> None:
    """RFC 9449 §5: `dpop_key` proves the request, and what comes of it is that key's and nobody else's."""
    key = generate_proof_key()
    exchanged = await rp.exchange_token(await access_token(op), scope=["read"], dpop_key=key)
    assert (exchanged.token_type, claims_of(exchanged.access_token)["cnf"]) == ("DPoP", {"jkt": key.kid})


async def test_sec_D5_an_answer_that_binds_nothing_is_refused(op: Installation, clock: FrozenClock) -> None:
    """D5: a server that overlooks the proof answers Bearer; such a token would be anybody's."""

    async def deaf(request: HttpRequest) -> HttpResponse:
        kept = tuple(line for line in request.headers.lines if line[0] != b"dpop")
        return await op.provider.handle(msgspec.structs.replace(request, headers=Headers(kept)))

    rp = authwright.RelyingParty(
        issuer=ISSUER,
        client_id="web",
        client_secret=SECRET,
        base_url="https://app.example",
        fetch=deaf,
        clock=clock,
    )
    with pytest.raises(ExchangeRejected, match="token_type"):
        await rp.exchange_token(await access_token(op), scope=["read"], dpop_key=generate_proof_key())
    await rp.close()


async def test_with_an_actor_and_repeated_targets(op: Installation, rp: authwright.RelyingParty) -> None:
    """3.6: actor, and `audience` and `resource` sent as often as there are."""
    token = await access_token(op, resources=(API,), **with_may_act({"client_id": "web"}))
    exchanged = await rp.exchange_token(
        token,
        actor_token=await own_token(op, "web"),
        actor_token_type=ACCESS_TOKEN,
        audience=[API],
        resource=[API],
        scope=["read"],
    )
    claims = claims_of(exchanged.access_token)
    assert (claims["act"]["sub"], claims["aud"]) == ("web", API)


@pytest.mark.parametrize("requested", [ID_TOKEN, REFRESH_TOKEN])
async def test_other_kinds_of_token_say_what_they_are(
    op: Installation, rp: authwright.RelyingParty, requested: str
) -> None:
    """3.6: N_A is not used as a bearer token."""
    exchanged = await rp.exchange_token(await access_token(op), requested_token_type=requested)
    assert (exchanged.issued_token_type, exchanged.token_type) == (requested, "N_A")


async def test_a_service_exchanges_what_it_was_called_with(op: Installation, clock: FrozenClock) -> None:
    """A resource server is no relying party: a client with a secret is enough."""
    exchanger = TokenExchanger.of(
        issuer=ISSUER,
        client_id="api",
        auth=SecretBasic(SECRET),
        fetch=op.provider.handle,
        clock=clock,
    )
    exchanged = await exchanger.exchange_token(await access_token(op, resources=(API,)), scope=["read"])
    assert exchanged.scope == ("read",)
    with pytest.raises(ExchangeRefused) as raised:
        await exchanger.exchange_token("nobodys")
    assert raised.value.error == "invalid_request"
