"""The configuration: what is read, what overrides what, and the one line that tells what is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from authwright.protocol.device import DEVICE_CODE
from authwright.server import declared
from authwright.server.config import Configuration, ConfigurationError, load, load_apply_file

MINIMAL = 'issuer = "https://auth.example.com"\n'
PHC = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
CLIENT_OF_TWO_NAMES = """[[clients]]
client_id = "twice"
client_secret = "a secret of this client"
grant_types = ["client_credentials"]
"""
LAX = """[[clients]]
client_id = "lax"
client_secret = "a secret of this client"
redirect_uris = ["https://app.example.com/cb"]
require_pkce = false
"""
STATIC = """[[clients]]
client_id = "static"
redirect_uris = ["https://app.example.com/cb"]
grant_types = ["authorization_code", "refresh_token"]
refresh_rotation = false
"""
API = """
[[resources]]
uri = "https://api.example.com"
"""
CONTRACT = """
issuer = "http://localhost:9000"
tenant = "main"
profile = "oidc"
[store]
url = "sqlite:authwright.db"
cache_url = ""
key_file = "authwright.key"
[log]
level = "info"
format = "text"
[keys]
algorithms = ["ES256", "RS256"]
[http]
trusted_proxies = []
client_certificate_header = "Client-Cert"
[outbound]
allow = []
ca_file = ""
[management]
port = 0
[tokens]
access_token_lifetime = 600
refresh_token_lifetime = 2592000
[registration]
enabled = false
initial_access_token = ""
profile = "oidc"
client_id_metadata_documents = false
[[clients]]
client_id = "web"
client_secret = "a secret of the web client"
client_name = "Web app"
description = ""
namespace = ""
tenant = ""
redirect_uris = ["http://localhost:9001/auth/callback"]
post_logout_redirect_uris = ["http://localhost:9001/"]
grant_types = ["authorization_code", "refresh_token"]
response_types = ["code"]
token_endpoint_auth_method = "client_secret_basic"
scope = "openid profile email offline_access"
require_pkce = true
refresh_grace = 0
access_token_format = "jwt"
allowed_consent_services = []
allowed_subject_token_types = ["urn:ietf:params:oauth:token-type:access_token"]
exchange_from = []
mutate_for = []
[[users]]
username = "alice"
password = "a password of alice"
[users.claims]
sub = "u-alice"
name = "Alice Example"
email = "alice@example.com"
[[resources]]
uri = "https://api.example.com"
scopes = ["read", "write"]
introspected_by = []
[[trusted_issuers]]
issuer = "https://idp.example.com"
jwks_uri = "https://idp.example.com/jwks"
audience = "https://auth.example.com"
"""
CLIENT = '[[clients]]\nclient_id = "web"\nclient_secret = "hush-hush"\nredirect_uris = ["https://app.example.com/cb"]\n'
TRUSTED = (
    '[[trusted_issuers]]\nissuer = "https://idp.example.com"\njwks_uri = "https://idp.example.com/jwks"\n'
)
PINGED = '[[clients]]\nclient_id = "b"\nclient_secret = "hush-hush"\ngrant_types = ["urn:openid:params:grant-type:ciba"]\n'
USER = '[[users]]\nusername = "alice"\npassword = "hush-hush"\n'


def write(directory: Path, text: str) -> Path:
    file = directory / "authwright.toml"
    file.write_text(text, "utf-8")
    return file


def mistake(file: Path, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(file, environment or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_key_of_the_contract_is_accepted_with_its_default(tmp_path: Path) -> None:
    """interface.md's configuration, with what this version does not offer left at its default, is read as it stands."""
    values = load(write(tmp_path, CONTRACT), {}).values
    assert values.clients[0].auth_method == "client_secret_basic"
    assert values.clients[0].scopes == ("openid", "profile", "email", "offline_access")
    assert values.users[0].claims["email"] == "alice@example.com"
    assert values.resources[0].scopes == ("read", "write")


