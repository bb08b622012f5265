"""Keys: what is refused at the door, and what a key will and will not do."""

import base64
import copy
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from authwright.crypto.keys import KeySet, SigningKey, VerificationKey, thumbprint
from authwright.crypto.seal import RootKeys, Seal
from tests.crypto.forge import ALL, b64

KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in ALL}
EC = KEYS["ES256"].public_jwk
RSA = KEYS["RS256"].public_jwk
ED = KEYS["EdDSA"].public_jwk
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P25519 = 2**255 - 19
SEAL = Seal(RootKeys([b"k" * 32]), "signing_key")

# RFC 7638 §3.1
RFC7638_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
    "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb"
    "9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls"
    "1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def test_the_thumbprint_of_rfc_7638_comes_out() -> None:
    """RFC 7638 §3.1."""
    assert thumbprint(RFC7638_KEY) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_thumbprint_of_rfc_8037_comes_out() -> None:
    """RFC 8037 appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_thumbprints_agree_with_jwcrypto() -> None:
    """A second opinion, for each kind of key; kid is the thumbprint."""
    for key in KEYS.values():
        assert key.kid == JWK(**key.public_jwk).thumbprint() == key.verification_key.thumbprint()


def test_the_es256_signature_of_rfc_7515_verifies() -> None:
    """RFC 7515 appendix A.3."""
    key = VerificationKey.from_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    )
    data = (
        b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
        b"Ijp0cnVlfQ"
    )
    signature = base64.urlsafe_b64decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q=="
    )
    assert key.verify("ES256", data, signature)
    assert not key.verify("ES256", data + b"x", signature)


def test_the_eddsa_signature_of_rfc_8037_verifies() -> None:
    """RFC 8037 appendix A.4."""
    key = VerificationKey.from_jwk(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    )
    data = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = base64.urlsafe_b64decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg=="
    )
    assert key.verify("EdDSA", data, signature)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_key_verifies_what_it_signed_and_nothing_near_it(algorithm: str) -> None:
    """A change of data or of any signature byte, a shorter or longer signature."""
    key = KEYS[algorithm]
    public = key.verification_key
    signature = key.sign(b"data")
    assert public.verify(algorithm, b"data", signature)
    assert not public.verify(algorithm, b"Data", signature)
    assert not public.verify(algorithm, b"", signature)
    for place in range(0, len(signature), 5):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not public.verify(algorithm, b"data", bytes(changed))
    for other in (b"", signature[:-1], signature[1:], signature + b"\0", b"\0" + signature, signature * 2):
        assert not public.verify(algorithm, b"data", other)


def test_a_key_does_only_its_own_algorithm() -> None:
    """RFC 8725 §3.1: one algorithm a key. RS256 and PS256 share a key kind and still are two."""
    for algorithm, key in KEYS.items():
        for other in (*ALL, "none", "HS256", "ES384", "RSA1_5", "PBES2-HS256+A128KW", ""):
            expected = other == algorithm
            assert key.verification_key.verify(other, b"data", key.sign(b"data")) is expected


def test_sec_J12_a_signature_of_zeros_is_refused() -> None:
    """J12: all-zero ECDSA signature (psychic signature), and r or s zero, the order, or beyond."""
    public = KEYS["ES256"].verification_key
    good = KEYS["ES256"].sign(b"data")
    zero, order = bytes(32), ORDER.to_bytes(32, "big")
    for r in (zero, order, b"\xff" * 32, good[:32]):
        for s in (zero, order, b"\xff" * 32):
            assert not public.verify("ES256", b"data", r + s)
            assert not public.verify("ES256", b"data", s + r)


def test_sec_J12_es256_signatures_are_raw_and_der_is_refused() -> None:
    """RFC 7518 §3.4: r and s, 64 bytes; the DER form of the same signature is another text for one token."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = SigningKey.from_pem(pem)
    for _ in range(40):
        assert len(key.sign(b"data")) == 64
    raw = key.sign(b"data")
    der = encode_dss_signature(*(int.from_bytes(raw[at : at + 32], "big") for at in (0, 32)))
    assert not key.verification_key.verify("ES256", b"data", der)
    # The same two numbers, written with a leading zero more.
    assert not key.verification_key.verify("ES256", b"data", raw[:32] + b"\0" + raw[32:])


