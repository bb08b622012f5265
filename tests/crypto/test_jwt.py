"""Signed JWTs: what we make others can read, what others make we can read, and the rest is refused."""

import hashlib
import hmac
import json
import zlib
from collections.abc import Collection
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]
from jwcrypto.jwt import JWT as JwcryptoJwt  # type: ignore[import-untyped]

from authwright.crypto.jwt import (
    JwtRejected,
    VerifiedJwt,
    check_claims,
    half_hash,
    sign_jwt,
    unverified_claims,
    unverified_header,
    verify_jwt,
)
from authwright.crypto.keys import KeySet, SigningKey, VerificationKey
from tests.crypto.forge import ALL, CLAIMS, ISSUER, NOW, SECONDS, b64, forge, forge_raw

ES = SigningKey.generate("ES256")
RS = SigningKey.generate("RS256")
PS = SigningKey.generate("PS256")
ED = SigningKey.generate("EdDSA")
BY_NAME = {key.algorithm: key for key in (ES, RS, PS, ED)}
ATTACKER = SigningKey.generate("ES256")
KEYS = KeySet.of(ES, RS, PS, ED)
_SCALARS = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=12)


def _verify(
    token: str,
    keys: KeySet | VerificationKey = KEYS,
    *,
    algorithms: Collection[str] = ALL,
    types: Collection[str] = ("jwt",),
    max_size: int = 16_384,
) -> VerifiedJwt:
    return verify_jwt(token, keys, algorithms=algorithms, types=types, max_size=max_size)


def _reason(token: str, keys: KeySet | VerificationKey = KEYS, **options: Any) -> str:
    """Why `token` is refused; the exception must hold the code and nothing else."""
    with pytest.raises(JwtRejected) as refused:
        _verify(token, keys, **options)
    assert str(refused.value) == refused.value.reason
    assert len(refused.value.reason) <= 10
    assert refused.value.__cause__ is None
    return refused.value.reason


def _pem(key: SigningKey) -> tuple[Any, bytes]:
    private: Any = key._private
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


# --- round trips and second opinions


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=10),
        _SCALARS
        | st.lists(_SCALARS, max_size=3)
        | st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3),
        max_size=8,
    ),
    st.sampled_from(["ES256", "EdDSA"]),
)
def test_what_is_signed_verifies_with_the_same_claims(claims: dict[str, Any], algorithm: str) -> None:
    """Round trip for any JSON claims."""
    key = BY_NAME[algorithm]
    verified = _verify(sign_jwt(key, claims, typ="at+jwt"), types=("at+jwt",))
    assert verified.claims == claims
    assert verified.header == {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}


@pytest.mark.parametrize("algorithm", ALL)
def test_pyjwt_and_jwcrypto_read_what_we_sign(algorithm: str) -> None:
    """Two independent libraries accept our tokens."""
    key = BY_NAME[algorithm]
    token = sign_jwt(key, CLAIMS, typ="JWT")
    options: Any = {"verify_exp": False, "verify_iat": False}
    read = pyjwt.decode(
        token, _pem(key)[1], algorithms=[algorithm], audience="client", issuer=ISSUER, options=options
    )
    assert read == CLAIMS
    other = JwcryptoJwt(algs=[algorithm], check_claims={})
    other.leeway = 10**9
    other.deserialize(token, JWK(**key.public_jwk))
    assert json.loads(other.claims) == CLAIMS


@pytest.mark.parametrize("algorithm", ALL)
def test_we_read_what_pyjwt_and_jwcrypto_sign(algorithm: str) -> None:
    """And we accept theirs."""
    key = BY_NAME[algorithm]
    private, _ = _pem(key)
    theirs = pyjwt.encode(CLAIMS, private, algorithm=algorithm, headers={"kid": key.kid})
    assert _verify(theirs).claims == CLAIMS

    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = JwcryptoJwt(header={"alg": algorithm, "kid": key.kid, "typ": "JWT"}, claims=CLAIMS)
    made.make_signed_token(JWK.from_pem(pem))
    assert _verify(made.serialize()).claims == CLAIMS


def test_a_token_without_a_type_is_made_and_read_as_such() -> None:
    """ "" stands for an absent typ, on both sides."""
    token = sign_jwt(ES, CLAIMS, typ="")
    assert "typ" not in _verify(token, types=("",)).header
    assert _reason(token, types=("jwt",)) == "typ"


