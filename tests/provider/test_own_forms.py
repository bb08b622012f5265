"""Values in a form of the application's own, written and read by events, and what a ticket carries along."""

from datetime import timedelta
from typing import Any

import msgspec

from authwright.provider.events import ProviderEvents
from authwright.provider.serialization import Deserialized, Serialization
from authwright.testing.clock import FrozenClock
from authwright.ticket import Ticket
from tests.provider.authorize.sign_in import SIGNED_OUT
from tests.provider.installation import ISSUER
from tests.provider.test_every_event import authorizing, prepared, refreshing, signing_out


class OwnForms(ProviderEvents):
    """Values that are spelled backwards; the store keeps a record of each."""

    made = 0

    async def _spelled(self, making: Serialization) -> Serialization:
        OwnForms.made += 1
        return msgspec.structs.replace(making, value=f"{OwnForms.made}.nwo.{making.kind.value[::-1]}")

    serialize_authorization_code = _spelled
    serialize_access_token = _spelled
    serialize_refresh_token = _spelled


async def test_values_of_ones_own_form_are_found_spent_and_revoked_like_any_other(clock: FrozenClock) -> None:
    """serialize_…: with a record, nothing else is needed."""
    ready = await prepared(clock, OwnForms())
    code = (await authorizing(ready)).params.require("code")
    assert code.endswith("edoc_noitazirohtua")
    first = (await ready.op.redeem(code)).json()
    assert first["access_token"].endswith("nekot_ssecca")
    answer = await ready.op.get("/userinfo", authorization=f"Bearer {first['access_token']}")
    assert answer.json()["sub"] == "u-alice"
    second = (await ready.op.refresh(first["refresh_token"])).json()
    assert await ready.op.is_active(second["access_token"])
    assert (await ready.op.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert not await ready.op.is_active(second["access_token"])
    assert (await ready.op.redeem(code)).json()["error"] == "invalid_grant"
    # Tokens of the built-in form still work, and nobody else's text does.
    assert await ready.op.is_active(ready.tokens["access_token"])
    assert not await ready.op.is_active("0.nwo.nekot_ssecca")


class SelfContained(ProviderEvents):
    """Values without a record: the application keeps what they stand for."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Deserialized] = {}

    def _made(self, making: Serialization) -> Serialization:
        value = f"self-contained-{making.kind.value}-{len(self.kept)}"
        ticket = msgspec.structs.replace(making.ticket, redeems=None, carry={})
        self.kept[value] = Deserialized(
            ticket=ticket, issued_at=making.now, expires_at=making.expires_at, binding=making.binding
        )
        return msgspec.structs.replace(making, value=value, recorded=False)

    async def serialize_authorization_code(self, making: Serialization) -> Serialization:
        return self._made(making)

    async def serialize_access_token(self, making: Serialization) -> Serialization:
        return self._made(making)

    async def deserialize_authorization_code(self, value: str) -> Deserialized | None:
        return self.kept.get(value)

    async def deserialize_access_token(self, value: str) -> Deserialized | None:
        return self.kept.get(value)


async def test_a_code_that_has_no_record_is_redeemed_once(clock: FrozenClock) -> None:
    """deserialize_…: its single use is claimed when it is spent; a replay revokes what it gave."""
    ready = await prepared(clock, SelfContained())
    code = (await authorizing(ready)).params.require("code")
    assert code.startswith("self-contained-authorization_code")
    for changes in (
        {"code_verifier": "w" * 43},
        {"client_id": "other"},
        {"redirect_uri": "https://x.example"},
    ):
        assert (await ready.op.redeem(code, **changes)).json()["error"] == "invalid_grant"
    tokens = (await ready.op.redeem(code)).json()
    assert tokens["access_token"].startswith("self-contained-access_token")
    assert await ready.op.is_active(tokens["access_token"])
    assert (await ready.op.redeem(code)).json()["error"] == "invalid_grant"
    assert not await ready.op.is_active(tokens["access_token"])
    assert (await ready.op.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_access_token_that_has_no_record_is_revoked_with_its_grant(clock: FrozenClock) -> None:
    """RFC 7009 §2.1 leaves that to the server."""
    ready = await prepared(clock, SelfContained())
    tokens = (await ready.op.redeem((await authorizing(ready)).params.require("code"))).json()
    assert (await ready.op.post("/revoke", token=tokens["access_token"])).status == 200
    assert not await ready.op.is_active(tokens["access_token"])
    assert not await ready.op.is_active(tokens["refresh_token"])
    ready.op.clock.advance(timedelta(minutes=11))
    again = (await ready.op.redeem((await authorizing(ready)).params.require("code"))).json()
    ready.op.clock.advance(601)
    assert not await ready.op.is_active(again["access_token"])


async def test_an_id_token_of_ones_own_form_is_a_hint_too(clock: FrozenClock) -> None:
    """serialize_identity_token and deserialize_identity_token."""
    subjects: dict[str, dict[str, Any]] = {}

    async def written(making: Serialization) -> Serialization:
        value = f"id-{len(subjects)}"
        subjects[value] = {
            "iss": ISSUER,
            "sub": making.ticket.subject,
            "aud": making.ticket.client_id,
            "sid": making.ticket.session_id,
        }
        return msgspec.structs.replace(making, value=value)

    async def read(value: str) -> dict[str, Any] | None:
        return subjects.get(value)

    events = ProviderEvents(serialize_identity_token=written, deserialize_identity_token=read)
    ready = await prepared(clock, events)
    tokens = (await ready.op.redeem((await authorizing(ready)).params.require("code"))).json()
    assert tokens["id_token"] == "id-0"
    assert (await signing_out(ready, id_token_hint="id-0")).url == SIGNED_OUT


async def test_a_serialization_event_changes_what_is_made(clock: FrozenClock) -> None:
    """Ticket, expiry and format are its to change, and the record says the same."""

    async def changed(making: Serialization) -> Serialization:
        return msgspec.structs.replace(
            making,
            format="opaque",
            expires_at=making.now + timedelta(seconds=7),
            ticket=msgspec.structs.replace(making.ticket, scopes=("read",)),
        )

    ready = await prepared(clock, ProviderEvents(serialize_access_token=changed))
    tokens = (await refreshing(ready)).json()
    assert tokens["access_token"].startswith("at_")
    assert tokens["expires_in"] == 7
    assert (await ready.op.post("/introspect", token=tokens["access_token"])).json()["scope"] == "read"


async def test_properties_and_amended_tickets_last_as_long_as_the_refresh_tokens(clock: FrozenClock) -> None:
    """Properties put on a ticket at sign-in are there again at every refresh."""
    seen: list[Any] = []

    async def put(request: Any, client: Any, ticket: Ticket) -> Ticket:
        return msgspec.structs.replace(ticket, properties={"device": "kitchen", "level": 3})

    async def look(request: Any, ticket: Ticket) -> None:
        seen.append(ticket.properties)

    events = ProviderEvents(
        authorization_endpoint=put, grant_authorization_code=look, grant_refresh_token=look
    )
    ready = await prepared(clock, events)
    tokens = (await ready.op.redeem((await authorizing(ready)).params.require("code"))).json()
    for _ in range(3):
        tokens = (await ready.op.refresh(tokens["refresh_token"])).json()
    assert seen == [{"device": "kitchen", "level": 3}] * 4
