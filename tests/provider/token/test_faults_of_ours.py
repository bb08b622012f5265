"""Rule (c): what is our fault is never told as the caller's."""

from typing import Any

import msgspec

from authwright.protocol.errors import ServerError
from authwright.provider.requests import AuthenticatedTokenRequest
from authwright.provider.token_response import Issuance, TokenResponseGenerator
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import StoreUnavailable
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.installation import Installation, install


class Unreachable:
    """A store whose verbs all fail, as a real one's do when its server is gone."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> None:
            raise StoreUnavailable("gone")

        return fail


async def test_a_store_out_of_reach_is_503_everywhere_and_never_invalid_grant(
    op: Installation, clock: FrozenClock
) -> None:
    """503 with Retry-After; a client that reads invalid_grant would throw its session away."""
    tokens = (await op.redeem(await op.code())).json()
    stores = msgspec.structs.replace(op.stores, tickets=Unreachable())
    broken = await install(stores, clock)
    answers = [
        await broken.redeem("ac_" + "0" * 10 + "A" * 47),
        await broken.redeem(await op.code()),
        await broken.refresh(tokens["refresh_token"]),
        await broken.post("/token", client_id="machine", grant_type="client_credentials"),
        await broken.post("/introspect", token=tokens["access_token"]),
        await broken.post("/revoke", token=tokens["refresh_token"]),
        await broken.get("/userinfo", authorization=f"Bearer {tokens['access_token']}"),
    ]
    # A malformed code never reaches the store, so the first is an honest refusal.
    assert answers[0].json()["error"] == "invalid_grant"
    for answer in answers[1:]:
        assert (answer.status, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.headers.get("retry-after") == "1"
    assert (await op.refresh(tokens["refresh_token"])).status == 200


async def test_a_failing_generator_burns_nothing(clock: FrozenClock) -> None:
    """A signer that fails leaves the code unspent."""
    stores = memory_stores(clock)

    class Failing:
        def __init__(self, inner: TokenResponseGenerator) -> None:
            self.inner = inner

        async def process(self, request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Issuance:
            raise RuntimeError("the signer is on fire, and this text holds a secret")

    broken = await install(stores, clock, token_response=Failing)
    code = await broken.code()
    answer = await broken.redeem(code)
    assert (answer.status, answer.json()) == (500, {"error": "server_error"})
    assert (await (await install(stores, clock)).redeem(code)).status == 200


async def test_the_generator_is_replaced_with_one_argument(clock: FrozenClock) -> None:
    """By wrapping: call the one inside first, and change what it gave."""

    class Shouting:
        def __init__(self, inner: TokenResponseGenerator) -> None:
            self.inner = inner

        async def process(self, request: AuthenticatedTokenRequest[Any], ticket: Ticket) -> Issuance:
            issuance = await self.inner.process(request, ticket)
            louder = msgspec.structs.replace(issuance.response, custom={"note": "LOUD"})
            return msgspec.structs.replace(issuance, response=louder)

    op = await install(memory_stores(clock), clock, token_response=Shouting)
    assert (await op.redeem(await op.code())).json()["note"] == "LOUD"


def test_an_error_of_ours_says_nothing_of_itself() -> None:
    """The detail is for the log."""
    assert ServerError(detail="x").members() == {"error": "server_error"}