def test_only_the_issuer_is_required(tmp_path: Path) -> None:
    """One line is a configuration; everything else has the contract's default."""
    values = load(write(tmp_path, MINIMAL), {}).values
    assert values == Configuration(issuer="https://auth.example.com")
    assert (values.store.url, values.tokens.access_token_lifetime) == ("sqlite:authwright.db", 600)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("", "issuer", "is missing"),
        ('issuer = "auth.example.com"', "issuer", "'auth.example.com' is not an absolute URL"),
        ('issuer = "http://auth.example.com"', "issuer", "loopback only"),
        ('issuer = "https://a.example/?x=1"', "issuer", "query"),
        ("issuer = 9000", "issuer", "found 9000; allowed: a string"),
        ('isuer = "https://a.example"', "isuer", "did you mean 'issuer'?"),
        (MINIMAL + '[store]\nulr = "sqlite:a.db"', "store.ulr", "did you mean 'url'?"),
        (MINIMAL + 'store = "sqlite:a.db"', "store", "allowed: a table"),
        (MINIMAL + '[store]\nurl = "mysql://h/d"', "store.url", "'mysql'; allowed: 'sqlite:FILE'"),
        (MINIMAL + '[store]\nurl = "sqlite::memory:"', "store.url", "allowed: 'sqlite:FILE'"),
        (MINIMAL + '[store]\nurl = "postgresql:nowhere"', "store.url", "allowed: 'sqlite:FILE'"),
        (MINIMAL + '[store]\ncache_url = "memcached://u:hush-hush@cache"', "store.cache_url", "allowed: 'valkey://HOST:PORT/0'"),
        (MINIMAL + '[store]\ncache_url = "valkey:cache"', "store.cache_url", "allowed: 'valkey://HOST:PORT/0'"),
        (MINIMAL + CLIENT + 'backchannel_logout_uri = "http://a.example/out"', "clients[0].backchannel_logout_uri", "allowed: an https URL"),
        (MINIMAL + CLIENT + 'backchannel_logout_uri = "https://a.example/out#x"', "clients[0].backchannel_logout_uri", "allowed: an https URL"),
        (MINIMAL + CLIENT + 'backchannel_logout_uri = "/out"', "clients[0].backchannel_logout_uri", "allowed: an https URL"),
        (MINIMAL + '[log]\nlevel = "inof"', "log.level", "found 'inof'; allowed: 'debug', 'info'"),
        (MINIMAL + "[keys]\nalgorithms = []", "keys.algorithms", "at least one"),
        (MINIMAL + '[keys]\nalgorithms = ["HS256"]', "keys.algorithms[0]", "'HS256'; allowed: 'ES256'"),
        (MINIMAL + '[keys]\nalgorithms = ["ES256", "ES256"]', "keys.algorithms", "twice"),
        (MINIMAL + "[management]\nport = 70000", "management.port", "found 70000; allowed: 0 to 65535"),
        (MINIMAL + "[management]\nport = true", "management.port", "found true; allowed: a whole number"),
        (MINIMAL + "[tokens]\naccess_token_lifetime = 0", "tokens.access_token_lifetime", "allowed: 1 to"),
        (MINIMAL + '[http]\ntrusted_proxies = ["proxy"]', "http.trusted_proxies[0]", "a network"),
        (MINIMAL + CLIENT + "client_secrets = 1", "clients[0].client_secrets", "did you mean 'client_secret'?"),
        (MINIMAL + CLIENT + CLIENT, "clients[1].client_id", "'web' stands here twice"),
        (MINIMAL + CLIENT + "refresh_grace = 31", "clients[0].refresh_grace", "found 31; allowed: 0 to 30"),
        (MINIMAL + CLIENT + 'grant_types = ["code"]', "clients[0].grant_types[0]", "found 'code'; allowed:"),
        (MINIMAL + CLIENT + 'client_secret_file = "s"', "clients[0].client_secret_file", "one of them"),
        (MINIMAL + CLIENT + 'scope = "a  b"', "clients[0].scope", "one space"),
        (MINIMAL + CLIENT + "dpop_bound_access_tokens = true\ntls_client_certificate_bound_access_tokens = true", "clients[0].tls_client_certificate_bound_access_tokens", "one of them"),
        (MINIMAL + CLIENT + "tls_client_certificate_bound_access_tokens = true", "clients[0].tls_client_certificate_bound_access_tokens", "needs http.trusted_proxies"),
        (MINIMAL + '[keys]\nalgorithms = ["ES256"]\n' + CLIENT + 'introspection_signed_response_alg = "RS256"', "clients[0].introspection_signed_response_alg", "one of keys.algorithms"),
        (MINIMAL + CLIENT + 'token_endpoint_auth_method = "none"', "clients[0].client_secret", "'none'"),
        (MINIMAL + '[[clients]]\nclient_id = "web"\nredirect_uris = ["http://app.example.com/cb"]', "clients[0].redirect_uris[0]", "https"),
        (MINIMAL + '[[clients]]\nclient_id = "web"', "clients[0].redirect_uris", "at least one"),
        (MINIMAL + '[[clients]]\nclient_id = "m"\ngrant_types = ["client_credentials"]', "clients[0].grant_types", "needs a client with a secret"),
        (MINIMAL + '[[clients]]\nclient_id = "m"\nclient_secret_hash = "x"\ngrant_types = ["client_credentials"]', "clients[0].client_secret_hash", "Argon2id"),
        (MINIMAL + '[[clients]]\nclient_id = "m"\ntoken_endpoint_auth_method = "client_secret_post"\ngrant_types = ["client_credentials"]', "clients[0].client_secret", "needs one"),
        ("profile = 'fapi2'\n" + MINIMAL, "profile", "it needs pushed authorization requests (RFC 9126)"),
        ("profile = 'mcp'\n" + MINIMAL, "profile", "'mcp' needs resources"),
        (MINIMAL + CLIENT_OF_TWO_NAMES + "profile = 'mcp'", "clients[0].profile", "needs one of [[resources]]"),
        ("profile = 'oauth21'\n" + MINIMAL + LAX, "clients[0].require_pkce", "oauth21 has PKCE for every client"),
        (MINIMAL + LAX + "profile = 'mcp'" + API, "clients[0].require_pkce", "mcp has PKCE for every client"),
        (MINIMAL + STATIC, "clients[0].refresh_rotation", "must rotate, or be bound"),
        (MINIMAL + '[[users]]\nusername = "alice"', "users[0].password", "is missing"),
        (MINIMAL + USER + f'password_hash = "{PHC}"', "users[0].password_hash", "one of them"),
        (MINIMAL + USER + USER, "users[1].username", "'alice' stands here twice"),
        (MINIMAL + USER + "[users.claims]\niss = 'x'", "users[0].claims.iss", "the issuer sets"),
        (
            MINIMAL + CLIENT_OF_TWO_NAMES + USER + "[users.claims]\nsub = 'twice'",
            "users[0].claims.sub",
            "is the client_id of a client",
        ),
        (MINIMAL + '[[resources]]\nuri = "api"', "resources[0].uri", "an absolute URI"),
        (MINIMAL + TRUSTED + TRUSTED, "trusted_issuers[1].issuer", "stands here twice"),
        (MINIMAL + TRUSTED.replace("https://idp.example.com/jwks", "http://idp.example.com/jwks"), "trusted_issuers[0].jwks_uri", "an https URL"),
        (MINIMAL + TRUSTED.replace('"https://idp.example.com"', '"idp"'), "trusted_issuers[0].issuer", "allowed: a URL"),
        (MINIMAL + "[[trusted_issuers]]\nissuer = 'https://idp.example.com'", "trusted_issuers[0].jwks_uri", "is missing"),
        (MINIMAL + '[[clients]]\nclient_id = "m"\ngrant_types = ["urn:openid:params:grant-type:ciba"]', "clients[0].grant_types", "needs a client with a secret or keys"),
        (MINIMAL + PINGED + 'backchannel_token_delivery_mode = "pull"', "clients[0].backchannel_token_delivery_mode", "'poll', 'ping', 'push'"),
        (MINIMAL + PINGED + 'backchannel_token_delivery_mode = "ping"', "clients[0].backchannel_client_notification_endpoint", "ping needs an https URL"),
        (MINIMAL + PINGED + 'backchannel_token_delivery_mode = "push"\nbackchannel_client_notification_endpoint = "http://a.example/n"', "clients[0].backchannel_client_notification_endpoint", "push needs an https URL"),
        (MINIMAL + PINGED + 'backchannel_token_delivery_mode = "push"\nbackchannel_client_notification_endpoint = "https://a.example/n"\ndpop_bound_access_tokens = true', "clients[0].backchannel_token_delivery_mode", "cannot be pushed"),
        (MINIMAL + "[log", "", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_file_key_finding_and_choice(
    tmp_path: Path, text: str, key: str, said: str
) -> None:
    """A wrong key, type or value stops the start with the file, the key, what was found and what is allowed."""
    file = write(tmp_path, text)
    message = mistake(file)
    assert message.startswith(f"{file}: {key}" if key else f"{file}: is not TOML")
    assert said in message
    assert "hush-hush" not in message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("profile = 'fapi2'", "profile"),
        (CLIENT + "profile = 'fapi2'", "clients[0].profile"),
        ("[registration]\nenabled = true", "registration.enabled"),
        ("[registration]\ninitial_access_token = 'hush-hush'", "registration.initial_access_token"),
        (CLIENT + "response_types = ['code id_token']", "clients[0].response_types[0]"),
        (CLIENT + "grant_types = ['implicit']", "clients[0].grant_types[0]"),
    ],
)
def test_a_key_of_a_later_version_is_refused_and_not_ignored(tmp_path: Path, text: str, key: str) -> None:
    """What the contract knows and this version does not do is never taken in silence."""
    file = write(tmp_path, MINIMAL + text)
    message = mistake(file)
    assert message.startswith(f"{file}: {key}")
    assert "is not available in this version" in message
    assert "hush-hush" not in message


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """AUTHWRIGHT__SECTION__KEY wins over the file; lists are JSON, numbers and booleans are plain."""
    loaded = load(
        write(tmp_path, CONTRACT),
        {
            "AUTHWRIGHT__ISSUER": "https://auth.example.com",
            "AUTHWRIGHT__LOG__FORMAT": "json",
            "AUTHWRIGHT__KEYS__ALGORITHMS": '["RS256"]',
            "AUTHWRIGHT__MANAGEMENT__PORT": "9100",
            "AUTHWRIGHT__CLIENTS__0__REQUIRE_PKCE": "false",
            "AUTHWRIGHT__USERS__0__CLAIMS__EMAIL": "a@example.org",
            "AUTHWRIGHT__RESOURCES": json.dumps([{"uri": "https://other.example.com"}]),
            "UNRELATED": "x",
        },
    )
    values = loaded.values
    assert (values.issuer, values.log.format, values.keys.algorithms) == (
        "https://auth.example.com",
        "json",
        ("RS256",),
    )
    assert values.management.port == 9100
    assert values.clients[0].require_pkce is False
    assert values.users[0].claims["email"] == "a@example.org"
    assert [resource.uri for resource in values.resources] == ["https://other.example.com"]


