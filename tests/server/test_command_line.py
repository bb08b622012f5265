"""The commands as an operator runs them: real processes, exit status, what they print, files they leave."""

import http.client
import json
import os
import signal
import socket
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from authwright.crypto.passwords import hash_password
from tests.server.installation import MACHINE, Installation, authwright, post
from tests.servers.process import ServerProcesses, find_free_port

SECRET = "machine-secret-of-the-test"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """What `init` makes, with a client for client_credentials."""
    return Installation.made(tmp_path / "op", MACHINE)


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


def test_init_writes_a_configuration_and_a_private_key_and_tells_what_is_next(tmp_path: Path) -> None:
    """`authwright init DIR` makes DIR, writes authwright.toml and a key of mode 0600, and prints the next steps."""
    ran = authwright("init", tmp_path / "new" / "op", cwd=tmp_path)
    key = tmp_path / "new" / "op" / "authwright.key"
    assert ran.status == 0
    assert "authwright serve --config" in ran.out
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().splitlines()[-1] not in ran.out


@pytest.mark.parametrize("there", ["authwright.toml", "authwright.key"])
def test_init_never_overwrites(tmp_path: Path, there: str) -> None:
    """With either file there already, it exits non-zero with one line and touches nothing."""
    (tmp_path / there).write_text("mine")
    ran = authwright("init", cwd=tmp_path)
    assert ran.status == 1
    assert there in one_line(ran.err)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_init_then_serve_gives_a_token(installation: Installation, server_process: ServerProcesses) -> None:
    """From nothing to a token over HTTP with two commands; SIGTERM then ends the server with status 0."""
    process = installation.serve(server_process, environ={"AUTHWRIGHT__LOG__LEVEL": "debug"})
    status, token = installation.post("/token", "machine", SECRET, grant_type="client_credentials")
    assert (status, token["token_type"], token["scope"]) == (200, "Bearer", "read write")
    assert installation.get("/.well-known/openid-configuration")[1]["issuer"] == installation.url
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    log = process.log()
    assert "listening" in log
    assert "Traceback" not in log
    assert SECRET not in log
    assert token["access_token"] not in log


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("issuer =", "isuer =", "isuer: is not a key; did you mean 'issuer'?"),
        ("http://localhost", "http://auth.example.com", "issuer: "),
        ("sqlite:authwright.db", "mysql://db/auth", "store.url: found the scheme 'mysql'"),
        ("sqlite:authwright.db", "sqlite:nowhere/there/a.db", "store.url: sqlite:"),
        ("sqlite:authwright.db", "postgresql://u:hush-hush@127.0.0.1:1/auth", "store.url: postgresql://127.0.0.1:1/auth"),
        ('key_file = "authwright.key"', 'key_file = "other.key"', "store.key_file: the key file"),
        ("access_token_lifetime = 600", 'access_token_lifetime = "10m"', "tokens.access_token_lifetime: found '10m'"),
        ('algorithms = ["ES256", "RS256"]', 'algorithms = ["none"]', "keys.algorithms[0]: found 'none'"),
        ("grant_types = [\"client_credentials\"]", "grant_types = [\"magic\"]", "clients[0].grant_types[0]: found 'magic'"),
    ],
)  # fmt: skip
def test_serve_refuses_a_bad_configuration_with_one_line(
    installation: Installation, old: str, new: str, said: str
) -> None:
    """Configuration mistakes stop the start with one clear line and a non-zero exit."""
    text = installation.file.read_text()
    assert old in text
    head, _, tail = text.rpartition(old) if "grant" in old else text.partition(old)
    installation.file.write_text(head + new + tail)
    ran = installation.run("serve", "--port", str(installation.port))
    line = one_line(ran.err)
    assert ran.status == 1
    assert line.startswith("Error: authwright.toml: ")
    assert said in line
    assert "hush-hush" not in line


def test_serve_without_a_configuration_is_one_line(tmp_path: Path) -> None:
    """A missing file is told as such, with the way out."""
    ran = authwright("serve", cwd=tmp_path)
    assert ran.status == 1
    assert "authwright.toml: there is no such file" in one_line(ran.err)


def test_serve_on_a_port_in_use_is_one_line_and_touches_nothing(installation: Installation) -> None:
    """The port is tried before the store is made."""
    with socket.create_server(("127.0.0.1", installation.port)):
        ran = installation.run("serve", "--port", str(installation.port))
    assert ran.status == 1
    assert f"--port: 127.0.0.1:{installation.port} cannot be used: Address already in use" in one_line(
        ran.err
    )
    assert not (installation.directory / "authwright.db").exists()


