"""Encrypted tokens: what opens, and that whatever else there is does not, for one and the same reason (security.md J*)."""

import base64
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwcrypto import jwe as oracle  # type: ignore[import-untyped]
from jwcrypto import jwk as oracle_keys

from authwright.crypto.jwe import (
    CONTENT_ENCRYPTIONS,
    KEY_ALGORITHMS,
    MAX_ENCRYPTED,
    DecryptionKey,
    EncryptionKey,
    JweRejected,
    decrypt,
    encrypt,
    is_encrypted,
)
from authwright.crypto.jwt import sign_jwt
from authwright.crypto.keys import SigningKey

CONTENT = b'{"sub": "u-alice"}' * 3
KEYS = {
    kty: DecryptionKey.generate(algorithm) for kty, algorithm in (("RSA", "RSA-OAEP-256"), ("EC", "ECDH-ES"))
}


def pem_of(private: Any) -> bytes:
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


RSA_PEM = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC_PEM = pem_of(ec.generate_private_key(ec.SECP256R1()))


def key_for(algorithm: str) -> DecryptionKey:
    return DecryptionKey.from_pem(RSA_PEM if KEY_ALGORITHMS[algorithm] == "RSA" else EC_PEM, algorithm)


def oracle_encrypt(key: DecryptionKey, header: dict[str, Any], content: bytes = CONTENT) -> str:
    """As jwcrypto writes it; any header."""
    made = oracle.JWE(content, json.dumps(header), algs=[header["alg"], header["enc"]])
    public = {name: value for name, value in key.public_jwk.items() if name not in ("alg", "use")}
    made.add_recipient(oracle_keys.JWK(**public))
    text: str = made.serialize(compact=True)
    return text


def header_of(token: str) -> dict[str, Any]:
    head = token.partition(".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return found


def with_header(token: str, **changes: Any) -> str:
    header = {name: value for name, value in {**header_of(token), **changes}.items() if value is not None}
    text = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return text + "." + token.partition(".")[2]


@pytest.mark.parametrize("encryption", CONTENT_ENCRYPTIONS)
@pytest.mark.parametrize("algorithm", KEY_ALGORITHMS)
def test_what_we_encrypt_others_open_and_the_reverse(algorithm: str, encryption: str) -> None:
    """Each algorithm with each content encryption, against jwcrypto."""
    key = key_for(algorithm)
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk), encryption=encryption)
    assert is_encrypted(token)
    assert header_of(token)["kid"] == key.kid
    assert decrypt(token, [key]) == CONTENT
    other = oracle.JWE(algs=[algorithm, encryption])
    pem = RSA_PEM if KEY_ALGORITHMS[algorithm] == "RSA" else EC_PEM
    other.deserialize(token, oracle_keys.JWK.from_pem(pem))
    assert other.payload == CONTENT
    theirs = oracle_encrypt(key, {"alg": algorithm, "enc": encryption, "x-private": "ignored"})
    assert decrypt(theirs, [key]) == CONTENT


@pytest.mark.parametrize("algorithm", ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW"])
@pytest.mark.parametrize("encryption", ["A256GCM", "A128CBC-HS256"])
def test_sec_J13_a_token_with_anything_changed_does_not_open(algorithm: str, encryption: str) -> None:
    """J13: truncated, extended or changed in any of its five parts: one error."""
    key = key_for(algorithm)
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk), encryption=encryption)
    parts = token.split(".")
    for number, part in enumerate(parts):
        spoilt = ["AAAA"] if not part else [part[:-4], part + "AAAA", part[:-1], "", part + "="]
        if part:
            spoilt.append(("B" if part[0] != "B" else "C") + part[1:])
        for other in spoilt:
            if other != part:
                with pytest.raises(JweRejected) as rejected:
                    decrypt(".".join([*parts[:number], other, *parts[number + 1 :]]), [key])
                assert rejected.value.reason == "encryption"
                assert rejected.value.__cause__ is None
    for text in (token + ".", token[: token.rindex(".")], token + " ", "\n" + token, token + "\u00e9", ""):
        with pytest.raises(JweRejected):
            decrypt(text, [key])