def test_claims_in_any_mapping_are_signed() -> None:
    """A mapping that is no dict is copied."""
    assert _verify(sign_jwt(ES, MappingProxyType(CLAIMS), typ="JWT")).claims == CLAIMS


def test_a_verified_token_shows_no_claim() -> None:
    """Claims are personal data, and reprs end up in logs."""
    assert "alice" not in repr(_verify(sign_jwt(ES, CLAIMS, typ="JWT")))


# --- J1


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", " ES256", "es256", "ES256\x00"])
def test_sec_J1_no_spelling_of_none_is_accepted(alg: str) -> None:
    """J1: alg none/None/nOnE, with and without a signature, even if the caller's list names it."""
    header = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    payload = b64(json.dumps(CLAIMS).encode())
    for token in (f"{header}.{payload}.", f"{header}.{payload}.AAAA", forge(ES, alg=alg)):
        assert _reason(token) == "alg"
        assert _reason(token, algorithms=(*ALL, alg)) == "alg"


@pytest.mark.parametrize("alg", [1, True, ["ES256"], {"a": 1}, 0.5])
def test_sec_J1_an_alg_that_is_no_text_is_refused(alg: Any) -> None:
    """J1: missing alg, and alg of another type."""
    assert _reason(forge(ES, alg=alg)) == "alg"
    assert _reason(forge(ES, alg=None)) == "alg"
    assert _reason(forge_raw(ES, b'{"alg":null,"typ":"JWT"}', b"{}")) == "alg"


def test_sec_J1_an_empty_signature_is_refused() -> None:
    """J1: empty signature under a real alg."""
    for key in BY_NAME.values():
        token = sign_jwt(key, CLAIMS, typ="JWT")
        assert _reason(token[: token.rindex(".") + 1]) == "signature"


# --- J2


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_sec_J2_a_public_key_is_never_a_shared_secret(alg: str, algorithm: str) -> None:
    """J2: HS* with the RSA or EC public key as PEM, DER, JWK or ssh line as the secret."""
    key = BY_NAME[algorithm]
    public: Any = key._private.public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, info)
    secrets = [
        pem,
        pem.strip(),
        public.public_bytes(serialization.Encoding.DER, info),
        public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
        json.dumps(key.public_jwk).encode(),
        json.dumps(key.public_jwk, separators=(",", ":"), sort_keys=True).encode(),
        b"",
    ]
    signed = f"{b64(json.dumps({'alg': alg, 'typ': 'JWT', 'kid': key.kid}).encode())}.{b64(b'{}')}"
    for secret in secrets:
        mac = hmac.new(secret, signed.encode(), getattr(hashlib, f"sha{alg[2:]}")).digest()
        assert _reason(f"{signed}.{b64(mac)}") == "alg"
        assert _reason(f"{signed}.{b64(mac)}", algorithms=(*ALL, alg)) == "alg"


def test_sec_J2_an_algorithm_is_bound_to_its_key_as_well_as_to_the_list() -> None:
    """J2: allow-list and kty-bound key object, both."""
    assert _reason(sign_jwt(ES, CLAIMS, typ="JWT"), algorithms=("RS256",)) == "alg"
    assert _reason(sign_jwt(ES, CLAIMS, typ="JWT"), algorithms=()) == "alg"
    for key in BY_NAME.values():
        for other in set(ALL) - {key.algorithm}:
            # The kid names a key whose algorithm this is not: the key is not tried at all.
            assert _reason(forge(key, alg=other)) == "key"
            # And without a kid the other key is tried, and did not make it.
            assert _reason(forge(key, alg=other, kid=None)) == "signature"
            assert _reason(forge(key, alg=other), key.verification_key) == "signature"


# --- J3


def test_sec_J3_a_key_in_the_header_is_not_trusted() -> None:
    """J3: jwk, jku, x5u, x5c supplied by the header: ignored for trust, never fetched."""
    for member in (
        {"jwk": ATTACKER.public_jwk},
        {"jku": "https://attacker.example/jwks"},
        {"x5u": "https://attacker.example/cert"},
        {"x5c": ["MIIB"]},
        {"jwk": ATTACKER.public_jwk, "jku": "https://attacker.example/jwks", "x5c": ["MIIB"]},
    ):
        assert _reason(forge(ATTACKER, **member)) == "kid"
        assert _reason(forge(ATTACKER, **member, kid=None)) == "signature"
        assert _reason(forge(ATTACKER, **{**member, "kid": ES.kid})) == "signature"
        # They change nothing for a token our own key signed.
        assert _verify(forge(ES, **member)).claims == CLAIMS


# --- J4


