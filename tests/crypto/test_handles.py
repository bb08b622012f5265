"""Opaque values and their digests."""

import base64
import hashlib
import hmac
import os
import string
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authwright.crypto.handles import PREFIXES, Handles, random_id, random_octets

OLD = b"o" * 32
NEW = b"n" * 32
HANDLES = Handles([NEW, OLD])
ALPHABET = string.ascii_letters + string.digits + "-_"


def test_a_minted_value_has_its_prefix_and_fixed_length() -> None:
    """Prefix, underscore, 10 of the time, 43 characters for 32 bytes, and 4 of checksum."""
    for purpose, prefix in PREFIXES.items():
        value, digest = HANDLES.mint(purpose)
        assert value.startswith(f"{prefix}_")
        assert len(value) == len(prefix) + 1 + 57
        assert set(value) <= set(ALPHABET)
        assert HANDLES.digests(purpose, value)[0] == digest


def test_no_two_purposes_share_a_prefix() -> None:
    """A value's prefix tells what it is."""
    assert len(set(PREFIXES.values())) == len(PREFIXES)


def test_a_purpose_without_a_short_prefix_has_its_name_as_one() -> None:
    """New purposes need no table entry; a purpose that is no name is a mistake of the program."""
    value, digest = HANDLES.mint("consent_form")
    assert value.startswith("consentform_")
    assert HANDLES.digests("consent_form", value)[0] == digest
    for wrong in ("", "Session", "a\0b", "a-b", "a" * 65, "a\n"):
        with pytest.raises(ValueError, match="purpose"):
            HANDLES.mint(wrong)


def test_digests_sort_by_time_of_minting() -> None:
    """An index of them grows at its end; the time stands in value and digest alike."""
    moments = [0.0, 1.0, 1.5, 1_800_000_000.0, 4_000_000_000.0]
    minted = [Handles([NEW], seconds=lambda moment=moment: moment).mint("access_token") for moment in moments]  # type: ignore[misc]
    assert [digest for _, digest in minted] == sorted(digest for _, digest in minted)
    for value, digest in minted:
        assert value.split("_")[1][:10] == digest[:10]
        assert HANDLES.digests("access_token", value)[0] == digest


def test_a_successor_is_the_same_for_the_same_stamp_and_unlike_any_other() -> None:
    """What follows a value can be handed out twice, and cannot be told from it."""
    value, _ = HANDLES.mint("refresh_token")
    first, digest = HANDLES.successor("refresh_token", value)
    assert HANDLES.successor("refresh_token", value, digest[:10]) == (first, digest)
    assert HANDLES.digests("refresh_token", first)[0] == digest
    other, _ = HANDLES.mint("refresh_token")
    assert HANDLES.successor("refresh_token", other, digest[:10])[0] != first
    assert Handles([OLD]).successor("refresh_token", value, digest[:10])[0] != first


def test_the_digest_is_the_hmac_of_purpose_zero_value() -> None:
    """Fixed by what the stores hold: another form would orphan every token at rest."""
    value, digest = HANDLES.mint("session")
    message = b"session\0" + value.encode()
    stamp = value[3:13]
    assert digest == stamp + hmac.new(NEW, message, hashlib.sha256).hexdigest()
    old = stamp + hmac.new(OLD, message, hashlib.sha256).hexdigest()
    assert HANDLES.digests("session", value) == (digest, old)


def test_a_value_digested_under_the_old_pepper_is_found_after_rotation() -> None:
    """Rotation reads both and writes the newest; nothing is hashed anew."""
    before = Handles([OLD])
    value, digest = before.mint("refresh_token")
    assert digest in HANDLES.digests("refresh_token", value)
    assert HANDLES.mint("refresh_token")[1] not in before.digests("refresh_token", value)


def test_the_same_text_has_another_digest_for_each_purpose() -> None:
    """The kind is in the digest, so a row of one kind cannot answer for another."""
    assert HANDLES.digest_of("session", "x") != HANDLES.digest_of("csrf", "x")
    assert HANDLES.digest_of("a", "bc") != HANDLES.digest_of("ab", "c")


def test_sec_J13_a_value_of_one_purpose_is_nothing_to_another() -> None:
    """J13: wrong prefix, so no digest is even computed."""
    for purpose in PREFIXES:
        value, _ = HANDLES.mint(purpose)
        for other in PREFIXES.keys() - {purpose}:
            assert HANDLES.digests(other, value) == ()


def test_sec_J13_a_truncated_or_extended_value_is_refused() -> None:
    """J13: truncated or extended by 1..n bytes, suffix junk (prefix match accepted = a fault)."""
    value, _ = HANDLES.mint("access_token")
    for size in range(len(value)):
        assert HANDLES.digests("access_token", value[:size]) == ()
        assert HANDLES.digests("access_token", value[size + 1 :]) == ()
    junk = ["A", "=", "==", ".", " ", "\n", "\r\n", "\0", "%00", "A" * 4, "é", "\ud800", value, "x" * 10**6]
    for more in junk:
        assert HANDLES.digests("access_token", value + more) == ()
        assert HANDLES.digests("access_token", more + value) == ()
        assert HANDLES.digests("access_token", value[:20] + more + value[20:]) == ()


