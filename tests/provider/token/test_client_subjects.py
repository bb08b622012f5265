"""A client that is its own subject is never taken for a user of that name (RFC 9700 §4.15, RFC 9068 §2.2)."""

from typing import Any

import pytest

from authwright.crypto.jwt import unverified_claims
from authwright.crypto.passwords import Passwords
from authwright.crypto.seal import RootKeys
from authwright.registrations import client, user, write_users
from authwright.resource_server.access_token import from_introspection, from_jwt
from authwright.standard import standard_provider
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import Stores
from authwright.testing.clock import FrozenClock
from tests.provider.installation import API, ISSUER, SECRET, Installation, install

MACHINE = client("machine", SECRET, grant_types=["client_credentials"], scope="read")


async def test_sec_T13_a_clients_own_token_says_that_its_subject_is_a_client(clock: FrozenClock) -> None:
    """T13: `sub` is the client's id, and `sub_type` says so, in the JWT and when it is introspected."""
    op = await install(memory_stores(clock), clock, clients=[MACHINE])
    answer = await op.post("/token", client_id="machine", grant_type="client_credentials")
    token = answer.json()["access_token"]
    claims = unverified_claims(token)
    assert claims is not None
    assert (claims["sub"], claims["client_id"], claims["sub_type"]) == ("machine", "machine", "client")
    seen = (await op.post("/introspect", client_id="machine", token=token)).json()
    assert (seen["sub"], seen["sub_type"]) == ("machine", "client")
    read = from_jwt(token, claims, issuer=ISSUER, audience=API, now=clock())
    assert read.acts_for_itself
    assert from_introspection(token, seen, issuer=ISSUER, audience=API, now=clock()).acts_for_itself


async def test_sec_T13_a_users_token_has_no_such_mark(op: Installation) -> None:
    """T13: and no claim of the user's can put it there."""
    claims = {"sub_type": "client"}
    destinations = {"sub_type": frozenset({"access_token", "id_token"})}
    code = await op.code(claims=claims, destinations=destinations)
    answer = (await op.redeem(code)).json()
    for name in ("access_token", "id_token"):
        found = unverified_claims(answer[name])
        assert found is not None
        assert found["sub"] == "u-alice"
        assert "sub_type" not in found
    found = unverified_claims(answer["access_token"])
    assert found is not None
    read = from_jwt(answer["access_token"], found, issuer=ISSUER, audience=API, now=op.clock())
    assert not read.acts_for_itself


async def test_sec_T13_no_user_starts_with_the_name_of_a_client(
    each_store: Stores, clock: FrozenClock
) -> None:
    """T13: neither among what the application names, nor between that and the store."""
    parts: dict[str, Any] = {
        "issuer": ISSUER,
        "keys": RootKeys([bytes(32)]),
        "clock": clock,
        "algorithms": ("ES256",),
    }
    stores = each_store
    mallory = user("mallory", "a-password", sub="machine")
    both = standard_provider(stores=stores, clients=[MACHINE], users=[mallory], **parts)
    with pytest.raises(ValueError, match="'machine' is the client_id of a client and the sub of a user"):
        await both.open()
    await write_users([mallory], stores.accounts, Passwords())
    with pytest.raises(ValueError, match="'machine' is the client_id"):
        await standard_provider(stores=stores, clients=[MACHINE], **parts).open()
    await stores.accounts.remove("machine")
    await stores.clients.put(MACHINE.client)
    with pytest.raises(ValueError, match="'machine' is the client_id"):
        await standard_provider(stores=stores, users=[mallory], **parts).open()
    assert await stores.accounts.get("machine") is None
