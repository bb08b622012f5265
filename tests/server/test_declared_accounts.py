"""Users of the configuration beside users of the store."""

from authwright.crypto.passwords import Passwords, hash_password
from authwright.records import Account
from authwright.server.config import UserTable
from authwright.server.declared_accounts import DeclaredAccounts
from authwright.stores.memory import memory_stores


async def test_the_file_wins_over_the_store_for_a_username_and_for_a_subject() -> None:
    """Only the declared password works, and a name the store still knows for a declared subject does not."""
    store, passwords = memory_stores().accounts, Passwords()
    await store.put(Account(subject="1", username="alice", password_hash=hash_password("stored")))
    await store.put(Account(subject="u-bob", username="robert", password_hash=hash_password("stored")))
    await store.put(Account(subject="3", username="carol", password_hash=hash_password("stored")))
    accounts = await DeclaredAccounts.of(
        [UserTable(username="alice", password="written"), UserTable(username="bob", password="written")],
        store,
        passwords,
    )
    assert (await accounts.authenticate("alice", "written")) is not None
    assert (await accounts.authenticate("alice", "stored")) is None
    assert (await accounts.authenticate("robert", "stored")) is None
    carol = await accounts.authenticate("carol", "stored")
    assert carol is not None
    assert carol.subject == "3"
    passwords.close()


async def test_a_declared_user_is_not_written_to_the_store_and_ends_with_its_line() -> None:
    """The next start without the line knows the user no more."""
    store, passwords = memory_stores().accounts, Passwords()
    with_line = await DeclaredAccounts.of([UserTable(username="alice", password="written")], store, passwords)
    assert await with_line.get("u-alice") is not None
    without = await DeclaredAccounts.of([], store, passwords)
    assert await without.get("u-alice") is None
    assert await without.authenticate("alice", "written") is None
    passwords.close()


async def test_a_disabled_declared_user_can_neither_sign_in_nor_be_refreshed() -> None:
    """`enabled = false` in the file is enough, whatever the store says."""
    store, passwords = memory_stores().accounts, Passwords()
    await store.put(Account(subject="u-alice", username="alice", password_hash=hash_password("stored")))
    accounts = await DeclaredAccounts.of(
        [UserTable(username="alice", password="written", enabled=False)], store, passwords
    )
    assert await accounts.authenticate("alice", "written") is None
    assert await accounts.get("u-alice") is None
    assert await accounts.find("alice") is None
    passwords.close()


async def test_a_login_hint_finds_declared_and_stored_users() -> None:
    """CIBA Core §7.1: a name alone; the file comes first, as at sign-in."""
    store, passwords = memory_stores().accounts, Passwords()
    await store.put(Account(subject="u-alice", username="old-name"))
    await store.put(Account(subject="u-bob", username="bob"))
    await store.put(Account(subject="u-carol", username="carol", enabled=False))
    accounts = await DeclaredAccounts.of([UserTable(username="alice", password="written")], store, passwords)
    found = {name: await accounts.find(name) for name in ("alice", "bob", "old-name", "carol", "nobody")}
    assert {name: account.subject for name, account in found.items() if account is not None} == {
        "alice": "u-alice",
        "bob": "u-bob",
    }
    passwords.close()
