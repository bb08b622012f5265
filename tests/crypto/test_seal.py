"""Sealed values and root keys."""

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authwright.crypto.seal import RootKeys, Seal

OLD = bytes(range(32))
NEW = bytes(range(32, 64))
SEAL = Seal(RootKeys([NEW, OLD]), "state")


@settings(max_examples=60)
@given(st.binary(max_size=300), st.text(max_size=20))
def test_what_is_sealed_opens_with_its_context(data: bytes, context: str) -> None:
    """Round trip, for any bytes and any context, lone surrogates included."""
    assert SEAL.open(SEAL.seal(data, context=context), context=context) == data


def test_sealed_text_is_safe_in_cookies_and_urls_and_never_twice_the_same() -> None:
    """RFC 6265 cookie octets and RFC 3986 unreserved characters only."""
    texts = {SEAL.seal(b"the same") for _ in range(50)}
    assert len(texts) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", text) for text in texts)
    assert len(SEAL.seal(b"x" * 300)) <= 471


def test_a_change_of_any_byte_closes_it() -> None:
    """Each byte of version, key id, salt, nonce, ciphertext and tag, by each single bit."""
    record = base64.urlsafe_b64decode(_padded(SEAL.seal(b"data")))
    for place in range(len(record)):
        for bit in range(8):
            changed = bytearray(record)
            changed[place] ^= 1 << bit
            assert SEAL.open(base64.urlsafe_b64encode(changed).rstrip(b"=").decode()) is None


def test_a_change_of_any_character_closes_it() -> None:
    """Another spelling of the same bytes is no second cookie either."""
    text = SEAL.seal(b"data!")
    for place in range(len(text)):
        for character in "ABQgwz09-_+/=. \n":
            if character != text[place]:
                assert SEAL.open(text[:place] + character + text[place + 1 :]) is None


def test_truncated_and_extended_text_does_not_open() -> None:
    """No prefix is accepted, and nothing after the end is ignored."""
    text = SEAL.seal(b"data")
    for size in range(len(text)):
        assert SEAL.open(text[:size]) is None
        assert SEAL.open(text[size + 1 :]) is None
    for junk in ("A", "AAAA", "=", "==", "\n", " ", ".", "é"):
        assert SEAL.open(text + junk) is None
        assert SEAL.open(junk + text) is None


@settings(max_examples=100)
@given(st.text(max_size=120))
def test_no_text_makes_open_raise(text: str) -> None:
    """Cookies hold what a browser sends."""
    assert SEAL.open(text) is None


def test_another_purpose_does_not_open_it() -> None:
    """A CSRF cookie is no session cookie."""
    keys = RootKeys([NEW])
    assert Seal(keys, "csrf").open(Seal(keys, "state").seal(b"data")) is None


def test_another_context_does_not_open_it() -> None:
    """A row moved under another key, or a cookie under another name."""
    text = SEAL.seal(b"data", context="row-1")
    for context in ("", "row-2", "row-1 ", "row-1\0", "Row-1"):
        assert SEAL.open(text, context=context) is None
    assert SEAL.open(text, context="row-1") == b"data"


def test_purpose_and_context_cannot_be_shifted_into_each_other() -> None:
    """Purpose ab with context c is not purpose a with context bc."""
    keys = RootKeys([NEW])
    assert Seal(keys, "a").open(Seal(keys, "ab").seal(b"data", context="c"), context="bc") is None
    with pytest.raises(ValueError, match="purpose"):
        Seal(keys, "a\0b")
    with pytest.raises(ValueError, match="purpose"):
        Seal(keys, "")


def test_an_old_root_key_still_opens_and_the_newest_seals() -> None:
    """KEK rotation: several open, the first seals."""
    before, after = Seal(RootKeys([OLD]), "state"), Seal(RootKeys([NEW]), "state")
    assert SEAL.open(before.seal(b"old")) == b"old"
    fresh = SEAL.seal(b"new")
    assert after.open(fresh) == b"new"
    assert before.open(fresh) is None
    assert after.open(before.seal(b"old")) is None


def test_two_keys_with_the_same_short_id_both_open() -> None:
    """The id only saves a try. These two roots, found by search, have the same id of four bytes."""
    one, other = (number.to_bytes(32, "big") for number in (7914, 75635))
    sealed_by_one, sealed_by_other = (Seal(RootKeys([root]), "state").seal(b"data") for root in (one, other))
    assert sealed_by_one[:6] == sealed_by_other[:6]
    both = Seal(RootKeys([one, other]), "state")
    assert both.open(sealed_by_one) == both.open(sealed_by_other) == b"data"
    assert Seal(RootKeys([one]), "state").open(sealed_by_other) is None


def test_each_record_has_a_key_of_its_own() -> None:
    """One salt, one key: 1,000 random salts do not meet."""
    salts = {base64.urlsafe_b64decode(_padded(SEAL.seal(b"")))[5:25] for _ in range(1000)}
    assert len(salts) == 1000


def test_root_keys_are_read_from_lines_newest_first() -> None:
    """Comments, empty lines, padding and spaces around a key are fine."""
    new, old = _line(NEW), _line(OLD)
    text = f"# keys of 2026\n\n  {new}  # current\r\n{old}=\n"
    assert RootKeys.parse(text).derive("x") == RootKeys([NEW, OLD]).derive("x")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "no key"),
        ("# only a comment\n", "no key"),
        ("\n\nnot base64!\n", "line 3"),
        ("QUFBQQ\n", "line 1: 4 bytes"),
        (base64.urlsafe_b64encode(NEW).decode() + "\nQUFB\n", "line 2"),
        ("é" * 43, "line 1"),
    ],
)
def test_a_wrong_key_file_is_refused_with_the_line_and_without_the_key(text: str, hint: str) -> None:
    """Who reads the message learns where, not what."""
    with pytest.raises(ValueError, match=hint) as refused:
        RootKeys.parse(text)
    assert "QUFB" not in str(refused.value)


def test_root_keys_of_another_size_are_refused() -> None:
    """AES-256 and nothing less."""
    for keys in ([], [b""], [b"x" * 31], [b"x" * 33], [NEW, b"x" * 16]):
        with pytest.raises(ValueError, match="root key"):
            RootKeys(keys)


def test_a_generated_line_is_read_back_and_never_repeats() -> None:
    """What the CLI writes is what the server reads."""
    lines = {RootKeys.generate_line() for _ in range(20)}
    assert len(lines) == 20
    assert len(RootKeys.parse("\n".join(lines)).derive("x")) == 20


def test_children_differ_by_label_and_by_root() -> None:
    """A pepper is no sealing key."""
    keys = RootKeys([NEW, OLD])
    children = {*keys.derive("a"), *keys.derive("b"), NEW, OLD}
    assert len(children) == 6
    assert all(len(child) == 32 for child in children)
    assert keys.derive("a") == keys.derive("a")


def test_no_key_is_shown() -> None:
    """Reprs end up in logs."""
    assert repr(RootKeys([NEW, OLD])) == "RootKeys(2 keys)"
    assert repr(SEAL) == "Seal(2 keys)"


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _line(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()
