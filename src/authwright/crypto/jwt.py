"""Signed JWTs in compact form (RFC 7515, RFC 7519), read as RFC 8725 tells a careful reader to.

The reader takes the algorithm from an allow-list and from the key, the key from a set the caller trusts, and the
meaning of the token from its `typ`. Nothing in a token's header can widen any of the three.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from authwright.crypto import base64url
from authwright.crypto.algorithms import ALGORITHMS
from authwright.crypto.keys import MAX_KID_BYTES, KeySet, SigningKey, VerificationKey
from authwright.crypto.shared_secrets import HS256, SharedSecret
from authwright.crypto.strict_json import parse_object
from authwright.protocol.http import Json

MAX_SIZE = 16_384
MAX_VERIFICATIONS = 4
_LATEST = 253_402_300_799
"""The last second of the year 9999: no later moment can be shown as a date."""

_encode_json = msgspec.json.Encoder().encode


class JwtRejected(Exception):
    """The token is not accepted. It carries a short code for the log, and nothing of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class VerifiedJwt(msgspec.Struct, frozen=True):
    """A token whose signature and `typ` were checked; its claims still need `check_claims`."""

    header: Mapping[str, Json]
    claims: Mapping[str, Json]

    def __repr__(self) -> str:
        # Claims are personal data.
        return f"VerifiedJwt(alg={self.header.get('alg')!r}, typ={self.header.get('typ')!r})"


def sign_jwt(key: SigningKey, claims: Mapping[str, Json], *, typ: str) -> str:
    """The compact JWS of `claims`; `typ` as it stands in the header ("JWT", "at+jwt"), "" for none."""
    payload = _encode_json(claims if type(claims) is dict else dict(claims))
    signed = _header_segment(key.algorithm, key.kid, typ) + base64url.encode(payload)
    return (signed + b"." + base64url.encode(key.sign(signed))).decode("ascii")


def sign_shared_secret_jwt(secret: SharedSecret, claims: Mapping[str, Json], *, typ: str) -> str:
    """The compact JWS of `claims` under HS256, for client_secret_jwt alone (OpenID Connect Core §9)."""
    header = _encode_json({"alg": HS256, "typ": typ})
    signed = base64url.encode(header) + b"." + base64url.encode(_encode_json(dict(claims)))
    return (signed + b"." + base64url.encode(secret.sign(signed))).decode("ascii")


@lru_cache(maxsize=64)
def _header_segment(algorithm: str, kid: str, typ: str) -> bytes:
    header = {"alg": algorithm, "typ": typ, "kid": kid} if typ else {"alg": algorithm, "kid": kid}
    return base64url.encode(_encode_json(header)) + b"."


def verify_jwt(
    token: str,
    keys: KeySet | VerificationKey,
    *,
    algorithms: Collection[str],
    types: Collection[str],
    max_size: int = MAX_SIZE,
) -> VerifiedJwt:
    """Checks form, header and signature of `token`. Raises JwtRejected for whatever is not exactly right.

    `keys`: a set, where the token's kid chooses, or the one key that must have signed, whatever kid is claimed.
    `algorithms`: the `alg` values this use accepts; the key must allow the value too.
    `types`: the `typ` values this use accepts, in lower case without "application/"; "" stands for no `typ`.
    Reasons: size, segments, encoding, header, alg, crit, b64, zip, typ, kid, key, signature, claims.
    An unknown kid is `kid`: a fresh copy of the key set may help. A known kid of another algorithm is `key`.
    """
    # 1. The form: bounded before a single byte is decoded (RFC 8725 §3.2 and the update's advice on size).
    header_text, payload_text, signature_text = _segments(token, max_size)
    header = _object(header_text, "header")

    # 2. The header.
    algorithm = _checked_algorithm(header, algorithms, types)
    if algorithm not in ALGORITHMS:
        raise JwtRejected("alg")

    # 3. The key: only ever one of `keys`. `jwk`, `jku`, `x5u` and `x5c` in the header play no part in it.
    candidates = _candidates(keys, header, algorithm)

    # 4. The signature.
    signature = _decoded(signature_text)
    payload = _decoded(payload_text)
    signed = header_text + b"." + payload_text
    for key in candidates[:MAX_VERIFICATIONS]:
        if key.verify(algorithm, signed, signature):
            break
    else:
        raise JwtRejected("signature")

    # 5. The claims, read only now that their author is known.
    try:
        return VerifiedJwt(header, parse_object(payload))
    except ValueError:
        raise JwtRejected("claims") from None


def verify_shared_secret_jwt(
    token: str, secrets: Collection[SharedSecret], *, types: Collection[str], max_size: int = MAX_SIZE
) -> VerifiedJwt:
    """Checks form, header and HS256 signature of `token`, made with one of a client's `secrets`.

    The only place where a secret verifies anything, for client_secret_jwt alone (OpenID Connect Core §9). It takes no
    key set, as `verify_jwt` takes no secret, so a public key can never be taken for one (RFC 8725 §3.1).
    `types` as in `verify_jwt`. Raises JwtRejected with the reasons of `verify_jwt`.
    """
    header_text, payload_text, signature_text = _segments(token, max_size)
    header = _object(header_text, "header")
    _checked_algorithm(header, (HS256,), types)
    signature = _decoded(signature_text)
    payload = _decoded(payload_text)
    signed = header_text + b"." + payload_text
    matched = False
    for secret in secrets:
        matched |= secret.verify(signed, signature)
    if not matched:
        raise JwtRejected("signature")
    try:
        return VerifiedJwt(header, parse_object(payload))
    except ValueError:
        raise JwtRejected("claims") from None


