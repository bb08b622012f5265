"""sec_J, sec_G5: what the rows about signed tokens ask for, at the door where ID tokens come in: nobody is signed in.

The rows themselves are held in tests/crypto; here is shown that the callback asks that room, with our keys and our rules.
"""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from authwright.crypto import base64url
from authwright.crypto.jwt import unverified_claims
from authwright.crypto.keys import SigningKey
from authwright.protocol.http import Json
from tests.relying_party.hostile_provider import (
    Browser,
    Clock,
    HostileProvider,
    error_code,
    relying_party,
    sign_in,
)

Forge = Callable[[HostileProvider, dict[str, Json]], str]


def compact(
    header: dict[str, Any] | bytes, claims: dict[str, Json] | bytes, sign: Callable[[bytes], bytes]
) -> str:
    """A token with whatever header and claims."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = b".".join(base64url.encode(part) for part in parts)
    return (signed + b"." + base64url.encode(sign(signed))).decode()


def signed(claims: dict[str, Json] | None = None, /, *, raw: bytes | None = None, **header: Any) -> Forge:
    """Signed as it should be, with other members in the header, other claims, or other octets in their place."""

    def forge(provider: HostileProvider, good: dict[str, Json]) -> str:
        members = {"alg": provider.key.algorithm, "kid": provider.key.kid, "typ": "JWT", **header}
        written = raw or json.dumps({**good, **(claims or {})}).encode()
        kept = {name: value for name, value in members.items() if value is not None}
        return compact(kept, written, provider.key.sign)

    return forge


def unsigned(algorithm: str) -> Forge:
    return lambda provider, good: compact({"alg": algorithm}, good, lambda _: b"")


def hmac_with_public_key(provider: HostileProvider, good: dict[str, Json]) -> str:
    secret = json.dumps(provider.key.public_jwk).encode()
    header = {"alg": "HS256", "kid": provider.key.kid}
    return compact(header, good, lambda octets: hmac.new(secret, octets, sha256).digest())


def own_key(**header: Callable[[SigningKey], Any]) -> Forge:
    """Signed by an attacker, whose key is in the header, or where the header says."""

    def forge(provider: HostileProvider, good: dict[str, Json]) -> str:
        key = SigningKey.generate("ES256")
        members = {"alg": "ES256", "kid": provider.key.kid, **{name: of(key) for name, of in header.items()}}
        return compact(members, good, key.sign)

    return forge


def zeros(provider: HostileProvider, good: dict[str, Json]) -> str:
    return compact({"alg": "ES256", "kid": provider.key.kid}, good, lambda _: bytes(64))


def changed(change: Callable[[str], str]) -> Forge:
    return lambda provider, good: change(signed()(provider, good))


EVIL = "https://evil.example/keys"
DEEP = b'{"a":' * 40 + b"1" + b"}" * 40
ROWS: tuple[tuple[str, Forge], ...] = (
    *((f"J1 {name or 'empty'}", unsigned(name)) for name in ("none", "None", "nOnE", "NONE", "")),
    ("J1 missing alg", signed(alg=None)),
    ("J1 empty signature", changed(lambda token: token.rpartition(".")[0] + ".")),
    ("J2 the public key as a secret", hmac_with_public_key),
    ("J3 jwk", own_key(jwk=lambda key: dict(key.public_jwk))),
    ("J3 jku", own_key(jku=lambda key: EVIL)),
    ("J3 x5u", own_key(x5u=lambda key: EVIL)),
    ("J3 x5c", own_key(x5c=lambda key: ["MIIB"])),
    ("J4 unknown crit", signed(crit=["x"], x=1)),
    ("J4 empty crit", signed(crit=[])),
    ("J4 b64", signed(b64=False, crit=["b64"])),
    ("J5 path", signed(kid="../../etc/passwd")),
    ("J5 long", signed(kid="k" * 300)),
    ("J5 no text", signed(kid=["a"])),
    *((f"J6 {name}", signed(typ=name)) for name in ("at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt")),
    ("J7 PBES2", signed(alg="PBES2-HS256+A128KW")),
    ("J7 RSA1_5", signed(alg="RSA1_5")),
    ("J7 zip", signed(zip="DEF")),
    ("J8 large", signed({"x": "y" * 20_000})),
    ("J8 depth", signed(raw=DEEP)),
    ("J8 many claims", signed({f"c{number}": number for number in range(300)})),
    ("J8 a member twice", signed(raw=b'{"sub":"u-alice","sub":"u-mallory"}')),
    ("J8 NaN", signed(raw=b'{"exp":NaN}')),
    ("J8 exp as text", signed({"exp": "99999999999"})),
    ("J8 exp without end", signed(raw=b'{"exp":1e300}')),
    ("J8 negative iat", signed({"iat": -1})),
    ("J8 padding", changed(lambda token: token + "=")),
    ("J8 white space", changed(lambda token: " " + token)),
    ("J9 audience prefix", signed({"aud": "we"})),
    ("J9 audience substring", signed({"aud": ["xwebx"]})),
    ("J9 another audience beside us", signed({"aud": ["web", "other"], "azp": "web"})),
    ("J9 issuer with a slash", signed({"iss": "https://op.example/"})),
    ("J10 a hash of nothing known", signed({"at_hash": "AAAA"})),
    ("J11 five parts", changed(lambda token: token + ".e30.e30")),
    ("J12 a signature of zeros", zeros),
    ("J13 truncated", changed(lambda token: token[:-1])),
    ("J13 extended", changed(lambda token: token + "A")),
    ("J13 junk behind it", changed(lambda token: token + "~x")),
)  # fmt: skip


async def refused(provider: HostileProvider, forge: Forge) -> str:
    """The reason, after a sign-in whose ID token is forged."""
    mint = provider.mint_id_token

    def forged(*args: Any, **named: Any) -> str:
        return forge(provider, dict(unverified_claims(mint(*args, **named)) or {}))

    provider.mint_id_token = forged  # type: ignore[method-assign]
    browser = Browser(relying_party(provider))
    response = await sign_in(provider, browser)
    assert response.status == 400
    assert not browser.signed_in
    return error_code(response)


@pytest.mark.parametrize(("name", "forge"), ROWS, ids=[name for name, _ in ROWS])
async def test_sec_J1_to_J13_no_such_id_token_signs_anybody_in(
    provider: HostileProvider, name: str, forge: Forge
) -> None:
    """J1 to J13: 400 with a reason about the ID token; nobody but the provider is asked for keys, or for anything."""
    assert (await refused(provider, forge)).startswith("id_token_")
    assert provider.asked("/userinfo") == 0
    assert {request.origin for request in provider.requests} == {provider.issuer}


async def test_the_forger_can_do_right_as_well(provider: HostileProvider) -> None:
    """So that a row is refused for what is wrong in it, and for nothing else."""
    mint = provider.mint_id_token
    provider.mint_id_token = lambda *args, **named: signed()(  # type: ignore[method-assign]
        provider, dict(unverified_claims(mint(*args, **named)) or {})
    )
    assert (await sign_in(provider, Browser(relying_party(provider)))).status == 303


async def test_sec_J12_a_weak_key_of_the_provider_verifies_nothing() -> None:
    """J12: RSA under 2048 bits is refused where keys are read, though it is what the provider publishes."""
    provider = HostileProvider(Clock(), algorithm="RS256")
    modulus = ((1 << 1023) | 12345).to_bytes(128)
    weak = {"kty": "RSA", "kid": provider.key.kid, "e": "AQAB", "n": base64url.encode(modulus).decode()}
    provider.published = [weak]
    response = await sign_in(provider, Browser(relying_party(provider)))
    assert (response.status, error_code(response)) == (503, "no_usable_key")


async def test_sec_G5_made_up_key_ids_bring_one_fetch_a_minute(provider: HostileProvider) -> None:
    """G5: a flood of unknown key ids through the browser: one fetch a minute, and the good key still signs in."""
    browser = Browser(relying_party(provider))
    assert (await sign_in(provider, browser)).status == 303
    fetched = provider.asked("/jwks")
    mint = provider.mint_id_token
    numbers = iter(range(100))

    def unknown(*args: Any, **named: Any) -> str:
        claims = dict(unverified_claims(mint(*args, **named)) or {})
        return signed(kid=f"made-up-{next(numbers)}")(provider, claims)

    provider.mint_id_token = unknown  # type: ignore[method-assign]
    for _ in range(20):
        assert error_code(await sign_in(provider, browser)) == "id_token_kid"
    assert provider.asked("/jwks") == fetched + 1
    provider.clock.forward(seconds=60)
    for _ in range(5):
        await sign_in(provider, browser)
    assert provider.asked("/jwks") == fetched + 2
    provider.down.add("/jwks")
    provider.clock.forward(seconds=60)
    await sign_in(provider, browser)
    provider.mint_id_token = mint  # type: ignore[method-assign]
    assert (await sign_in(provider, browser)).status == 303