@pytest.mark.parametrize(
    ("name", "text", "key", "said"),
    [
        ("AUTHWRIGHT__LOG__LEVEL", "loud", "log.level", "found 'loud'"),
        ("AUTHWRIGHT__LOGS__LEVEL", "info", "logs", "did you mean 'log'?"),
        ("AUTHWRIGHT__MANAGEMENT__PORT", "http", "management.port", "a whole number"),
        ("AUTHWRIGHT__KEYS__ALGORITHMS", "ES256", "keys.algorithms", "JSON"),
        ("AUTHWRIGHT__CLIENTS__5__SCOPE", "openid", "clients", "has 1 entries"),
        ("AUTHWRIGHT__STORE__URL_FILE", "/nowhere/url", "store.url", "/nowhere/url cannot be read"),
        ("AUTHWRIGHT__STORE__KEY_FILE_FILE", "/nowhere", "store.key_file_file", "is not a key"),
        ("AUTHWRIGHT__CLIENTS__0__CLIENT_SECRET", "env:NONE", "clients[0].client_secret", "not set"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, name: str, text: str, key: str, said: str
) -> None:
    """The operator is sent to the variable, not to a file that is right."""
    message = mistake(write(tmp_path, MINIMAL + CLIENT), {name: text})
    assert message.startswith(f"environment variable {name}: {key}")
    assert said in message


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    """`env:`, `file:`, client_secret_file and `…_FILE`; a relative file counts from the configuration file."""
    (tmp_path / "web.secret").write_text("from a file\n")
    (tmp_path / "database.url").write_text("postgresql://u:p@db/auth\n")
    text = MINIMAL + (
        '[[clients]]\nclient_id = "a"\nclient_secret = "file:web.secret"\nredirect_uris = ["https://a.example/cb"]\n'
        '[[clients]]\nclient_id = "b"\nclient_secret_file = "web.secret"\nredirect_uris = ["https://b.example/cb"]\n'
        '[[users]]\nusername = "alice"\npassword = "env:ALICE"\n[users.claims]\nnickname = "env:NICK"\n'
    )
    values = load(
        write(tmp_path, text),
        {
            "ALICE": "from a variable",
            "NICK": "al",
            "AUTHWRIGHT__STORE__URL_FILE": str(tmp_path / "database.url"),
        },
    ).values
    assert [client.client_secret for client in values.clients] == ["from a file", "from a file"]
    assert values.users[0].password == "from a variable"
    assert values.users[0].claims == {"nickname": "al"}
    assert values.store.url == "postgresql://u:p@db/auth"


def test_no_secret_shows_in_a_configuration_that_is_printed(tmp_path: Path) -> None:
    """A configuration in a log line or a traceback says nothing of what is in it."""
    values = load(write(tmp_path, CONTRACT), {}).values
    printed = f"{values!r} {values.clients!r} {values.users!r} {values.store!r}"
    assert "secret of" not in printed
    assert "password of" not in printed


@pytest.mark.parametrize("wrong", [["hush-hush"], 987654321])
def test_the_value_of_a_secret_is_never_in_an_error(tmp_path: Path, wrong: object) -> None:
    """A secret of the wrong type is told by its key alone."""
    text = MINIMAL + f'[[users]]\nusername = "a"\npassword = {json.dumps(wrong)}\n'
    message = mistake(write(tmp_path, text))
    assert "users[0].password: found a value that is not shown" in message
    assert str(wrong) not in message


def test_a_missing_configuration_says_how_to_get_one(tmp_path: Path) -> None:
    """The most frequent first mistake gets the most helpful line."""
    message = mistake(tmp_path / "authwright.toml")
    assert "there is no such file; `authwright init` writes one" in message


def test_a_file_for_apply_holds_declarations_only(tmp_path: Path) -> None:
    """An issuer in a file for `apply` is a mistake, not something to ignore."""
    with pytest.raises(ConfigurationError, match="issuer: is not a key"):
        load_apply_file(write(tmp_path, MINIMAL + CLIENT), {})
    assert load_apply_file(write(tmp_path, CLIENT + USER), {}).clients[0].client_id == "web"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("", "no key in the file"),
        ("!!!\n", "line 1: not base64url"),
        ("AAAA\n", "3 bytes where 32 are needed"),
    ],
)
def test_a_missing_or_broken_key_file_stops_and_no_key_is_made_up(
    tmp_path: Path, content: str | None, said: str
) -> None:
    """A key file is never replaced in silence; the error names the key, the file, and nothing of its content."""
    loaded = load(write(tmp_path, MINIMAL), {})
    if content is not None:
        (tmp_path / "authwright.key").write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        declared.root_keys(loaded)
    assert str(tmp_path / "authwright.key") in str(caught.value)
    assert "store.key_file" in str(caught.value)
    assert said in str(caught.value)
    if content is None:
        assert not (tmp_path / "authwright.key").exists()


