"""The DPoP proof as a JWT: made by a client, verified with the key it brings along (RFC 9449 §4.2, §4.3)."""

from functools import lru_cache

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from authwright.crypto import base64url
from authwright.crypto.jwt import JwtRejected, unverified_header, verify_jwt
from authwright.crypto.keys import SigningKey, VerificationKey
from authwright.protocol.dpop import MAX_PROOF, PROOF_TYPE, DpopProof, ProofRejected, parse_proof

PROOF_ALGORITHMS = ("ES256", "PS256", "EdDSA")
"""What a proof may be signed with: nothing symmetric, no `none`, and not the old RSA padding."""

_PRIVATE_TO_US = frozenset({"kid", "alg", "use"})
_encode_json = msgspec.json.Encoder().encode


class VerifiedProof(msgspec.Struct, frozen=True):
    """A proof whose signature was checked, and the key that made it. Its claims still need `check_proof`."""

    jkt: str
    """RFC 7638 thumbprint of the key."""
    proof: DpopProof


def sign_proof(key: SigningKey, proof: DpopProof) -> str:
    """The value of a request's `DPoP` header. Raises ValueError for a key whose algorithm no proof may have."""
    if key.algorithm not in PROOF_ALGORITHMS:
        raise ValueError(f"a DPoP proof is signed with one of {', '.join(PROOF_ALGORITHMS)}")
    signed = _header_segment(key) + base64url.encode(_encode_json(proof))
    return (signed + b"." + base64url.encode(key.sign(signed))).decode("ascii")


def generate_proof_key() -> SigningKey:
    """A new key to make proofs with, P-256 for ES256."""
    return SigningKey.generate(PROOF_ALGORITHMS[0])


def pack_proof_key(key: SigningKey) -> str:
    """43 characters that are the private key itself: for what is sealed as a whole, since a cookie has little room."""
    private = key._private
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("only a P-256 key is packed")
    return base64url.encode(private.private_numbers().private_value.to_bytes(32, "big")).decode("ascii")


def unpack_proof_key(text: str) -> SigningKey:
    """The reverse of `pack_proof_key`. Raises ValueError."""
    number = int.from_bytes(base64url.decode(text.encode("ascii")), "big")
    return SigningKey._of(ec.derive_private_key(number, ec.SECP256R1()), PROOF_ALGORITHMS[0])


@lru_cache(maxsize=64)
def _header_segment(key: SigningKey) -> bytes:
    jwk = {name: value for name, value in key.public_jwk.items() if name not in _PRIVATE_TO_US}
    return base64url.encode(_encode_json({"typ": PROOF_TYPE, "alg": key.algorithm, "jwk": jwk})) + b"."


def verify_proof(token: str) -> VerifiedProof:
    """Checks form, header, key and signature of a proof. Raises ProofRejected for whatever is not exactly right.

    Reasons: those of `verify_jwt`, `jwk`, and the name of a claim that is missing or of another type.
    """
    if len(token) > MAX_PROOF:
        raise ProofRejected("size")
    key, jkt = _key_of(token.partition(".")[0])
    try:
        verified = verify_jwt(
            token, key, algorithms=PROOF_ALGORITHMS, types=(PROOF_TYPE,), max_size=MAX_PROOF
        )
    except JwtRejected as rejected:
        raise ProofRejected(rejected.reason) from None
    return VerifiedProof(jkt, parse_proof(verified.claims))


# A client sends the same header with every proof, and reading the key out of it costs a third of verifying.
@lru_cache(maxsize=512)
def _key_of(header_segment: str) -> tuple[VerificationKey, str]:
    header = unverified_header(f"{header_segment}..", MAX_PROOF + 2)
    if header is None:
        raise ProofRejected("malformed")
    try:
        # RFC 9449 §4.3: the one place where a token's own header names its key, for it proves that key and no other.
        key = VerificationKey.from_jwk(header.get("jwk"))  # type: ignore[arg-type]
    except ValueError:
        raise ProofRejected("jwk") from None
    return key, key.thumbprint()