def _number(number: int, size: int | None = None) -> str:
    return b64(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _rsa(bits: int) -> dict[str, Any]:
    return {"kty": "RSA", "n": _number(2 ** (bits - 1) + 1), "e": "AQAB"}


X = int.from_bytes(base64.urlsafe_b64decode(EC["x"] + "="), "big")
Y = int.from_bytes(base64.urlsafe_b64decode(EC["y"] + "="), "big")

REFUSED: dict[str, Any] = {
    "RSA of 512 bits": _rsa(512),
    "RSA of 1024 bits": _rsa(1024),
    "RSA of 2047 bits": _rsa(2047),
    "RSA of 4097 bits": _rsa(4097),
    "RSA of 16384 bits": _rsa(16384),
    "RSA with even n": {"kty": "RSA", "n": _number(2**2047), "e": "AQAB"},
    "RSA with e of 1": {**RSA, "e": "AQ"},
    "RSA with e of 2": {**RSA, "e": "Ag"},
    "RSA with even e": {**RSA, "e": _number(65536)},
    "RSA with e of zero": {**RSA, "e": "AA"},
    "RSA with e of 33 bits": {**RSA, "e": _number(2**32 + 1)},
    "RSA with an e as long as n": {**RSA, "e": RSA["n"]},
    "RSA with a leading zero in n": {**RSA, "n": b64(b"\0" + base64.urlsafe_b64decode(RSA["n"] + "=="))},
    "RSA with an empty e": {**RSA, "e": ""},
    "RSA without n": {"kty": "RSA", "e": "AQAB"},
    "RSA with n as a number": {**RSA, "n": 65537},
    "RSA with padding": {**RSA, "e": "AQAB===="},
    "RSA with white space": {**RSA, "n": RSA["n"] + "\n"},
    "RSA with foreign letters": {**RSA, "n": "é" + RSA["n"][1:]},
    "RSA with a surrogate": {**RSA, "n": "\ud800" + RSA["n"][1:]},
    "EC off the curve": {**EC, "y": _number(Y ^ 1, 32)},
    "EC with x and y swapped": {**EC, "x": EC["y"], "y": EC["x"]},
    "EC at infinity": {**EC, "x": b64(bytes(32)), "y": b64(bytes(32))},
    "EC with x beyond the field": {**EC, "x": b64(b"\xff" * 32)},
    "EC with x at the field's size": {**EC, "x": _number(P256, 32)},
    "EC with a short x": {**EC, "x": b64(bytes(31))},
    "EC with a long x": {**EC, "x": _number(X, 33)},
    "EC without y": {"kty": "EC", "crv": "P-256", "x": EC["x"]},
    "EC of a curve named otherwise": {**EC, "crv": "P-384"},
    "EC secp256k1": {**EC, "crv": "secp256k1"},
    "EC without curve": {"kty": "EC", "x": EC["x"], "y": EC["y"]},
    "EC with a spelling of its own": {**EC, "x": EC["x"] + "="},
    "Ed25519 short": {**ED, "x": b64(b"x" * 31)},
    "Ed25519 long": {**ED, "x": b64(b"x" * 33)},
    "Ed25519 empty": {**ED, "x": ""},
    "Ed448": {**ED, "crv": "Ed448"},
    "X25519": {**ED, "crv": "X25519"},
    "oct": {"kty": "oct", "k": b64(b"k" * 32)},
    "oct of 8 bits": {"kty": "oct", "k": "AA"},
    "oct claiming RS256": {"kty": "oct", "k": b64(b"k" * 32), "alg": "RS256"},
    "EC with private part": {**EC, "d": b64(b"d" * 32)},
    "RSA with private part": {**RSA, "d": "AQAB"},
    "Ed25519 with private part": {**ED, "d": b64(b"d" * 32)},
    "EC with a symmetric part": {**EC, "k": b64(b"k" * 32)},
    "no kty": {"crv": "P-256", "x": EC["x"], "y": EC["y"]},
    "kty in lower case": {**EC, "kty": "ec"},
    "kty as a list": {**EC, "kty": ["EC"]},
    "RSA members with kty EC": {**RSA, "kty": "EC", "alg": None},
    "alg of another kty": {**EC, "alg": "RS256"},
    "alg none": {**EC, "alg": "none"},
    "alg HS256": {**RSA, "alg": "HS256"},
    "alg RSA1_5": {**RSA, "alg": "RSA1_5"},
    "alg RSA-OAEP": {**RSA, "alg": "RSA-OAEP"},
    "alg as a list": {**EC, "alg": ["ES256"]},
    "use enc": {**EC, "use": "enc"},
    "use null": {**EC, "use": None},
    "key_ops without verify": {**EC, "key_ops": ["sign"]},
    "key_ops as text": {**EC, "key_ops": "verify"},
    "kid as a number": {**EC, "kid": 1},
    "kid of 257 bytes": {**EC, "kid": "k" * 257},
    "kid of 129 two-byte letters": {**EC, "kid": "é" * 129},
    "empty": {},
    "text": "key",
    "nothing": None,
    "a list": [],
}


@pytest.mark.parametrize("name", REFUSED)
def test_sec_J12_a_weak_broken_or_private_key_is_refused_at_import(name: str) -> None:
    """J12: RSA < 2048, EC off-curve or invalid point, Ed25519 small order, oct < 256 bit: reject at key import.

    The message names the member at fault and holds no part of the key.
    """
    with pytest.raises(ValueError, match="JWK") as refused:
        VerificationKey.from_jwk(REFUSED[name])
    assert len(str(refused.value)) < 50


def _add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    """Points of Ed25519 added, straight from RFC 8032 §5.1.4 without its speed."""
    d = -121665 * pow(121666, -1, P25519) % P25519
    (x1, y1), (x2, y2) = p, q
    t = d * x1 * x2 * y1 * y2 % P25519
    x = (x1 * y2 + x2 * y1) * pow(1 + t, -1, P25519) % P25519
    y = (y1 * y2 + x1 * x2) * pow(1 - t, -1, P25519) % P25519
    return x, y


def _small_order_points() -> set[tuple[int, int]]:
    """The eight points whose order divides 8: the group's order times any point, until one has order 8."""
    order = 2**252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, -1, P25519) % P25519
    found: set[tuple[int, int]] = set()
    y = 2
    while len(found) < 8:
        y += 1
        square = (y * y - 1) * pow(d * y * y + 1, -1, P25519) % P25519
        x = pow(square, (P25519 + 3) // 8, P25519)
        if x * x % P25519 != square:
            x = x * pow(2, (P25519 - 1) // 4, P25519) % P25519
        if x * x % P25519 != square:
            continue
        point, result, left = (x, y), (0, 1), order
        while left:
            if left & 1:
                result = _add(result, point)
            point, left = _add(point, point), left >> 1
        found, current = set(), result
        while current not in found:
            found.add(current)
            current = _add(current, result)
    return found


def test_sec_J12_ed25519_points_of_small_order_are_refused() -> None:
    """J12: under a small-order key one signature fits any message; both signs, and non-canonical spellings too."""
    points = _small_order_points()
    assert len(points) == 8
    spellings = {y for _, y in points} | set(range(P25519, 2**255))
    for y in spellings:
        for sign in (0, 1 << 255):
            with pytest.raises(ValueError, match="JWK: x"):
                VerificationKey.from_jwk({**ED, "x": b64((y | sign).to_bytes(32, "little"))})


def test_a_key_without_alg_may_do_what_its_kind_can() -> None:
    """And with alg, only that."""
    bare = {name: value for name, value in RSA.items() if name != "alg"}
    assert VerificationKey.from_jwk(bare).algorithms == {"RS256", "PS256"}
    assert VerificationKey.from_jwk(RSA).algorithms == {"RS256"}
    assert VerificationKey.from_jwk({**EC, "kid": "é" * 128}).algorithms == {"ES256"}
    assert VerificationKey.from_jwk({**ED, "key_ops": ["verify"]}).algorithms == {"EdDSA"}


def test_rsa_keys_of_2048_and_4096_bits_are_accepted() -> None:
    """The bounds themselves are inside."""
    for bits in (2048, 4096):
        assert VerificationKey.from_jwk(_rsa(bits)).algorithms == {"RS256", "PS256"}


def test_a_key_set_skips_what_it_cannot_use() -> None:
    """RFC 7517 §5: other people's keys may be of kinds we do not know."""
    strange = [entry for name, entry in REFUSED.items()][-30:]
    keys = KeySet.from_jwks({"keys": [*strange, EC, RSA], "extra": 1})
    assert [key.kid for key in keys.keys] == [EC["kid"], RSA["kid"]]


def test_a_key_set_has_a_bound_and_a_form() -> None:
    """32 keys, and `keys` must be a list."""
    assert len(KeySet.from_jwks({"keys": [EC] * 32}).keys) == 32
    with pytest.raises(ValueError, match="32"):
        KeySet.from_jwks({"keys": [EC] * 33})
    with pytest.raises(ValueError, match="32"):
        KeySet.of(*[KEYS["ES256"]] * 33)
    broken: list[Any] = [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, [], None, "keys"]
    for jwks in broken:
        with pytest.raises(ValueError, match="not a JWK Set"):
            KeySet.from_jwks(jwks)


def test_candidates_are_chosen_by_kid_and_algorithm_together() -> None:
    """Never a key picked by kid whose algorithm does not match."""
    keys = KeySet.of(*KEYS.values())
    for algorithm, key in KEYS.items():
        assert [one.kid for one in keys.candidates(key.kid, algorithm)] == [key.kid]
        assert keys.candidates("unknown", algorithm) == ()
        assert [one.kid for one in keys.candidates(None, algorithm)] == [key.kid]
        for other in set(ALL) - {algorithm}:
            assert keys.candidates(key.kid, other) == ()
        assert keys.has(key.kid)
    assert not keys.has("unknown")
    assert keys.candidates(None, "HS256") == ()


def test_sec_J5_a_kid_that_two_kinds_of_key_share_is_decided_by_the_algorithm() -> None:
    """J5: duplicate kid across kty."""
    keys = KeySet.from_jwks({"keys": [{**EC, "kid": "same"}, {**RSA, "kid": "same"}, {**ED, "kid": "same"}]})
    assert [key.thumbprint() for key in keys.candidates("same", "RS256")] == [KEYS["RS256"].kid]
    assert [key.thumbprint() for key in keys.candidates("same", "ES256")] == [KEYS["ES256"].kid]


@pytest.mark.parametrize("algorithm", ALL)
def test_a_sealed_key_opens_as_the_same_key(algorithm: str) -> None:
    """Round trip through the store's text."""
    key = KEYS[algorithm]
    again = SigningKey.unseal(key.seal(SEAL), SEAL, kid=key.kid, algorithm=algorithm)
    assert again.public_jwk == key.public_jwk
    assert key.verification_key.verify(algorithm, b"data", again.sign(b"data"))


def test_a_sealed_key_opens_for_no_other_row() -> None:
    """Another kid, algorithm, seal, or text: ValueError, and nothing of the key in it."""
    key = KEYS["RS256"]
    sealed = key.seal(SEAL)
    tries = [
        (sealed, SEAL, KEYS["PS256"].kid, "RS256"),
        (sealed, SEAL, key.kid, "PS256"),
        (sealed, SEAL, key.kid, "none"),
        (sealed, Seal(RootKeys([b"x" * 32]), "signing_key"), key.kid, "RS256"),
        (sealed, Seal(RootKeys([b"k" * 32]), "cookie"), key.kid, "RS256"),
        (sealed[:-1], SEAL, key.kid, "RS256"),
        ("", SEAL, key.kid, "RS256"),
        (SEAL.seal(b"junk", context=f"RS256:{key.kid}"), SEAL, key.kid, "RS256"),
    ]
    for text, seal, kid, algorithm in tries:
        with pytest.raises(ValueError, match=r"open|private key"):
            SigningKey.unseal(text, seal, kid=kid, algorithm=algorithm)


def test_a_sealed_key_that_is_not_the_one_named_is_refused() -> None:
    """Even one sealed under the right name: kid is the thumbprint of what came out."""
    other = SigningKey.generate("ES256")
    der = other._private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kid = KEYS["ES256"].kid
    with pytest.raises(ValueError, match="another kid"):
        SigningKey.unseal(SEAL.seal(der, context=f"ES256:{kid}"), SEAL, kid=kid, algorithm="ES256")


def test_a_key_is_read_from_pem_and_its_algorithm_must_fit() -> None:
    """P-256, RSA and Ed25519 in PKCS #8; other curves, sizes and encrypted files are refused."""

    def pem(key: Any, password: bytes | None = None) -> bytes:
        encryption = (
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        )
        return bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )

    p256 = pem(ec.generate_private_key(ec.SECP256R1()))
    assert SigningKey.from_pem(p256).algorithm == "ES256"
    assert SigningKey.from_pem(pem(ed25519.Ed25519PrivateKey.generate())).algorithm == "EdDSA"
    with pytest.raises(ValueError, match="does not fit"):
        SigningKey.from_pem(p256, "RS256")
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    for key in (weak, ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1())):
        with pytest.raises(ValueError, match="a signing key is"):
            SigningKey.from_pem(pem(key))
    for text in (b"", b"junk", p256[:60], pem(ed25519.Ed25519PrivateKey.generate(), b"password")):
        with pytest.raises(ValueError, match="PEM"):
            SigningKey.from_pem(text)


def test_an_unknown_algorithm_makes_no_key() -> None:
    """HS256 and none least of all."""
    for algorithm in ("HS256", "none", "", "es256", "ES384"):
        with pytest.raises(ValueError, match="unknown"):
            SigningKey.generate(algorithm)


def test_a_signing_key_does_not_show_or_give_away_its_private_part() -> None:
    """Not in repr, str or pickle, and not through the public JWK."""
    for key in KEYS.values():
        assert repr(key) == str(key) == f"SigningKey(kid={key.kid!r}, algorithm={key.algorithm!r})"
        assert not {"d", "p", "q", "dp", "dq", "qi"} & key.public_jwk.keys()
        assert "object" not in repr(key.verification_key)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(key)
        with pytest.raises(TypeError, match="pickled"):
            copy.deepcopy(key)


def test_a_key_cannot_be_changed_through_what_it_hands_out() -> None:
    """The public JWK is a fresh dict; the fields are frozen."""
    key = KEYS["ES256"]
    key.public_jwk["kid"] = "other"
    assert key.public_jwk["kid"] == key.kid
    with pytest.raises(AttributeError):
        key.kid = "other"  # type: ignore[misc]
