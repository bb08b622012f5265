"""Every way in which a proof can be wrong, for the token endpoint and for UserInfo alike."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

from tests.provider.sender_constrained.peers import Prover

WrongProof = Callable[[Prover, str, str, str | None], str]


def with_claims(**changes: Any) -> WrongProof:
    return lambda prover, method, url, token: prover.proof(method, url, access_token=token, **changes)


def with_header(**changes: Any) -> WrongProof:
    return lambda prover, method, url, token: prover.proof(method, url, access_token=token, header=changes)


def _shifted(seconds: float) -> WrongProof:
    def make(prover: Prover, method: str, url: str, token: str | None) -> str:
        return prover.proof(method, url, access_token=token, iat=int(prover.clock().timestamp() + seconds))

    return make


def _reencoded(change: Callable[[dict[str, Any], dict[str, Any]], None], sign: bool = False) -> WrongProof:
    """A proof put together by hand, for what PyJWT will not write; signed again unless it is about the signature."""

    def make(prover: Prover, method: str, url: str, token: str | None) -> str:
        good = prover.proof(method, url, access_token=token)
        header_text, claims_text, signature = good.split(".")
        header, claims = json.loads(_decode(header_text)), json.loads(_decode(claims_text))
        change(header, claims)
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        if sign:
            from jwt.algorithms import get_default_algorithms

            algorithm = get_default_algorithms()[prover.algorithm]
            signature = _encode(algorithm.sign(signed.encode(), prover.key))
        return f"{signed}.{signature}"

    return make


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _other_key(prover: Prover, method: str, url: str, token: str | None) -> str:
    other = Prover(prover.clock)
    return prover.proof(method, url, access_token=token, signed_with=(other.key, "ES256"))


def _private(prover: Prover, method: str, url: str, token: str | None) -> str:
    return prover.proof(method, url, access_token=token, header={"jwk": prover.private_jwk})


def _rs256(prover: Prover, method: str, url: str, token: str | None) -> str:
    rsa = Prover(prover.clock, "PS256")
    return rsa.proof(method, url, access_token=token, signed_with=(rsa.key, "RS256"))


def _hs256(prover: Prover, method: str, url: str, token: str | None) -> str:
    secret = b"0123456789abcdef0123456789abcdef"
    return prover.proof(
        method,
        url,
        access_token=token,
        signed_with=(secret, "HS256"),
        header={"jwk": {"kty": "oct", "k": _encode(secret)}},
    )


def _hs256_of_public_key(prover: Prover, method: str, url: str, token: str | None) -> str:
    header = _encode(json.dumps({"typ": "dpop+jwt", "alg": "HS256", "jwk": prover.public_jwk}).encode())
    signed = f"{header}.{prover.proof(method, url, access_token=token).split('.')[1]}"
    # PyJWT will not take a JWK for a secret, which is the very mistake looked for here.
    return (
        f"{signed}.{_encode(hmac.digest(json.dumps(prover.public_jwk).encode(), signed.encode(), 'sha256'))}"
    )


def _none(prover: Prover, method: str, url: str, token: str | None) -> str:
    return prover.proof(method, url, access_token=token, signed_with=(None, "none"))


WRONG_PROOFS: dict[str, WrongProof] = {
    "no typ": _reencoded(lambda header, _: header.pop("typ"), sign=True),
    "typ JWT": with_header(typ="JWT"),
    "typ of an access token": with_header(typ="at+jwt"),
    "no alg": _reencoded(lambda header, _: header.pop("alg"), sign=True),
    "alg none": _none,
    "alg HS256": _hs256,
    "alg HS256 with the public key": _hs256_of_public_key,
    "alg RS256": _rs256,
    "alg is not the key's": _reencoded(lambda header, _: header.update(alg="PS256"), sign=True),
    "crit": with_header(crit=["exp"], exp=1),
    "no jwk": with_header(jwk=None),
    "jwk is text": with_header(jwk="key"),
    "jwk with private part": _private,
    "jwk off the curve": with_header(jwk={"kty": "EC", "crv": "P-256", "x": "AA" * 21 + "A", "y": "AA" * 21 + "A"}),
    "only a kid": with_header(jwk=None, kid="some-key"),
    "a jku": with_header(jwk=None, jku="https://attacker.example/jwks"),
    "signature of another key": _other_key,
    "claims changed after signing": _reencoded(lambda _, claims: claims.update(jti="another")),
    "no signature": lambda p, m, u, t: p.proof(m, u, access_token=t).rpartition(".")[0] + ".",
    "two parts": lambda p, m, u, t: p.proof(m, u, access_token=t).rpartition(".")[0],
    "no jwt": lambda p, m, u, t: "proof",
    "empty": lambda p, m, u, t: "",
    "two in one header": lambda p, m, u, t: f"{p.proof(m, u, access_token=t)}, {p.proof(m, u, access_token=t)}",
    "too long": with_claims(extra="x" * 4096),
    "no jti": with_claims(jti=None),
    "jti is a number": with_claims(jti=7),
    "jti is empty": with_claims(jti=""),
    "jti too long": with_claims(jti="x" * 513),
    "no htm": with_claims(htm=None),
    "htm in lower case": with_claims(htm="post"),
    "another htm": with_claims(htm="DELETE"),
    "no htu": with_claims(htu=None),
    "htu of another path": with_claims(htu="https://op.example/introspect"),
    "htu of another host": with_claims(htu="https://evil.example/token"),
    "htu with http": lambda p, m, u, t: p.proof(m, u.replace("https", "http"), access_token=t),
    "htu with another port": lambda p, m, u, t: p.proof(m, u.replace(".example", ".example:8443"), access_token=t),
    "htu with a user": lambda p, m, u, t: p.proof(m, u.replace("://", "://op@"), access_token=t),
    "htu with a slash more": lambda p, m, u, t: p.proof(m, u + "/", access_token=t),
    "htu is a path": with_claims(htu="/token"),
    "no iat": with_claims(iat=None),
    "iat is text": with_claims(iat="1767268800"),
    "iat is true": with_claims(iat=True),
    "iat is huge": with_claims(iat=10**300),
    "iat an hour ago": _shifted(-3600),
    "iat in an hour": _shifted(3600),
    "iat a minute and a second ago": _shifted(-61),
    "iat in a minute": _shifted(60),
    "nonce is a number": with_claims(nonce=1),
}  # fmt: skip


GOOD_PROOFS: dict[str, WrongProof] = {
    "htu with query": lambda p, m, u, t: p.proof(m, u + "?a=b", access_token=t),
    "htu with fragment": lambda p, m, u, t: p.proof(m, u + "#frag", access_token=t),
    "htu in upper case": lambda p, m, u, t: p.proof(m, u.replace("https://op.example", "HTTPS://OP.Example"), access_token=t),
    "htu with the default port": lambda p, m, u, t: p.proof(m, u.replace(".example", ".example:443"), access_token=t),
    "htu with needless escapes": lambda p, m, u, t: p.proof(m, u.replace("/t", "/%74").replace("/u", "/%75"), access_token=t),
    "iat 10 seconds ago": _shifted(-10),
    "iat in 10 seconds": _shifted(10),
    "iat a minute ago": _shifted(-60),
    "more claims": with_claims(exp=1, nbf=9_999_999_999, foo={"bar": 1}),
    "more header members": with_header(foo="bar", kid="whatever"),
}  # fmt: skip