def check_claims(
    claims: Mapping[str, Json],
    *,
    issuer: str,
    audience: str | None,
    now: datetime,
    leeway: timedelta = timedelta(0),
    required: Collection[str] = (),
) -> None:
    """Checks the claims every JWT of ours and our peers' has (RFC 7519 §4.1). Raises JwtRejected naming the claim.

    `issuer`: equals `iss` exactly. `audience`: is `aud`, or an exact member of it; None = not looked at, though
    `aud` must still be well-formed. `exp` is always required; `nbf` and `iat` count when present. `leeway` is
    granted on each time. `required`: further claims that must be present and not null.
    """
    for name in required:
        if claims.get(name) is None:
            raise JwtRejected(name)
    if claims.get("iss") != issuer:
        raise JwtRejected("iss")

    named = claims.get("aud")
    if named is not None and type(named) is not str and not _is_list_of_text(named):
        raise JwtRejected("aud")
    # Never `in` on the text itself: that would accept any part of it.
    if audience is not None and named != audience and not (type(named) is list and audience in named):
        raise JwtRejected("aud")

    for name in ("sub", "jti"):
        if name in claims and type(claims[name]) is not str:
            raise JwtRejected(name)

    moment = now.timestamp()
    slack = leeway.total_seconds()
    # RFC 7519 §4.1.4: on `exp` itself the token is already too old.
    if "exp" not in claims or _numeric_date(claims, "exp") + slack <= moment:
        raise JwtRejected("exp")
    if "nbf" in claims and _numeric_date(claims, "nbf") - slack > moment:
        raise JwtRejected("nbf")
    if "iat" in claims and _numeric_date(claims, "iat") - slack > moment:
        raise JwtRejected("iat")


def half_hash(algorithm: str, value: str) -> str:
    """`at_hash`, `c_hash` or `s_hash` of `value` in a token signed with `algorithm` (OIDC Core §3.1.3.6).

    Raises JwtRejected("alg") for an unknown algorithm: a hash that cannot be checked is not one that matched.
    """
    if algorithm not in ALGORITHMS:
        raise JwtRejected("alg")
    digest = ALGORITHMS[algorithm].half_hash(value.encode("utf-8", "surrogatepass")).digest()
    return base64url.encode(digest[: len(digest) // 2]).decode("ascii")


def unverified_claims(token: str, max_size: int = MAX_SIZE) -> Mapping[str, Json] | None:
    """What a token says of itself, unproven; None when it has not the form of one.

    Only for choosing the issuer or client whose keys then verify it. Nothing else may rest on it.
    """
    try:
        _, payload, _ = _segments(token, max_size)
        return _object(payload, "claims")
    except JwtRejected:
        return None


def unverified_header(token: str, max_size: int = MAX_SIZE) -> Mapping[str, Json] | None:
    """A token's header, unproven; None when it has not the form of a token.

    Only for finding the key that then verifies it, such as the `jwk` of a DPoP proof (RFC 9449 §4.2).
    """
    try:
        header, _, _ = _segments(token, max_size)
        return _object(header, "header")
    except JwtRejected:
        return None


def _segments(token: str, max_size: int) -> tuple[bytes, bytes, bytes]:
    if not isinstance(token, str) or len(token) > max_size:
        raise JwtRejected("size")
    if not token.isascii():
        raise JwtRejected("encoding")
    # Counted before splitting: a token of dots would make thousands of segments.
    if token.count(".") != 2:
        raise JwtRejected("segments")
    header, payload, signature = token.encode("ascii").split(b".")
    return header, payload, signature


def _decoded(text: bytes) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError:
        raise JwtRejected("encoding") from None


def _checked_algorithm(
    header: Mapping[str, Json], algorithms: Collection[str], types: Collection[str]
) -> str:
    algorithm = header.get("alg")
    if type(algorithm) is not str or algorithm not in algorithms:
        raise JwtRejected("alg")
    # RFC 7515 §4.1.11: we understand no critical extension, so any is refused, and an empty list is malformed.
    for refused in ("crit", "b64", "zip"):
        if refused in header:
            raise JwtRejected(refused)
    if _media_type(header) not in types:
        raise JwtRejected("typ")
    return algorithm


def _object(text: bytes, reason: str) -> dict[str, Json]:
    try:
        return parse_object(_decoded(text))
    except ValueError:
        raise JwtRejected(reason) from None


def _media_type(header: Mapping[str, Json]) -> str:
    """RFC 7515 §4.1.9: `typ` in lower case without "application/"; "" when absent."""
    typ = header.get("typ")
    if typ is None and "typ" not in header:
        return ""
    name = typ.lower().removeprefix("application/") if type(typ) is str else ""
    # An empty name must not pass for an absent one.
    if not name:
        raise JwtRejected("typ")
    return name


def _candidates(
    keys: KeySet | VerificationKey, header: Mapping[str, Json], algorithm: str
) -> tuple[VerificationKey, ...]:
    kid = header.get("kid")
    if "kid" in header and (type(kid) is not str or len(kid.encode("utf-8")) > MAX_KID_BYTES):
        raise JwtRejected("kid")
    if isinstance(keys, VerificationKey):
        return (keys,)
    candidates = keys.candidates(kid, algorithm)
    if not candidates:
        raise JwtRejected("kid" if kid is not None and not keys.has(kid) else "key")
    return candidates


def _is_list_of_text(value: Json) -> bool:
    return type(value) is list and bool(value) and all(type(item) is str for item in value)


def _numeric_date(claims: Mapping[str, Json], name: str) -> float:
    # bool is an int in Python, and "12" is a date in lenient libraries: neither is one here.
    value = claims[name]
    if (type(value) is not int and type(value) is not float) or not 0 <= value <= _LATEST:
        raise JwtRejected(name)
    return float(value)
