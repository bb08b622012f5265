"""How a declared client authenticates: what fits together, and the one line for what does not."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authwright.crypto.keys import SigningKey
from authwright.crypto.seal import RootKeys
from authwright.server import declared
from authwright.server.apply import client_differences
from authwright.server.config import ConfigurationError, load
from authwright.stores.memory import memory_stores

MINIMAL = 'issuer = "https://auth.example.com"\n'
MACHINE = '[[clients]]\nclient_id = "m"\ngrant_types = ["client_credentials"]\nscope = "read"\n'
SECRET = "hush-hush-hush-hush-hush-hush-hush"
PHC = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
JWK = SigningKey.generate("ES256").public_jwk


def table(members: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in members.items()) + "}"


JWKS = f"jwks = {{ keys = [{table(JWK)}] }}\n"
TLS = 'token_endpoint_auth_method = "tls_client_auth"\n'


def write(directory: Path, text: str) -> Path:
    file = directory / "authwright.toml"
    file.write_text(MINIMAL + MACHINE + text, "utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (f'client_secret = "{SECRET}"', "client_secret_basic"),
        (JWKS, "private_key_jwt"),
        ('jwks_uri = "https://a.example/jwks"', "private_key_jwt"),
        (
            f'client_secret = "{SECRET}"\ntoken_endpoint_auth_method = "client_secret_jwt"',
            "client_secret_jwt",
        ),
        (f'client_secret = "{SECRET}"\n{JWKS}', "client_secret_basic"),
    ],
)
def test_the_method_follows_from_what_is_declared(tmp_path: Path, text: str, method: str) -> None:
    """By its secret, else by its keys; a method that is written decides."""
    client = load(write(tmp_path, text), {}).values.clients[0]
    assert client.auth_method == method
    registered = declared.registration(client, datetime.now(UTC)).client
    assert registered.token_endpoint_auth_method == method
    assert bool(registered.jwks or registered.jwks_uri) is ("jwks" in text)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (JWKS + 'jwks_uri = "https://a.example/jwks"', "jwks_uri", "one of them"),
        ('jwks_uri = "http://a.example/jwks"', "jwks_uri", "an https URL"),
        ("jwks = { keys = [] }", "jwks", "no key that can be used"),
        ("jwks = { key = 1 }", "jwks", "RFC 7517"),
        (f"jwks = {{ keys = [{table({**JWK, 'd': SECRET})}] }}", "jwks", "private or symmetric"),
        ('token_endpoint_auth_method = "private_key_jwt"', "jwks", "is missing"),
        ('token_endpoint_auth_method = "client_secret_jwt"', "client_secret", "is missing"),
        (
            f'client_secret_hash = "{PHC}"\ntoken_endpoint_auth_method = "client_secret_jwt"',
            "client_secret_hash",
            "needs the secret itself",
        ),
        (
            'client_secret = "hush-hush"\ntoken_endpoint_auth_method = "client_secret_jwt"',
            "client_secret",
            "at least 32 bytes",
        ),
        (
            f'client_secret = "{SECRET}"\ntoken_endpoint_auth_method = "private_key_jwt"\n{JWKS}',
            "client_secret",
            "a method with a secret",
        ),
        (JWKS + 'token_endpoint_auth_signing_alg = "HS256"', "token_endpoint_auth_signing_alg", "asymmetric"),
        (
            f'client_secret = "{SECRET}"\ntoken_endpoint_auth_signing_alg = "ES256"',
            "token_endpoint_auth_signing_alg",
            "found 'ES256'",
        ),
        (TLS, "tls_client_auth_subject_dn", "exactly one of"),
        (
            TLS + 'tls_client_auth_san_dns = "a.example"\ntls_client_auth_san_email = "a@b.c"',
            "tls_client_auth_san_email",
            "exactly one of",
        ),
        (TLS + 'tls_client_auth_subject_dn = "client"', "tls_client_auth_subject_dn", "found 'client'"),
        (TLS + 'tls_client_auth_san_ip = "a.example"', "tls_client_auth_san_ip", "found 'a.example'"),
        (TLS + 'tls_client_auth_san_dns = "a.example"', "token_endpoint_auth_method", "http.trusted_proxies"),
        (JWKS + 'tls_client_auth_san_dns = "a.example"', "tls_client_auth_san_dns", "'private_key_jwt'"),
        (
            JWKS + 'token_endpoint_auth_method = "self_signed_tls_client_auth"',
            "jwks",
            "needs the client's certificate",
        ),
    ],
)
def test_what_does_not_fit_stops_the_start_in_one_line(
    tmp_path: Path, text: str, key: str, said: str
) -> None:
    """The file, the key, what is wrong and what is allowed; never the secret."""
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text), {})
    assert f"clients[0].{key}" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_certificate_client_behind_a_proxy_is_read(tmp_path: Path) -> None:
    """With http.trusted_proxies the method and its name reach the client."""
    text = TLS + 'tls_client_auth_subject_dn = "CN=client,O=Example"\n[http]\ntrusted_proxies = ["10.0.0.1"]'
    table = load(write(tmp_path, text), {}).values.clients[0]
    registered = declared.registration(table, datetime.now(UTC)).client
    assert registered.token_endpoint_auth_method == "tls_client_auth"
    assert registered.tls_client_auth_subject_dn == "CN=client,O=Example"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[outbound]\nallow = ["https://a.example/"]', "outbound.allow[0]"),
        ('[outbound]\nca_file = "no-such-file.pem"', "outbound.ca_file"),
        ('[outbound]\nca_file = "authwright.toml"', "outbound.ca_file"),
    ],
)
def test_what_may_be_called_is_checked(tmp_path: Path, text: str, key: str) -> None:
    """[outbound] is read and wrong entries stop the start."""
    file = tmp_path / "authwright.toml"
    file.write_text(MINIMAL + text, "utf-8")
    with pytest.raises(ConfigurationError, match=key.replace("[", r"\[")):
        load(file, {})
    file.write_text(MINIMAL + '[outbound]\nallow = ["10.0.0.1", "idp.internal:8443"]', "utf-8")
    assert load(file, {}).values.outbound.allow == ("10.0.0.1", "idp.internal:8443")


async def test_applying_twice_seals_a_shared_secret_once(tmp_path: Path) -> None:
    """A sealed secret looks different each time it is sealed; the second time nothing changes all the same."""
    keys = RootKeys([bytes(32)])
    now = datetime.now(UTC)
    stores = memory_stores()

    async def apply(text: str) -> list[list[str]]:
        tables = load(write(tmp_path, f'client_secret = "{SECRET}"\n' + text), {}).values.clients
        seal = declared.secret_seal(keys)
        found = await client_differences(
            tables, stores.clients, declared.handles(keys), seal, now, prune=False
        )
        for difference in found:
            assert difference.after is not None
            await stores.clients.put(difference.after)  # type: ignore[arg-type]
        return [difference.lines() for difference in found]

    shared = 'token_endpoint_auth_method = "client_secret_jwt"'
    assert await apply("") == [["+ client m"]]
    changed = await apply(shared)
    assert any("token_endpoint_auth_method" in line for line in changed[0])
    assert SECRET not in str(changed)
    assert await apply(shared) == []
    stored = await stores.clients.get("m")
    assert stored is not None
    assert stored.secrets[0].sealed
    await apply("")
    stored = await stores.clients.get("m")
    assert stored is not None
    assert not stored.secrets[0].sealed