def test_serve_with_another_key_file_is_refused(installation: Installation) -> None:
    """A key that does not open the store's signing keys stops the start; no new keys are made in silence."""
    assert installation.run("keys", "list").status == 0
    other = Installation.made(installation.directory.parent / "other")
    (installation.directory / "authwright.key").write_text((other.directory / "authwright.key").read_text())
    ran = installation.run("serve", "--port", str(installation.port))
    assert ran.status == 1
    line = one_line(ran.err)
    assert "store.key_file" in line
    assert "does not open the signing keys in the store" in line


def test_the_environment_reaches_the_server(installation: Installation) -> None:
    """A variable overrides the file, and its mistakes name it."""
    ran = installation.run("serve", environ={"AUTHWRIGHT__LOG__LEVEL": "loud"})
    assert ran.status == 1
    assert "environment variable AUTHWRIGHT__LOG__LEVEL: log.level: found 'loud'" in one_line(ran.err)


def test_sigterm_lets_a_request_under_way_finish(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """A request whose body is half sent when SIGTERM comes is still answered; then the server ends with status 0."""
    process = installation.serve(server_process)
    body = b"grant_type=client_credentials&client_id=machine&client_secret=wrong"
    with socket.create_connection(("127.0.0.1", installation.port), timeout=10) as connection:
        connection.sendall(
            b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body[:10]
        )
        time.sleep(0.3)
        process.signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", installation.port), timeout=2).close()
        connection.sendall(body[10:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 401
        assert json.loads(answer.read())["error"] == "invalid_client"
    assert process.wait() == 0


def test_two_workers_share_one_database(installation: Installation, server_process: ServerProcesses) -> None:
    """Two processes on SQLite: a token of one is known to the other, and SIGTERM ends all of them with status 0."""
    with installation.file.open("a") as file:
        file.write('\n[[clients]]\nclient_id = "opaque"\nclient_secret = "another-secret-here"\n')
        file.write('grant_types = ["client_credentials"]\nscope = "read"\naccess_token_format = "opaque"\n')
    process = installation.serve(server_process, "--workers", "2")
    for _ in range(12):
        # A connection each, so that the workers take turns.
        status, token = installation.post(
            "/token", "opaque", "another-secret-here", grant_type="client_credentials"
        )
        assert status == 200
        for _ in range(2):
            _, seen = installation.post(
                "/introspect", "opaque", "another-secret-here", token=token["access_token"]
            )
            assert seen["active"] is True
    workers = _workers(process.pid)
    assert len(workers) == 2
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_worker_that_dies_is_replaced(installation: Installation, server_process: ServerProcesses) -> None:
    """kill -9 of one worker: the other goes on answering, and there are two again soon."""
    process = installation.serve(server_process, "--workers", "2")
    before = _workers(process.pid)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and len(set(_workers(process.pid)) - {before[0]}) < 2:
        time.sleep(0.1)
    assert len(set(_workers(process.pid)) - {before[0]}) == 2
    assert installation.post("/token", "machine", SECRET, grant_type="client_credentials")[0] == 200


def _status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_management_port_answers_alive_and_ready(
    installation: Installation, server_process: ServerProcesses, workers: str
) -> None:
    """/livez and /readyz are on their own port, bound once whatever the workers, and not on the provider's."""
    management = find_free_port()
    text = installation.file.read_text().replace("port = 0", f"port = {management}")
    installation.file.write_text(text)
    process = installation.serve(server_process, "--workers", workers)
    process.wait_for(f"http://127.0.0.1:{management}/livez")
    # Alive comes before ready: the store opens meanwhile, and 503 says so.
    deadline = time.monotonic() + 20
    while _status(management, "/readyz") == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for path, expected in (("/livez", 200), ("/readyz", 200), ("/token", 404)):
        assert _status(management, path) == expected
    public = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=10)
    public.request("GET", "/livez")
    answer = public.getresponse()
    assert answer.status == 404
    assert answer.getheader("server") is None
    public.close()


def test_the_log_as_json_is_one_object_a_line(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """`[log] format = "json"`: every line parses; a refusal is told with its reason and without the secret sent.

    The address in it is the one a trusted proxy forwarded.
    """
    environ = {"AUTHWRIGHT__LOG__FORMAT": "json", "AUTHWRIGHT__HTTP__TRUSTED_PROXIES": '["127.0.0.1"]'}
    process = installation.serve(server_process, environ=environ)
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=10)
    fields = "grant_type=client_credentials&client_id=machine&client_secret=a-wrong-secret"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "203.0.113.9"}
    connection.request("POST", "/token", fields, headers)
    assert connection.getresponse().status == 401
    connection.close()
    process.signal(signal.SIGTERM)
    process.wait()
    lines = [json.loads(line) for line in process.log().splitlines()]
    refusals = [line for line in lines if line["event"] == "request.refused"]
    assert [(line["error"], line["peer"]) for line in refusals] == [("invalid_client", "203.0.113.9")]
    assert "a-wrong-secret" not in process.log()


def test_lifetimes_and_hashed_secrets_of_the_configuration_are_used(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """A client's own lifetime wins over `[tokens]`; a client_secret_hash takes the secret it was made from."""
    text = installation.file.read_text().replace("access_token_lifetime = 600", "access_token_lifetime = 120")
    hashed = hash_password("an-imported-secret")
    more = (
        f'\n[[clients]]\nclient_id = "short"\nclient_secret_hash = "{hashed}"\n'
        'grant_types = ["client_credentials"]\nscope = "read"\naccess_token_lifetime = 30\n'
    )
    installation.file.write_text(text + more)
    installation.serve(server_process)
    _, token = installation.post("/token", "machine", SECRET, grant_type="client_credentials")
    assert token["expires_in"] == 120
    _, token = installation.post("/token", "short", "an-imported-secret", grant_type="client_credentials")
    assert token["expires_in"] == 30
    assert installation.post("/token", "short", hashed, grant_type="client_credentials")[0] == 401


def test_no_worker_outlives_a_supervisor_that_is_killed(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """kill -9 of the supervisor: the workers notice, finish and free the port."""
    process = installation.serve(server_process, "--workers", "2")
    workers = _workers(process.pid)
    assert len(workers) == 2
    supervisor = int(Path(f"/proc/{workers[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.1)
    with socket.create_server(("127.0.0.1", installation.port)):
        pass


def test_keys_rotate_signs_with_new_keys_and_keeps_the_old_ones_published(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """`keys rotate`: what was active is retiring, and a running server publishes both."""
    before = json.loads(installation.run("keys", "list", "--json").out)
    ran = installation.run("keys", "rotate", "--json")
    assert ran.status == 0, ran.err
    after = {key["kid"]: key["state"] for key in json.loads(ran.out)}
    assert {after[key["kid"]] for key in before} == {"retiring"}
    assert sorted(after.values()) == ["active", "active", "retiring", "retiring"]
    installation.serve(server_process)
    assert {key["kid"] for key in installation.get("/jwks")[1]["keys"]} == set(after)


def test_keys_revoke_takes_a_key_away_from_a_running_server(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """`keys revoke`: within ten seconds it is published no more, and another signs; a name that is none is one line."""
    stolen = json.loads(installation.run("keys", "list", "--json").out)[0]["kid"]
    installation.serve(server_process)
    ran = installation.run("keys", "revoke", stolen, "--json")
    assert ran.status == 0, ran.err
    left = {key["kid"]: key["state"] for key in json.loads(ran.out)}
    assert stolen not in left
    assert sorted(left.values()) == ["active", "active"]
    deadline = time.monotonic() + 10
    while stolen in {key["kid"] for key in installation.get("/jwks")[1]["keys"]}:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    again = installation.run("keys", "revoke", stolen)
    assert (again.status, again.out) == (1, "")
    assert "there is no signing key" in again.err


def test_migrate_tells_then_does_and_then_has_nothing_to_do(installation: Installation) -> None:
    """`migrate --dry-run` changes nothing; `migrate` makes the schema; a second one says it is up to date."""
    told = installation.run("migrate", "--dry-run")
    assert told.status == 0
    assert told.out.startswith("would apply 0001")
    assert not (installation.directory / "authwright.db").exists()
    assert installation.run("migrate").out == told.out.replace("would apply", "applied")
    assert "is up to date" in installation.run("migrate").out


def test_purge_says_how_many_rows_went(installation: Installation) -> None:
    """An empty store has none."""
    ran = installation.run("purge")
    assert (ran.status, ran.out) == (0, "removed 0 rows\n")


def test_a_connection_that_is_kept_serves_many_requests(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """Keep-alive works, and the answers name no server software."""
    installation.serve(server_process)
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=10)
    statuses = [
        post(connection, "/token", "machine", SECRET, grant_type="client_credentials")[0] for _ in range(5)
    ]
    connection.close()
    assert statuses == [200] * 5


@pytest.mark.postgres
def test_two_workers_on_an_empty_postgresql(
    installation: Installation, server_process: ServerProcesses, postgres_database: str
) -> None:
    """`serve` makes and migrates its own store; the URL, password and all, comes from the environment."""
    environ = {"AUTHWRIGHT__STORE__URL": postgres_database}
    process = installation.serve(server_process, "--workers", "2", environ=environ)
    assert installation.post("/token", "machine", SECRET, grant_type="client_credentials")[0] == 200
    assert "is up to date" in installation.run("migrate", environ=environ).out
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found + [grandchild for child in found for grandchild in _children(child)]


def _workers(pid: int) -> list[int]:
    workers = []
    for child in _children(pid):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"authwright.server.worker" in command:
            workers.append(child)
    return workers