@pytest.mark.parametrize(
    "crit", [["exp"], ["b64"], ["unknown"], [], "exp", None, {}, ["alg", "alg"], [""], 1]
)
def test_sec_J4_any_crit_is_refused(crit: Any) -> None:
    """J4: unknown crit, empty crit, malformed crit; each with and without the member it names."""
    for more in ({}, {"exp": SECONDS, "unknown": 1}):
        header = {"alg": "ES256", "typ": "JWT", "kid": ES.kid, "crit": crit, **more}
        assert _reason(forge_raw(ES, json.dumps(header).encode(), json.dumps(CLAIMS).encode())) == "crit"


@pytest.mark.parametrize("b64_value", [False, True, None, "false", 0])
def test_sec_J4_b64_is_refused(b64_value: Any) -> None:
    """J4: b64:false (RFC 7797), alone or announced by crit, true or not."""
    header = {"alg": "ES256", "typ": "JWT", "kid": ES.kid, "b64": b64_value}
    assert _reason(forge_raw(ES, json.dumps(header).encode(), b"{}")) == "b64"
    assert _reason(forge(ES, b64=False, crit=["b64"])) == "crit"
    # The payload left as it is, which is what b64:false means.
    signed = f"{b64(json.dumps({**header, 'crit': ['b64']}).encode())}.{{}}"
    assert _reason(f"{signed}.{b64(ES.sign(signed.encode()))}") == "crit"


# --- J5


@pytest.mark.parametrize(
    "kid",
    ["../../dev/null", "' OR 1=1 --", "unknown", "", "\x00", "é", "k" * 256, "http://attacker.example/key"],
)
def test_sec_J5_a_kid_is_an_opaque_name(kid: str) -> None:
    """J5: kid unknown, ../../, SQL: a dict key that is not there."""
    assert _reason(forge(ES, kid=kid)) == "kid"


@pytest.mark.parametrize("kid", ["k" * 257, "é" * 129, "k" * 8000, 1, True, [], {}, ["k"]])
def test_sec_J5_a_kid_too_long_or_no_text_is_refused(kid: Any) -> None:
    """J5: kid of more than 256 bytes, whatever key the caller pins."""
    assert _reason(forge(ES, kid=kid)) == "kid"
    assert _reason(forge(ES, kid=kid), ES.verification_key) == "kid"
    assert _reason(forge_raw(ES, b'{"alg":"ES256","typ":"JWT","kid":null}', b"{}")) == "kid"


def test_without_a_kid_every_fitting_key_is_tried_up_to_four() -> None:
    """At most four signature verifications a token."""
    others = [SigningKey.generate("ES256") for _ in range(4)]
    token = forge(ES, kid=None)
    assert _verify(token, KeySet.of(RS, *others[:3], ES)).claims == CLAIMS
    assert _reason(token, KeySet.of(RS, *others, ES)) == "signature"
    assert _reason(token, KeySet.of(RS)) == "key"
    assert _reason(token, KeySet.of()) == "key"


def test_a_pinned_key_verifies_whatever_kid_is_claimed() -> None:
    """RFC 9449: a proof's key is the one it carries; only that key is tried."""
    assert _verify(forge(ES, kid="any"), ES.verification_key).claims == CLAIMS
    assert _reason(forge(ATTACKER), ES.verification_key) == "signature"


# --- J6


def test_sec_J6_a_token_of_one_type_is_no_token_of_another() -> None:
    """J6: the typ table; lower case and the application/ prefix make no difference."""
    kinds = ("jwt", "at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt")
    for made in kinds:
        for wanted in kinds:
            for written in (made, made.upper(), f"application/{made}", f"Application/{made}"):
                token = forge(ES, typ=written)
                if made == wanted:
                    assert _verify(token, types=(wanted,)).claims == CLAIMS
                else:
                    assert _reason(token, types=(wanted,)) == "typ"


@pytest.mark.parametrize(
    "typ", ["", 1, True, [], ["JWT"], {}, "jwt ", " jwt", "application/", "application/application/jwt"]
)
def test_sec_J6_a_malformed_typ_is_not_taken_for_an_absent_one(typ: Any) -> None:
    """J6: wrong typ, also where an absent one would do."""
    assert _reason(forge(ES, typ=typ), types=("jwt",)) == "typ"
    assert _reason(forge(ES, typ=typ), types=("", "jwt")) == "typ"
    assert _reason(forge_raw(ES, b'{"alg":"ES256","typ":null}', b"{}"), types=("", "jwt")) == "typ"