@pytest.mark.parametrize(
    "changes",
    [
        {"zip": "DEF"},
        {"crit": ["x"]},
        {"crit": []},
        {"b64": False},
        {"p2c": 2**31, "p2s": "AAAA"},
        {"alg": "PBES2-HS256+A128KW"},
        {"alg": "RSA1_5"},
        {"alg": "dir"},
        {"alg": "A128KW"},
        {"alg": "none"},
        {"alg": None},
        {"alg": ["ECDH-ES"]},
        {"enc": "A192GCM"},
        {"enc": None},
        {"enc": 5},
        {"kid": "unknown"},
        {"kid": 5},
        {"epk": None},
        {"epk": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}},
        {"epk": {"kty": "oct", "k": "AAAA"}},
        {"epk": "x"},
    ],
)
def test_sec_J7_a_header_out_of_the_ordinary_does_not_open(changes: dict[str, Any]) -> None:
    """J7: PBES2, RSA1_5, zip; and crit, dir, unknown values: refused before anything is computed from them."""
    key = key_for("ECDH-ES")
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk))
    with pytest.raises(JweRejected):
        decrypt(with_header(token, **changes), [key])


def test_sec_J7_rsa1_5_and_zip_truly_made_do_not_open() -> None:
    """J7: not because they are broken, but because they are not implemented."""
    key = key_for("RSA-OAEP-256")
    for header in (
        {"alg": "RSA1_5", "enc": "A128CBC-HS256"},
        {"alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "RSA-OAEP", "enc": "A256GCM"},
    ):
        with pytest.raises(JweRejected):
            decrypt(oracle_encrypt(key, header, b"x" * 100_000 if "zip" in header else CONTENT), [key])


def test_sec_J12_a_point_off_the_curve_is_refused_before_it_is_used() -> None:
    """J12: an invalid ephemeral key would give the private one away by and by."""
    key = key_for("ECDH-ES")
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk))
    epk = header_of(token)["epk"]
    other = header_of(encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk)))["epk"]
    for bad in (
        {**epk, "y": other["y"]},
        {**epk, "crv": "P-384"},
        {**epk, "x": epk["x"] + "AA"},
        {**epk, "d": "AA"},
    ):
        with pytest.raises(JweRejected):
            decrypt(with_header(token, epk=bad), [key])


def test_sec_J8_a_token_is_bounded_before_it_is_decoded() -> None:
    """J8: size, number of parts and the header's size."""
    key = key_for("ECDH-ES")
    token = encrypt(b"x" * MAX_ENCRYPTED, EncryptionKey.from_jwk(key.public_jwk))
    with pytest.raises(JweRejected):
        decrypt(token, [key])
    assert decrypt(token, [key], max_size=len(token)) == b"x" * MAX_ENCRYPTED
    for text in ("." * 100_000, "a.b.c", "A" * 2000 + "....", "....", "e30...."):
        with pytest.raises(JweRejected):
            decrypt(text, [key], max_size=10**6)


def test_sec_J11_a_signed_token_is_no_encrypted_one() -> None:
    """J11: JWS where JWE is required."""
    with pytest.raises(JweRejected):
        decrypt(sign_jwt(SigningKey.generate("ES256"), {}, typ="JWT"), [key_for("ECDH-ES")])


def test_a_key_opens_only_with_its_own_algorithm() -> None:
    """RFC 8725 §3.1: the header chooses nothing."""
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key_for("RSA-OAEP").public_jwk))
    assert decrypt(token, [key_for("RSA-OAEP")]) == CONTENT
    with pytest.raises(JweRejected):
        decrypt(token, [key_for("RSA-OAEP-256")])


def test_the_content_encryption_can_be_narrowed() -> None:
    """To the one that is registered."""
    key = key_for("ECDH-ES")
    token = encrypt(CONTENT, EncryptionKey.from_jwk(key.public_jwk), encryption="A128GCM")
    with pytest.raises(JweRejected):
        decrypt(token, [key], encryptions=("A256GCM",))


def test_while_a_key_is_replaced_both_open() -> None:
    """With the kid, and without one."""
    old, new = DecryptionKey.generate("ECDH-ES"), DecryptionKey.generate("ECDH-ES")
    token = encrypt(CONTENT, EncryptionKey.from_jwk(old.public_jwk))
    assert decrypt(token, [new, old]) == CONTENT
    nameless = {name: value for name, value in old.public_jwk.items() if name != "kid"}
    assert decrypt(encrypt(CONTENT, EncryptionKey.from_jwk(nameless)), [new, old]) == CONTENT
    with pytest.raises(JweRejected):
        decrypt(token, [new])


