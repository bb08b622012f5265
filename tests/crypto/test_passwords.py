"""Password hashing with real Argon2id, and its bounded door."""

import asyncio
import threading
import time

import pytest

from authwright.crypto import passwords
from authwright.crypto.passwords import (
    Overloaded,
    Passwords,
    hash_password,
    needs_rehash,
    verify_password,
)

PHC = hash_password("correct horse")


def test_a_password_verifies_against_its_own_hash_only() -> None:
    """And two hashes of one password differ."""
    assert verify_password("correct horse", PHC)
    assert not verify_password("correct hors", PHC)
    assert not verify_password("correct horse ", PHC)
    assert not verify_password("", PHC)
    assert hash_password("correct horse") != PHC


def test_a_hash_is_argon2id_with_19_mib_and_two_passes() -> None:
    """OWASP's minimum for Argon2id, as PHC text without the password."""
    assert PHC.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "correct" not in PHC
    assert not needs_rehash(PHC)
    assert needs_rehash(PHC.replace("t=2", "t=3"))
    assert needs_rehash("")


@pytest.mark.parametrize(
    "phc",
    [
        "",
        "x",
        "$",
        PHC[:-1],
        PHC + "A",
        PHC + "\n",
        " " + PHC,
        PHC.replace("argon2id", "argon2i"),
        PHC.replace("v=19", "v=16"),
        PHC.replace("m=19456", "m=1"),
        PHC.replace("m=19456", "m=0"),
        PHC.replace("t=2", "t=0"),
        PHC.replace("p=1", "p=0"),
        PHC.replace("t=2", "t=3"),
        PHC.replace("m=19456", "m=4194304"),
        PHC.replace("m=19456", "m=99999999999"),
        PHC.replace("t=2", "t=99"),
        PHC.replace("p=1", "p=99"),
        "$2b$12$abcdefghijklmnopqrstuuWXcvbnm",
        "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA",
        "\ud800",
        "$argon2id$v=19$m=\u0661,t=2,p=1$" + "A" * 22 + "$" + "A" * 43,
    ],
)
def test_a_malformed_or_unaffordable_hash_verifies_nothing(phc: str) -> None:
    """False, no exception, and no gigabytes for a row someone planted."""
    assert not verify_password("correct horse", phc)


def test_the_same_letters_typed_differently_are_the_same_password() -> None:
    """RFC 8265 §4.2.2: composed and decomposed accents; a lone surrogate is no crash."""
    assert verify_password("cafe\u0301", hash_password("caf\u00e9"))
    assert verify_password("\ud800", hash_password("\ud800"))


def test_passwords_of_more_than_1024_bytes_are_refused_not_cut() -> None:
    """A cut password would open with its first part, also where normalising makes it shorter."""
    longest = "x" * 1024
    phc = hash_password(longest)
    assert verify_password(longest, phc)
    assert not verify_password(longest + "y", phc)
    for text in (longest + "y", "é" * 513, "u\u0308\u0304" * 400):
        with pytest.raises(ValueError, match="1024"):
            hash_password(text)


async def test_the_door_hashes_and_verifies() -> None:
    """The async pair does what the sync pair does."""
    door = Passwords()
    try:
        assert await door.verify("correct horse", PHC)
        assert not await door.verify("wrong", PHC)
        assert await door.verify("new", await door.hash("new"))
        with pytest.raises(ValueError, match="1024"):
            await door.hash("x" * 1025)
    finally:
        door.close()


async def test_without_an_account_as_much_work_is_done_and_the_answer_is_no() -> None:
    """The clock must not tell a known user from an unknown one: the least of five times is within a factor of four."""
    door = Passwords(parallel=1)

    async def least(phc: str | None) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            assert not await door.verify("wrong", phc)
            times.append(time.perf_counter() - start)
        return min(times)

    try:
        known = await least(PHC)
        for phc in (None, "", "malformed", PHC.replace("m=19456", "m=4194304")):
            assert known / 4 < await least(phc) < known * 4
    finally:
        door.close()


def test_nobody_s_hash_has_our_parameters() -> None:
    """Should the parameters change, the dummy changes with them."""
    assert not needs_rehash(passwords._NOBODY)
    assert passwords._is_affordable(passwords._NOBODY)


async def test_a_full_queue_refuses_at_once_and_frees_its_places_again() -> None:
    """Two at work and three waiting; the sixth hears Overloaded without delay, and later all is well."""
    door = Passwords(parallel=2, queue=3)
    try:
        tasks = [asyncio.create_task(door.verify("correct horse", PHC)) for _ in range(8)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert answers.count(True) == 5
        assert sum(isinstance(answer, Overloaded) for answer in answers) == 3
        assert all(await asyncio.gather(*(door.verify("correct horse", PHC) for _ in range(5))))
    finally:
        door.close()


async def test_callers_who_give_up_leave_their_places_to_others() -> None:
    """A cancelled wait in the queue costs no place for ever."""
    door = Passwords(parallel=1, queue=2)
    try:
        for _ in range(3):
            tasks = [asyncio.create_task(door.verify("correct horse", PHC)) for _ in range(3)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
            while True:
                try:
                    assert await door.verify("correct horse", PHC)
                    break
                except Overloaded:
                    await asyncio.sleep(0.01)
    finally:
        door.close()


async def test_the_event_loop_goes_on_while_a_hash_is_computed() -> None:
    """The work is in a thread that lets go of the interpreter."""
    door = Passwords(parallel=1)
    try:
        task = asyncio.create_task(door.hash("password"))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 2
        assert verify_password("password", task.result())
    finally:
        door.close()


async def test_a_closed_door_is_overloaded_and_its_threads_end() -> None:
    """Shutting down is our fault, not the caller's: he may come back."""
    others = set(threading.enumerate())
    door = Passwords(parallel=1, queue=0)
    assert await door.verify("correct horse", PHC)
    own = set(threading.enumerate()) - others
    assert own
    door.close()
    door.close()
    for _ in range(3):
        with pytest.raises(Overloaded):
            await door.verify("correct horse", PHC)
    deadline = time.monotonic() + 5
    while any(thread.is_alive() for thread in own):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_the_door_has_sane_sizes() -> None:
    """At least one thread."""
    for sizes in ({"parallel": 0}, {"queue": -1}):
        with pytest.raises(ValueError, match="parallel"):
            Passwords(**sizes)
    assert "0x" not in repr(Passwords())
