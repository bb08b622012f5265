"""DPoP proofs as values: the example of RFC 9449, both directions, and one spelling for one URL."""

from datetime import UTC, datetime, timedelta

import pytest

from authwright.crypto.dpop import sign_proof, verify_proof
from authwright.crypto.keys import SigningKey
from authwright.protocol.dpop import (
    DpopProof,
    ProofRejected,
    access_token_hash,
    build_proof,
    check_proof,
    normalised_htu,
    parse_proof,
    read_proof,
)
from authwright.protocol.http import Headers, HttpRequest

EXAMPLE = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0Rs"
    "cEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2"
    "In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2V"
    "uIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xR"
    "ZT3Lg"
)
URL = "https://server.example.com/token"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_example_of_rfc_9449_4_1() -> None:
    """The proof, and the thumbprint RFC 9449 §6.1 gives for its key."""
    verified = verify_proof(EXAMPLE)
    assert verified.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert verified.proof == DpopProof(jti="-BwC3ESc6acc2lTc", htm="POST", htu=URL, iat=1562262616)
    check_proof(verified.proof, method="POST", url=URL, now=datetime.fromtimestamp(1562262620, UTC))


def test_the_access_token_hash_of_rfc_9449_7_1() -> None:
    """`ath` of the example."""
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    assert access_token_hash(token) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
def test_what_is_built_is_what_is_read(algorithm: str) -> None:
    """Both roles speak one language; the thumbprint is the key's kid."""
    key = SigningKey.generate(algorithm)
    proof = build_proof(
        "GET", "HTTPS://API.example:443/a%2fb?c#d", jti="j", now=NOW, access_token="t", nonce="n"
    )
    assert (proof.htu, proof.nonce) == ("https://api.example/a%2Fb", "n")
    verified = verify_proof(sign_proof(key, proof))
    assert (verified.jkt, verified.proof) == (key.kid, proof)
    check_proof(verified.proof, method="GET", url="https://api.example/a%2Fb", now=NOW, access_token="t")


def test_a_proof_is_for_one_request_at_one_time() -> None:
    """Method, URL, token and time, each refused by its own name."""
    proof = build_proof("GET", URL, jti="j", now=NOW, access_token="t")
    good = {"method": "GET", "url": URL, "now": NOW, "access_token": "t"}
    for change, reason in (
        ({"method": "POST"}, "htm"),
        ({"url": URL + "s"}, "htu"),
        ({"now": NOW + timedelta(seconds=61)}, "iat"),
        ({"now": NOW - timedelta(seconds=31)}, "iat"),
        ({"access_token": "u"}, "ath"),
    ):
        with pytest.raises(ProofRejected) as rejected:
            check_proof(proof, **{**good, **change})  # type: ignore[arg-type]
        assert rejected.value.reason == reason
    for seconds in (-30, 60):
        check_proof(proof, **{**good, "now": NOW + timedelta(seconds=seconds)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"jti": "j", "htm": "GET", "htu": URL},
        {"jti": "j", "htm": "GET", "htu": URL, "iat": "1"},
        {"jti": "j", "htm": "GET", "htu": URL, "iat": True},
        {"jti": ["j"], "htm": "GET", "htu": URL, "iat": 1},
        {"jti": "j", "htm": "GET", "htu": None, "iat": 1},
        {"jti": "j", "htm": "GET", "htu": URL, "iat": 1, "ath": 1},
        {"jti": "j", "htm": "GET", "htu": URL, "iat": 1, "nonce": None},
    ],
)
def test_claims_of_another_type_are_refused(claims: dict[str, object]) -> None:
    """RFC 9449 §4.2: jti, htm, htu and iat are there, and each claim has its type."""
    with pytest.raises(ProofRejected):
        parse_proof(claims)


@pytest.mark.parametrize(
    ("url", "normalised"),
    [
        ("https://A.example", "https://a.example/"),
        ("https://a.example:443/x", "https://a.example/x"),
        ("https://a.example:/x", "https://a.example/x"),
        ("http://a.example:80/x", "http://a.example/x"),
        ("http://a.example:443/x", "http://a.example:443/x"),
        ("https://[::1]:8443/X?y#z", "https://[::1]:8443/X"),
        ("https://a.example/%7Euser/%2f", "https://a.example/~user/%2F"),
        ("https://a.example/x/", "https://a.example/x/"),
        ("https://u@a.example/x", None),
        ("https:///x", None),
        ("ftp://a.example/x", None),
        ("/x", None),
        ("https://a.example\\@b.example/", None),
        ("https://a.example/\n", None),
        ("https://é.example/", None),
        ("https://[::1/", None),
        ("", None),
    ],
)
def test_sec_D2_one_url_has_one_spelling(url: str, normalised: str | None) -> None:
    """D2: query, fragment, case of scheme and host, default port and needless escapes do not count; all else does."""
    assert normalised_htu(url) == normalised


def test_sec_D1_a_request_carries_one_proof_of_a_bounded_length() -> None:
    """D1: two DPoP headers are refused; so is one of more than 4096 characters, before it is looked at."""

    def with_proofs(*proofs: str) -> HttpRequest:
        return HttpRequest("GET", "/", headers=Headers.of([("DPoP", proof) for proof in proofs]))

    assert read_proof(with_proofs()) is None
    assert read_proof(with_proofs("x" * 4096)) == "x" * 4096
    for proofs, reason in ((("a", "a"), "two_proofs"), (("x" * 4097,), "size")):
        with pytest.raises(ProofRejected) as rejected:
            read_proof(with_proofs(*proofs))
        assert rejected.value.reason == reason


def test_a_proof_shows_nothing_of_itself() -> None:
    """Neither in its own text nor in a refusal's."""
    proof = build_proof("GET", URL, jti="the-jti", now=NOW, access_token="t", nonce="the-nonce")
    assert "the-jti" not in repr(proof)
    assert "the-nonce" not in repr(proof)
    with pytest.raises(ValueError, match="http or https"):
        build_proof("GET", "mailto:a@b.example", jti="j", now=NOW)