def test_how_a_client_s_tokens_are_bound_is_read(tmp_path: Path) -> None:
    """RFC 9449 §5.2, RFC 8705 §3.4 and RFC 9701 §6, each under its metadata name."""
    text = (
        MINIMAL
        + '[tokens]\ndpop_nonce = true\n[http]\ntrusted_proxies = ["10.0.0.1"]\n'
        + CLIENT
        + 'dpop_bound_access_tokens = true\nintrospection_signed_response_alg = "RS256"\n'
        + '[[clients]]\nclient_id = "m"\nclient_secret = "hush-hush"\ngrant_types = ["client_credentials"]\n'
        + "tls_client_certificate_bound_access_tokens = true\n"
    )
    values = load(write(tmp_path, text), {}).values
    assert values.tokens.dpop_nonce
    now = datetime(2026, 1, 1, tzinfo=UTC)
    proving, certified = (declared.registration(table, now).client for table in values.clients)
    assert (proving.dpop_bound_access_tokens, proving.introspection_signed_response_alg) == (True, "RS256")
    assert not proving.tls_client_certificate_bound_access_tokens
    assert certified.tls_client_certificate_bound_access_tokens


def test_clients_for_devices_and_for_the_backchannel(tmp_path: Path) -> None:
    """RFC 8628 §4 and CIBA Core 1.0 §4: their grant types, and how a client hears of an answer."""
    device = '[[clients]]\nclient_id = "tv"\ngrant_types = ["urn:ietf:params:oauth:grant-type:device_code"]\n'
    pinged = PINGED + 'backchannel_token_delivery_mode = "ping"\n'
    pinged += 'backchannel_client_notification_endpoint = "https://bank.example/notified"\n'
    loaded = load(write(tmp_path, MINIMAL + device + pinged))
    tv, bank = (declared.registration(table, datetime.now(UTC)).client for table in loaded.values.clients)
    assert (tv.confidential, tv.grant_types) == (False, frozenset({DEVICE_CODE}))
    assert tv.backchannel_token_delivery_mode == "poll"
    assert bank.backchannel_token_delivery_mode == "ping"
    assert bank.backchannel_client_notification_endpoint == "https://bank.example/notified"


def test_a_client_with_a_logout_address_is_read(tmp_path: Path) -> None:
    """As in RFC 7591; on loopback http will do."""
    text = MINIMAL + CLIENT + 'backchannel_logout_uri = "http://localhost:9001/auth/backchannel-logout"\n'
    loaded = load(write(tmp_path, text + "backchannel_logout_session_required = true\n"))
    told = declared.registration(loaded.values.clients[0], datetime.now(UTC)).client
    assert told.backchannel_logout_uri == "http://localhost:9001/auth/backchannel-logout"
    assert told.backchannel_logout_session_required
