"""What the provider encrypts to this client, opened (RFC 7516; OpenID Connect Core §10.2, RFC 7591 §2)."""

from dataclasses import dataclass

from authwright.crypto.jwe import CONTENT_ENCRYPTIONS, DecryptionKey, JweRejected, decrypt, is_encrypted

SEGMENTS_OF_A_JWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """As it is registered: what comes encrypted, and must; what is not named here must not.

    `id_token` is `id_token_encrypted_response_alg`, `userinfo` is `userinfo_encrypted_response_alg`, `response` is
    `authorization_encrypted_response_alg`. Several keys are for while one replaces another. Raises ValueError.
    """

    keys: tuple[DecryptionKey, ...]
    id_token: bool = False
    userinfo: bool = False
    response: bool = False
    encryptions: tuple[str, ...] = CONTENT_ENCRYPTIONS
    """The values of `enc` to take."""

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("encrypted: no key to decrypt with")
        if not set(self.encryptions) <= set(CONTENT_ENCRYPTIONS) or not self.encryptions:
            raise ValueError(f"encrypted: encryptions are some of {', '.join(CONTENT_ENCRYPTIONS)}")


def content_of(token: str, encrypted: Encrypted) -> bytes:
    """What is inside. Raises JweRejected."""
    return decrypt(token, encrypted.keys, encryptions=encrypted.encryptions)


def signed_part(token: str, encrypted: Encrypted | None, *, wanted: bool) -> str:
    """The signed JWT inside `token`, or `token` itself where nothing is encrypted. Raises JweRejected.

    `wanted`: it is registered to come encrypted, so a token that is not is refused.
    """
    if encrypted is None or not wanted:
        # A token that is encrypted all the same has five parts, which no signature check takes.
        return token
    if not is_encrypted(token):
        raise JweRejected
    return jws_of(content_of(token, encrypted))


def jws_of(content: bytes) -> str:
    """The signed JWT that was encrypted. Raises JweRejected."""
    try:
        inner = content.decode("ascii")
    except UnicodeDecodeError:
        raise JweRejected from None
    # Core §10.2: signed, then encrypted: one layer and no more.
    if inner.count(".") != SEGMENTS_OF_A_JWS - 1:
        raise JweRejected
    return inner