# --- J7


@pytest.mark.parametrize(
    "alg",
    [
        "PBES2-HS256+A128KW",
        "PBES2-HS512+A256KW",
        "RSA1_5",
        "RSA-OAEP",
        "dir",
        "A256KW",
        "ECDH-ES",
        "ES256K",
        "RS1",
    ],
)
def test_sec_J7_password_and_encryption_algorithms_are_not_implemented(alg: str) -> None:
    """J7: PBES2 any, RSA1_5 any."""
    token = forge(ES, alg=alg, p2c=2**31 - 1, p2s="AAAA", enc="A256GCM")
    assert _reason(token) == "alg"
    assert _reason(token, algorithms=(*ALL, alg)) == "alg"


@pytest.mark.parametrize("value", ["DEF", "def", "GZ", "", None, True, []])
def test_sec_J7_zip_is_refused(value: Any) -> None:
    """J7: zip, of any value."""
    bomb = zlib.compress(b'{"a":"' + b"x" * 10**6 + b'"}')[2:-4]
    header = json.dumps({"alg": "ES256", "typ": "JWT", "kid": ES.kid, "zip": value}).encode()
    assert _reason(forge_raw(ES, header, bomb)) == "zip"
    assert _reason(forge_raw(ES, header, b"{}")) == "zip"


# --- J8 and J13: form


def test_sec_J8_a_token_over_its_size_is_refused_before_it_is_decoded() -> None:
    """J8: > 16 KB, or another bound of the caller; at the bound itself it is read."""
    token = sign_jwt(ES, {**CLAIMS, "x": "y" * 9000}, typ="JWT")
    assert _verify(token, max_size=len(token)).claims["sub"] == "alice"
    assert _reason(token, max_size=len(token) - 1) == "size"
    assert _reason("A" * 16_385) == "size"
    assert _reason("A" * 50_000_000) == "size"
    assert _reason("." * 16_385) == "size"
    assert _reason("." * 16_384) == "segments"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "....", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "e30..", ".e30.", "..e30", "e30.e30."],
)
def test_sec_J8_a_token_has_three_segments_and_a_header(token: str) -> None:
    """J8: segments other than three; J11: five are a JWE, and none is wanted."""
    assert _reason(token) in {"segments", "header", "alg"}


def test_sec_J11_a_jwe_is_not_a_jws() -> None:
    """J11: JWS passed where JWE is required or the reverse: five segments are refused by count."""
    token = sign_jwt(ES, CLAIMS, typ="JWT")
    header, payload, signature = token.split(".")
    assert _reason(f"{header}.{payload}.{signature}.{payload}.{signature}") == "segments"
    # A signed token inside a signed token has no object for a payload.
    outer = forge_raw(ES, b'{"alg":"ES256","typ":"JWT","cty":"JWT"}', token.encode())
    assert _reason(outer) == "claims"