def test_sec_J13_a_value_of_another_length_is_refused_with_a_right_checksum_too() -> None:
    """J13: exact length first. Anyone can compute the checksum, so it proves nothing."""
    value, _ = HANDLES.mint("access_token")
    for body in (value[:-4], value[:-5], value[:-4] + "A", value, "at_" + "A" * 53 + "\n", "at_"):
        assert (HANDLES.digests("access_token", body + _checksum(body)) == ()) is (body != value[:-4])


def _checksum(body: str) -> str:
    crc = zlib.crc32(body.encode())
    return base64.urlsafe_b64encode(((crc & 0xFFFFFF) ^ (crc >> 24)).to_bytes(3, "big")).decode()


def test_sec_J13_a_value_with_one_wrong_character_is_refused_by_its_checksum() -> None:
    """J13: the CRC sees every change of one character, before a digest is computed."""
    value, _ = HANDLES.mint("access_token")
    for place in range(len(value)):
        for character in (*ALPHABET, "+", "/", "=", "é", "\u0660"):
            if character != value[place]:
                changed = value[:place] + character + value[place + 1 :]
                assert HANDLES.digests("access_token", changed) == ()


def test_sec_J13_two_characters_swapped_are_refused() -> None:
    """J13: the commonest slip of a hand that copies."""
    value, _ = HANDLES.mint("access_token")
    for place in range(len(value) - 1):
        swapped = value[:place] + value[place + 1] + value[place] + value[place + 2 :]
        if swapped != value:
            assert HANDLES.digests("access_token", swapped) == ()


@settings(max_examples=100)
@given(st.text(max_size=80))
def test_any_text_is_either_minted_or_nothing(text: str) -> None:
    """No text raises, and none but ours has digests."""
    assert HANDLES.digests("session", text) == ()
    assert HANDLES.digests("session", "ss_" + text) == ()
    assert not HANDLES.has_form("session", "ss_" + text)


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32))
def test_every_random_value_makes_a_handle_that_is_known_again(octets: bytes) -> None:
    """Round trip for any 32 bytes."""
    handles = Handles([NEW], random=lambda size: octets[:size])
    value, digest = handles.mint("flow")
    assert handles.digests("flow", value) == (digest,)
    assert handles.has_form("flow", value)
    assert not handles.has_form("session", value)


def test_digest_of_takes_any_text_and_every_pepper() -> None:
    """Lone surrogates come out of lenient decoders: they must not make a 5xx."""
    for text in ("", "plain", "é", "\ud800", "a\0b", "x" * 10_000):
        assert HANDLES.digests_of("jti", text)[0] == HANDLES.digest_of("jti", text)
        assert len(set(HANDLES.digests_of("jti", text))) == 2
    with pytest.raises(ValueError, match="label"):
        HANDLES.digest_of("a\0b", "c")


def test_a_fingerprint_is_eight_hex_digits_that_depend_on_the_pepper() -> None:
    """A log reader can match two lines, not guess the value offline."""
    mark = HANDLES.fingerprint("secret")
    assert len(mark) == 8
    assert int(mark, 16) >= 0
    assert mark == HANDLES.fingerprint("secret") != Handles([OLD]).fingerprint("secret")


def test_short_or_missing_peppers_are_refused() -> None:
    """32 bytes at least, and one at least."""
    for peppers in ([], [b""], [b"x" * 31], [NEW, b"short"]):
        with pytest.raises(ValueError, match="peppers"):
            Handles(peppers)


def test_handles_show_no_pepper() -> None:
    """A repr ends up in logs."""
    assert repr(HANDLES) == "Handles(2 peppers)"


def test_random_ids_have_the_asked_size_and_do_not_repeat() -> None:
    """128 bits unless told."""
    assert len(random_id()) == 22
    assert len(random_id(32)) == 43
    assert len({random_id() for _ in range(100)}) == 100
    assert random_id(3, lambda size: b"\xff" * size) == "____"


def test_threads_never_share_random_octets() -> None:
    """Four threads taking at once, each with octets of its own."""
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: [random_octets(16) for _ in range(2000)], range(4)))
    assert len({one for many in taken for one in many}) == 8000


def test_no_random_octet_is_given_out_twice() -> None:
    """Whatever the sizes, and after a fork: parent and child must not mint the same value."""
    octets = random_octets
    taken = [octets(size) for size in (1, 4096, 5000, 32, 16, 4000, 100)]
    assert [len(one) for one in taken] == [1, 4096, 5000, 32, 16, 4000, 100]
    assert len({octets(16) for _ in range(2000)}) == 2000
    octets(16)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks beside threads; this child does nothing but take octets.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.write(writing, octets(64))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 64) != octets(64)
    os.close(reading)
    os.close(writing)
