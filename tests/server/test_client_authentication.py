"""Clients that authenticate in other ways than by HTTP Basic, through the configuration and a running server."""

import http.client
import json
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.server.installation import Installation
from tests.servers.process import ServerProcesses

KEY = ec.generate_private_key(ec.SECP256R1())
SHARED = "a-shared-secret-of-more-than-32-bytes"
PASSWORD = "correct horse battery staple"


def declared() -> str:
    """Four clients and a user."""
    jwk = json.loads(ECAlgorithm.to_jwk(KEY.public_key()))
    members = ", ".join(f'{name} = "{value}"' for name, value in jwk.items())
    bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return f"""
[[clients]]
client_id = "keyed"
jwks = {{ keys = [{{ {members} }}] }}
grant_types = ["client_credentials", "{bearer}"]
scope = "read"

[[clients]]
client_id = "shared"
client_secret = "{SHARED}"
token_endpoint_auth_method = "client_secret_jwt"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "cli"
client_secret = "a secret of the cli"
grant_types = ["password"]
scope = "openid read"

[[users]]
username = "bob"
password = "{PASSWORD}"
[users.claims]
sub = "u-bob"
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.made(tmp_path / "op", declared())


def assertion(installation: Installation, client_id: str, key: Any, alg: str, **changes: Any) -> str:
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": installation.url,
        "exp": int(time.time()) + 60,
        "jti": str(uuid4()),
        **changes,
    }
    return jwt.encode(claims, key, algorithm=alg)


def ask(installation: Installation, **fields: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=20)
    try:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/token", urlencode(fields), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def authenticated(signed: str) -> dict[str, str]:
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
    }


def test_assertions_passwords_and_statements_work_in_a_running_server(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """The configuration's keys do what they say; the password client is told of loudly; nothing secret is logged."""
    process = installation.serve(server_process, environ={"AUTHWRIGHT__LOG__LEVEL": "error"})
    signed = assertion(installation, "keyed", KEY, "ES256")
    first = ask(installation, grant_type="client_credentials", **authenticated(signed))
    again = ask(installation, grant_type="client_credentials", **authenticated(signed))
    assert (first[0], again[0], again[1]["error"]) == (200, 401, "invalid_client")

    hmac = assertion(installation, "shared", SHARED, "HS256")
    assert ask(installation, grant_type="client_credentials", **authenticated(hmac))[0] == 200

    secret = {"client_id": "cli", "client_secret": "a secret of the cli"}
    password = {"grant_type": "password", "username": "bob", "password": PASSWORD, "scope": "openid"}
    assert ask(installation, **password, **secret)[0] == 401
    status, members = installation.post("/token", "cli", "a secret of the cli", **password)
    assert status == 200
    assert "id_token" in members

    statement = assertion(installation, "keyed", KEY, "ES256", sub="u-bob")
    fresh = authenticated(assertion(installation, "keyed", KEY, "ES256"))
    bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    status, members = ask(installation, grant_type=bearer, assertion=statement, **fresh)
    assert status == 200
    told = jwt.decode(members["access_token"], options={"verify_signature": False})
    assert (told["sub"], told["client_id"]) == ("u-bob", "keyed")

    listed = installation.get("/.well-known/openid-configuration")[1]["grant_types_supported"]
    assert {"password", bearer} <= set(listed)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    log = process.log()
    assert "WARNING: client cli may use the password grant" in log
    for hidden in (signed, statement, SHARED, PASSWORD):
        assert hidden not in log


def test_the_shared_secret_is_not_in_the_database_in_clear(installation: Installation) -> None:
    """What `apply` stores for client_secret_jwt is sealed."""
    file = installation.directory / "clients.toml"
    file.write_text(declared().replace('"shared"', '"stored"'))
    ran = installation.run("apply", str(file))
    assert ran.status == 0, ran.err
    assert "+ client stored" in ran.out
    assert installation.run("apply", str(file)).out.startswith("nothing to change")
    assert SHARED not in ran.out
    for path in installation.directory.glob("authwright.db*"):
        assert SHARED.encode() not in path.read_bytes()
