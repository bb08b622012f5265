"""What a ticket says about a person is at rest only encrypted (security §5), and comes back whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from authwright.crypto.seal import RootKeys, Seal
from authwright.stores.memory import memory_stores
from authwright.stores.protocols import (
    AlreadyConsumed,
    Change,
    Committed,
    Stores,
    StoreUnavailable,
    TicketStore,
)
from authwright.stores.sealed_tickets import TICKET_SEAL, SealedTickets
from authwright.stores.sqlite import SqliteDatabase
from authwright.testing import store_contract
from authwright.testing.sample_tickets import ACCESS, CODE, REFRESH, moment, name, new_ticket
from authwright.ticket import StoredTicket, TokenKind

KEYS = RootKeys([b"k" * 32])
SECRET_CLAIMS = {"name": "Alice Example", "roles": ["admin"], "nested": {"a": [1, 2.5, None]}}


def sealing(inner: TicketStore, keys: RootKeys = KEYS) -> SealedTickets:
    return SealedTickets(inner, Seal(keys, TICKET_SEAL))


def with_claims(stored: StoredTicket) -> StoredTicket:
    """`stored` with everything that is private."""
    ticket = msgspec.structs.replace(
        stored.ticket,
        claims=SECRET_CLAIMS,
        destinations={"name": frozenset({TokenKind.ID_TOKEN, TokenKind.ACCESS_TOKEN})},
        properties={"tenant": "private-tenant"},
        act={"sub": "private-actor"},
    )
    return msgspec.structs.replace(stored, ticket=ticket)


class TestSealedTickets(store_contract.StoreContract):
    """A sealed store keeps the whole contract of the store under it."""

    @pytest.fixture
    def stores(self) -> Stores:
        inner = memory_stores()
        return msgspec.structs.replace(inner, tickets=sealing(inner.tickets))


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def commit(tickets: TicketStore, **what: object) -> object:
    return await tickets.commit(id=name(), now=moment(), **what)  # type: ignore[arg-type]


async def test_claims_properties_and_actor_come_back_as_they_went_in() -> None:
    """By every verb that answers with a ticket: get, current, and commit for one that is spent."""
    tickets = sealing(memory_stores().tickets)
    refresh = with_claims(new_ticket(REFRESH))
    assert await commit(tickets, add=[refresh]) == Committed()
    assert await tickets.get(REFRESH, refresh.digest) == refresh
    assert await tickets.current(refresh.grant_id, REFRESH) == refresh
    assert await commit(tickets, consume=refresh) == Committed()
    answer = await commit(tickets, consume=refresh)
    assert isinstance(answer, AlreadyConsumed)
    assert answer.stored.ticket == refresh.ticket


@pytest.mark.parametrize("only", ["claims", "properties", "act"])
async def test_one_private_thing_alone_comes_back_alone(only: str) -> None:
    """What a ticket had nothing of, it has nothing of afterwards."""
    tickets = sealing(memory_stores().tickets)
    plain = new_ticket(ACCESS)
    given = getattr(with_claims(plain).ticket, only)
    stored = msgspec.structs.replace(plain, ticket=msgspec.structs.replace(plain.ticket, **{only: given}))
    await commit(tickets, add=[stored])
    assert await tickets.get(ACCESS, stored.digest) == stored


async def test_a_change_is_sealed_too() -> None:
    """What replaces a ticket is no clearer than the ticket."""
    inner = memory_stores().tickets
    tickets = sealing(inner)
    code = new_ticket(CODE)
    await commit(tickets, add=[code])
    assert await commit(tickets, replace=[Change(code, with_claims(code))]) == Committed()
    raw = await inner.get(CODE, code.digest)
    assert raw is not None
    assert raw.ticket.sealed
    assert not raw.ticket.claims
    read = await tickets.get(CODE, code.digest)
    assert read is not None
    assert read.ticket == with_claims(code).ticket


async def test_the_database_holds_none_of_it_in_clear(tmp_path: Path) -> None:
    """Not in the rows, not anywhere in the file or its log."""
    stored = with_claims(new_ticket(ACCESS))
    async with SqliteDatabase(tmp_path / "store.db") as database:
        tickets = sealing(database.stores.tickets)
        assert await commit(tickets, add=[stored]) == Committed()
        assert await tickets.get(ACCESS, stored.digest) == stored
        octets = everything_in(tmp_path)
    assert stored.digest.encode() in octets
    for private in (b"Alice", b"admin", b"private-tenant", b"private-actor", b"roles"):
        assert private not in octets


async def test_a_row_that_was_moved_or_altered_does_not_open(tmp_path: Path) -> None:
    """Someone who can write to the database cannot give one token the claims of another, nor take claims away."""
    mine, other = with_claims(new_ticket(ACCESS)), with_claims(new_ticket(ACCESS))
    path = tmp_path / "store.db"
    async with SqliteDatabase(path) as database:
        await commit(sealing(database.stores.tickets), add=[mine])
        await commit(sealing(database.stores.tickets), add=[other])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE tickets SET ticket = (SELECT ticket FROM tickets WHERE digest = ?) WHERE digest = ?",
            (other.digest, mine.digest),
        )
        connection.commit()
    async with SqliteDatabase(path) as database:
        tickets = sealing(database.stores.tickets)
        with pytest.raises(StoreUnavailable):
            await tickets.get(ACCESS, mine.digest)
        assert await tickets.get(ACCESS, other.digest) == other


async def test_an_older_key_still_opens_and_a_strange_one_is_our_fault() -> None:
    """After a change of the key-encryption key the old one reads on; with neither, it is a fault, not an empty ticket."""
    inner = memory_stores().tickets
    stored = with_claims(new_ticket(ACCESS))
    await commit(sealing(inner), add=[stored])
    newer = RootKeys([b"n" * 32, b"k" * 32])
    assert await sealing(inner, newer).get(ACCESS, stored.digest) == stored
    with pytest.raises(StoreUnavailable):
        await sealing(inner, RootKeys([b"x" * 32])).get(ACCESS, stored.digest)


async def test_a_ticket_with_nothing_private_is_stored_as_it_is() -> None:
    """Nothing to hide costs nothing."""
    inner = memory_stores().tickets
    stored = new_ticket(ACCESS)
    await commit(sealing(inner), add=[stored])
    assert await inner.get(ACCESS, stored.digest) == stored