@pytest.mark.parametrize(
    "junk",
    [" ", "\n", "\t", "\r\n", "\0", "=", "==", "+", "/", "%", "é", "\u200b", "\ud800", "A", "AAAA", "~"],
)
def test_sec_J8_no_white_space_padding_or_foreign_character_is_ignored(junk: str) -> None:
    """J8: non-canonical b64url, padding, white space, anywhere in any of three segments."""
    token = sign_jwt(ES, CLAIMS, typ="JWT")
    places = {
        0,
        len(token),
        *(place + step for place, char in enumerate(token) if char == "." for step in (0, 1)),
    }
    for place in sorted(places | {7, len(token) - 7, len(token) // 2}):
        assert _reason(token[:place] + junk + token[place:])


def test_sec_J8_no_second_spelling_of_a_segment_is_accepted() -> None:
    """J8: the last character's unused bits must be zero, in a signature that would decode to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = sign_jwt(ES, CLAIMS, typ="JWT")
    # 64 bytes are 86 characters; the last one holds two bits.
    for character in alphabet:
        if character != token[-1]:
            assert _reason(token[:-1] + character) in {"encoding", "signature"}


def test_sec_J13_a_token_truncated_or_extended_anywhere_is_refused() -> None:
    """J13: truncated or extended by 1..n bytes, suffix junk."""
    token = sign_jwt(ES, CLAIMS, typ="JWT")
    for size in range(len(token)):
        assert _reason(token[:size])
    for size in (1, 2, 3, 4, 20, 86):
        assert _reason(token[size:])
        assert _reason(token + "A" * size) in {"signature", "encoding"}
    for junk in (".", ".x", "x", "-", "&a=b", ",", ";", '"', token, "." + token):
        assert _reason(token + junk)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from("AQgw-_Zz09"))
def test_sec_J13_a_change_of_any_character_is_refused(place: int, character: str) -> None:
    """J13: no bit of header, payload or signature is free."""
    token = sign_jwt(ED, CLAIMS, typ="JWT")
    place %= len(token)
    if token[place] not in (character, "."):
        assert _reason(token[:place] + character + token[place + 1 :])


@settings(max_examples=100)
@given(
    st.text(max_size=60)
    | st.lists(st.binary(max_size=30), min_size=3, max_size=3).map(lambda x: ".".join(map(b64, x)))
)
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    """Bad input is never a 5xx."""
    assert _reason(text)
    claims, header = unverified_claims(text), unverified_header(text)
    assert claims is None or isinstance(claims, dict)
    assert header is None or isinstance(header, dict)


# --- J8: JSON

_BAD_OBJECTS = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"1",
    b"{",
    b"{}x",
    b'{"a":1,"a":1}',
    b'{"a":1,"\\u0061":1}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b'{"a":1e400}',
    b'{"a":1e300}',
    b'{"a":' + b"9" * 400 + b"}",
    b'{"a":"\xff"}',
    b'{"a":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
    b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    json.dumps({str(number): 1 for number in range(65)}).encode(),
]


@pytest.mark.parametrize("payload", _BAD_OBJECTS, ids=lambda text: repr(text[:20]))
def test_sec_J8_claims_that_are_no_bounded_object_are_refused(payload: bytes) -> None:
    """J8: depth > 16, > 64 claims, duplicate members, NaN, 1e300: truly signed and still refused."""
    token = forge_raw(ES, json.dumps({"alg": "ES256", "typ": "JWT", "kid": ES.kid}).encode(), payload)
    assert _reason(token) == "claims"
    assert unverified_claims(token) is None


@pytest.mark.parametrize("header", _BAD_OBJECTS, ids=lambda text: repr(text[:20]))
def test_sec_J8_a_header_that_is_no_bounded_object_is_refused(header: bytes) -> None:
    """J8: the same for the header, before anything in it is looked at."""
    inside = header.replace(b'{"a"', b'{"alg":"ES256","typ":"JWT","a"', 1)
    for text in (header, inside):
        token = forge_raw(ES, text, b"{}")
        assert _reason(token) in {"header", "alg"}
    assert unverified_header(forge_raw(ES, header, b"{}")) is None


def test_sec_J8_a_header_with_two_algs_is_refused() -> None:
    """J8: two algs are two meanings, whichever a reader takes."""
    for header in (b'{"alg":"none","alg":"ES256","typ":"JWT"}', b'{"alg":"ES256","typ":"JWT","alg":"none"}'):
        assert _reason(forge_raw(ES, header, b"{}")) == "header"


_BAD_TIMES: list[Any] = [
    True,
    False,
    None,
    "1",
    str(SECONDS + 300),
    "",
    [],
    {},
    [SECONDS],
    -1,
    -0.5,
    1e19,
    253_402_300_800,
    float("nan"),
    float("inf"),
]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", _BAD_TIMES)
def test_sec_J8_a_time_that_is_no_number_of_seconds_is_refused(name: str, value: Any) -> None:
    """J8: bool/str exp, negative iat, NaN and numbers no date has."""
    with pytest.raises(JwtRejected, match=f"^{name}$"):
        check_claims({**CLAIMS, name: value}, issuer=ISSUER, audience="client", now=NOW)


# --- claims


def _check(claims: dict[str, Any], **options: Any) -> None:
    check_claims(claims, **{"issuer": ISSUER, "audience": "client", "now": NOW, **options})


def test_claims_that_are_right_pass() -> None:
    """Audience as text, as a list, or not asked for; fractions of a second."""
    _check(CLAIMS)
    _check({**CLAIMS, "aud": ["other", "client"]})
    _check({**CLAIMS, "aud": "someone"}, audience=None)
    _check({**CLAIMS, "exp": SECONDS + 0.5, "nbf": SECONDS, "jti": "1"}, required=("jti", "nbf"))
    without = {name: value for name, value in CLAIMS.items() if name != "aud"}
    _check(without, audience=None)


def test_times_hold_to_the_second_and_the_leeway() -> None:
    """RFC 7519 §4.1.4: on exp itself it is too late; leeway moves each bound by as much."""
    minute = timedelta(seconds=60)
    cases = [("exp", 0, 1), ("exp", -60, -59), ("nbf", 1, 0), ("nbf", 61, 60), ("iat", 1, 0), ("iat", 61, 60)]
    for name, refused, accepted in cases:
        leeway = minute if abs(refused) > 1 or accepted < 0 else timedelta(0)
        _check({**CLAIMS, name: SECONDS + accepted}, leeway=leeway)
        with pytest.raises(JwtRejected, match=f"^{name}$"):
            _check({**CLAIMS, name: SECONDS + refused}, leeway=leeway)


def test_exp_and_what_is_required_must_be_there() -> None:
    """exp always; null is absent."""
    for name in CLAIMS:
        less = {key: value for key, value in CLAIMS.items() if key != name}
        with pytest.raises(JwtRejected, match=f"^{name}$"):
            _check(less, required=tuple(CLAIMS))
    with pytest.raises(JwtRejected, match=r"^exp$"):
        _check({name: value for name, value in CLAIMS.items() if name != "exp"})
    with pytest.raises(JwtRejected, match=r"^jti$"):
        _check({**CLAIMS, "jti": None}, required=("jti",))


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER[:-1],
        ISSUER.upper(),
        " " + ISSUER,
        ISSUER + "\n",
        "",
        None,
        [ISSUER],
        {ISSUER: 1},
        "op.example",
    ],
)
def test_sec_J9_another_issuer_is_refused(issuer: Any) -> None:
    """J9: iss with a trailing slash, part of it, another case, a list."""
    with pytest.raises(JwtRejected, match=r"^iss$"):
        _check({**CLAIMS, "iss": issuer})


@pytest.mark.parametrize(
    "audience",
    ["clien", "client2", "lient", "Client", " client", "client other", "", [], ["clien", "lient"], [["client"]],
     ["client", 1], ["client", None], {"client": 1}, None, True, 1],
)  # fmt: skip
def test_sec_J9_an_audience_that_only_resembles_ours_is_refused(audience: Any) -> None:
    """J9: aud prefix or substring, a list with other things than text."""
    with pytest.raises(JwtRejected, match=r"^aud$"):
        _check({**CLAIMS, "aud": audience})


def test_a_malformed_audience_subject_or_id_is_refused_even_unasked() -> None:
    """Types are strict."""
    changes: list[dict[str, Any]] = [
        {"aud": 1},
        {"aud": ["a", 1]},
        {"sub": 1},
        {"sub": None},
        {"jti": 7},
        {"aud": []},
    ]
    for change in changes:
        with pytest.raises(JwtRejected):
            _check({**CLAIMS, **change}, audience=None)


# --- J10


def test_half_hashes_are_those_of_the_specification() -> None:
    """OpenID Connect Core appendix A.3 and A.4: at_hash of a known access token, c_hash of a known code."""
    assert half_hash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") == "77QmUPtjPfzWtF2AnpK9RQ"
    assert (
        half_hash("ES256", "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk")
        == "LDktKdoQak3Pk0cnXxCltA"
    )
    assert len(half_hash("EdDSA", "value")) == 43


@pytest.mark.parametrize("algorithm", ["none", "", "HS999", "RS256 ", "rs256", "unknown"])
def test_sec_J10_a_half_hash_of_an_unknown_algorithm_is_refused(algorithm: str) -> None:
    """J10: at_hash / c_hash with unknown alg: never a match by default."""
    with pytest.raises(JwtRejected, match=r"^alg$"):
        half_hash(algorithm, "value")


# --- J12, at the token


def test_sec_J12_a_token_with_a_signature_of_zeros_is_refused() -> None:
    """J12: the psychic signature, end to end."""
    token = sign_jwt(ES, CLAIMS, typ="JWT")
    assert _reason(token[: token.rindex(".") + 1] + b64(bytes(64))) == "signature"


# --- unverified


def test_unverified_parts_are_read_without_a_key_and_prove_nothing() -> None:
    """They choose the issuer or the key; the same token is then refused by verification."""
    token = forge(ATTACKER, {**CLAIMS, "iss": "https://attacker.example"}, jwk=ATTACKER.public_jwk)
    claims, header = unverified_claims(token), unverified_header(token)
    assert claims is not None
    assert claims["iss"] == "https://attacker.example"
    assert header is not None
    assert header["jwk"]["kid"] == ATTACKER.kid
    assert _reason(token) == "kid"
    assert unverified_claims(token, max_size=10) is None
    assert unverified_header(token + ".x") is None
