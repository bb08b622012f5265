"""Token exchange as an operator configures and runs it: `[token_exchange] base_scope`, the clients' keys, a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, JWT, REFRESH_TOKEN, TOKEN_EXCHANGE
from authwright.server import declared
from authwright.server.config import ConfigurationError, load
from authwright.testing.clock import FrozenClock
from tests.server.installation import Installation
from tests.servers.process import ServerProcesses

CLIENT = f"""
[[clients]]
client_id = "api"
client_secret = "correct-horse-battery-staple-000"
grant_types = ["{TOKEN_EXCHANGE}"]
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "authwright.toml"
    file.write_text('issuer = "http://localhost:9000"\n' + text, "utf-8")
    return file


def test_a_clients_keys_reach_its_registration(tmp_path: Path) -> None:
    """Names of the configuration reference; without them only its access tokens, and only its own, may be exchanged."""
    loaded = load(written(tmp_path, CLIENT), environment={})
    plain = declared.registration(loaded.values.clients[0], FrozenClock()()).client
    assert plain.grant_types == {TOKEN_EXCHANGE}
    assert (plain.allowed_subject_token_types, plain.exchange_from, plain.exchange_to) == (
        (ACCESS_TOKEN,),
        (),
        (),
    )
    assert plain.allowed_consent_services == ()
    more = f"""
allowed_consent_services = ["photos"]
allowed_subject_token_types = ["{REFRESH_TOKEN}", "{JWT}"]
exchange_from = ["web"]
exchange_to = ["https://orders.example.com"]
"""
    loaded = load(written(tmp_path, CLIENT + more), environment={})
    client = declared.registration(loaded.values.clients[0], FrozenClock()()).client
    assert client.allowed_consent_services == ("photos",)
    assert client.allowed_subject_token_types == (REFRESH_TOKEN, JWT)
    assert (client.exchange_from, client.exchange_to) == (("web",), ("https://orders.example.com",))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[token_exchange]\nbase_scope = 'https://a.example/ x'", "token_exchange.base_scope"),
        (
            CLIENT + "allowed_subject_token_types = ['access_token']",
            "clients[0].allowed_subject_token_types[0]",
        ),
        (
            f"[[clients]]\nclient_id = 'spa'\ngrant_types = ['{TOKEN_EXCHANGE}']",
            "clients[0].grant_types",
        ),
    ],
)
def test_what_cannot_work_stops_the_start(tmp_path: Path, text: str, key: str) -> None:
    """The file, the key, what was found and what is allowed."""
    file = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load(file, environment={})
    assert str(raised.value).startswith(f"{file}: {key}")


RUNNING = f"""
[[clients]]
client_id = "app"
client_secret = "app-secret-of-the-test"
grant_types = ["password", "refresh_token"]
scope = "read write offline_access"

[[clients]]
client_id = "orders"
client_secret = "orders-secret-of-the-test"
grant_types = ["client_credentials", "refresh_token", "{TOKEN_EXCHANGE}"]
scope = "read offline_access"
access_token_format = "opaque"

[[users]]
username = "alice"
password = "alice-password"
[users.claims]
sub = "u-alice"

[[resources]]
uri = "https://orders.example.com"
scopes = ["read", "write"]
introspected_by = ["orders"]
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ServerProcesses]:
    started = ServerProcesses(tmp_path)
    yield started
    started.stop()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_mint_exchange_introspect_refresh_and_revoke_over_the_wire(
    tmp_path: Path, processes: ServerProcesses, store: str, request: pytest.FixtureRequest
) -> None:
    """A server as operators run it, two workers on one store: what one worker issued the other exchanges and ends."""
    installation = Installation.made(tmp_path / "op", RUNNING)
    environ = {}
    if store == "postgres":
        environ = {"AUTHWRIGHT__STORE__URL": request.getfixturevalue("postgres_database")}
    installation.serve(processes, "--workers", "2", environ=environ)
    app, orders = ("app", "app-secret-of-the-test"), ("orders", "orders-secret-of-the-test")
    alices = {"grant_type": "password", "username": "alice", "password": "alice-password"}
    status, minted = installation.post(
        "/token", *app, scope="read offline_access", resource="https://orders.example.com", **alices
    )
    assert status == 200, minted
    exchange = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN}
    status, exchanged = installation.post(
        "/token", *orders, subject_token=minted["access_token"], scope="read offline_access", **exchange
    )
    assert (status, exchanged["issued_token_type"]) == (200, ACCESS_TOKEN), exchanged
    _, seen = installation.post("/introspect", *orders, token=exchanged["access_token"])
    assert (seen["active"], seen["sub"], seen["client_id"]) == (True, "u-alice", "orders")
    status, refreshed = installation.post(
        "/token", *orders, grant_type="refresh_token", refresh_token=exchanged["refresh_token"]
    )
    assert (status, refreshed["scope"]) == (200, "read offline_access"), refreshed
    status, refused = installation.post("/token", *orders, subject_token="at_nobodys", **exchange)
    assert (status, refused["error"]) == (400, "invalid_request")
    status, _ = installation.post("/revoke", *app, token=minted["refresh_token"])
    assert status == 200
    for token in (refreshed["access_token"], refreshed["refresh_token"], exchanged["access_token"]):
        assert installation.post("/introspect", *orders, token=token)[1] == {"active": False}


MUTATE = "urn:authwright:params:oauth:grant-type:token-exchange-mutate"
OLD = "urn:ietf:params:oauth:grant-type:token-exchange-mutate"
MUTATING = f"""
[[clients]]
client_id = "agent"
client_secret = "correct-horse-battery-staple-000"
grant_types = ["{MUTATE}"]
mutate_for = ["shop"]
"""


def test_mutate_is_off_unless_it_is_named(tmp_path: Path) -> None:
    """`mutate_grant_types` and `mutate_for` reach the provider; the old name is one of two that may stand there."""
    assert load(written(tmp_path, ""), environment={}).values.token_exchange.mutate_grant_types == ()
    on = f"[token_exchange]\nmutate_grant_types = ['{MUTATE}', '{OLD}']\n"
    loaded = load(written(tmp_path, on + MUTATING), environment={})
    assert loaded.values.token_exchange.mutate_grant_types == (MUTATE, OLD)
    client = declared.registration(loaded.values.clients[0], FrozenClock()()).client
    assert client.grant_types == {MUTATE}
    assert client.mutate_for == ("shop",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (MUTATING, "clients[0].grant_types[0]"),
        (
            "[token_exchange]\nmutate_grant_types = ['urn:example:mine']",
            "token_exchange.mutate_grant_types[0]",
        ),
        (
            f"[token_exchange]\nmutate_grant_types = ['{OLD}']\n" + MUTATING,
            "clients[0].grant_types[0]",
        ),
        (
            f"[token_exchange]\nmutate_grant_types = ['{MUTATE}']\n"
            f"[[clients]]\nclient_id = 'spa'\ngrant_types = ['{MUTATE}']",
            "clients[0].grant_types",
        ),
    ],
)
def test_a_mutate_that_cannot_work_stops_the_start(tmp_path: Path, text: str, key: str) -> None:
    """A grant nobody serves, a name that is none of the two, a client without a secret."""
    file = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load(file, environment={})
    assert str(raised.value).startswith(f"{file}: {key}")