@pytest.mark.parametrize(
    "private",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - to be refused
    ],
)
def test_sec_J12_a_key_that_is_none_of_ours_is_refused(private: Any) -> None:
    """J12: at import."""
    with pytest.raises(ValueError, match="P-256"):
        DecryptionKey.from_pem(pem_of(private))


def test_a_key_from_a_jwk_keeps_its_kid_and_its_algorithm() -> None:
    """As it is registered; private members and what is no key are refused without being quoted."""
    made = oracle_keys.JWK.generate(kty="EC", crv="P-256", kid="enc-1", use="enc", alg="ECDH-ES+A128KW")
    jwk = json.loads(made.export(private_key=True))
    key = DecryptionKey.from_jwk(jwk)
    assert (key.kid, key.algorithm) == ("enc-1", "ECDH-ES+A128KW")
    assert not {"d", "p", "q"} & set(key.public_jwk)
    assert key.public_jwk["use"] == "enc"
    public = json.loads(made.export_public())
    for bad in (
        public,
        {**jwk, "use": "sig"},
        {**jwk, "alg": "RSA-OAEP"},
        {**jwk, "alg": 5},
        {**jwk, "d": "s3cret"},
        {"kty": "oct", "k": "s3cret", "d": "x"},
        {**jwk, "x": 5},
    ):
        with pytest.raises(ValueError) as refused:
            DecryptionKey.from_jwk(bad)
        assert "s3cret" not in str(refused.value)
        assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "AAAA", "alg": "dir"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "alg": "ECDH-ES"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RSA-OAEP"},
        {**KEYS["EC"].public_jwk, "use": "sig"},
        {**KEYS["EC"].public_jwk, "alg": "RSA-OAEP"},
        {**KEYS["EC"].public_jwk, "alg": None},
    ],
)
def test_sec_J12_nothing_is_encrypted_to_what_is_no_key(jwk: dict[str, Any]) -> None:
    """J12: small RSA, a point off the curve, a key for something else."""
    with pytest.raises(ValueError):
        EncryptionKey.from_jwk(jwk)


def test_a_private_key_shows_nothing() -> None:
    """Neither in a repr nor in a pickle."""
    key = KEYS["EC"]
    assert repr(key) == f"DecryptionKey(kid={key.kid!r}, algorithm='ECDH-ES')"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(ValueError, match="unknown"):
        DecryptionKey.generate("dir")
    with pytest.raises(ValueError, match="unknown"):
        encrypt(b"", EncryptionKey.from_jwk(key.public_jwk), encryption="none")


def test_a_signing_key_is_read_from_a_jwk() -> None:
    """For private_key_jwt: kid and alg as registered, for each kind of key."""
    for parameters, algorithm in (
        ({"kty": "EC", "crv": "P-256"}, "ES256"),
        ({"kty": "RSA", "size": 2048}, "RS256"),
        ({"kty": "OKP", "crv": "Ed25519"}, "EdDSA"),
    ):
        jwk = json.loads(oracle_keys.JWK.generate(**parameters).export(private_key=True))
        jwk.pop("kid", None)
        key = SigningKey.from_jwk(jwk)
        assert key.algorithm == algorithm
        assert key.verification_key.verify(algorithm, b"data", key.sign(b"data"))
        named = SigningKey.from_jwk({**jwk, "kid": "sig-1"})
        assert (named.kid, named.public_jwk["kid"]) == ("sig-1", "sig-1")
    rsa_jwk = json.loads(oracle_keys.JWK.generate(kty="RSA", size=2048).export(private_key=True))
    assert SigningKey.from_jwk({**rsa_jwk, "alg": "PS256"}).algorithm == "PS256"
    for bad in (
        {**rsa_jwk, "use": "enc"},
        {**rsa_jwk, "alg": "ES256"},
        {**rsa_jwk, "alg": []},
        {"kty": "RSA"},
    ):
        with pytest.raises(ValueError):
            SigningKey.from_jwk(bad)


def test_who_has_nothing_encrypted_does_not_load_what_decrypts() -> None:
    """joserfc costs 58 ms of a start."""
    program = "import sys, authwright.standard, authwright.standard_rp; sys.exit('joserfc' in sys.modules)"
    source = Path(__file__).resolve().parents[2] / "src"
    child = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(source)},
        timeout=60,
        check=False,
    )
    assert child.returncode == 0
