"""Mint, exchange, introspect, mutate, refresh, revoke: `authwright serve` with two workers, and services on ports of their own."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE, TOKEN_EXCHANGE_MUTATE
from tests.flows.consent_service_app import BASE
from tests.server.installation import Installation
from tests.servers.process import ROOT, ServerProcess, ServerProcesses, find_free_port

SHOP = ("shop", "shop-secret-of-the-test-0000000")
ALICE = {"grant_type": "password", "username": "alice", "password": "alice-password"}
PHOTOS, READONLY, MAIL, DRIVE = f"{BASE}photos", f"{BASE}photos.readonly", f"{BASE}mail", f"{BASE}drive"
NAMES = ("photos", "mail", "drive")


@dataclass(frozen=True, slots=True)
class City:
    """The provider and its services, each a process."""

    op: Installation
    services: dict[str, ServerProcess]
    directory: Path

    def say(self, **answers: str) -> None:
        """What the services answer from now on."""
        for name, answer in answers.items():
            (self.directory / name).write_text(answer)

    def token(self, **fields: str) -> dict[str, Any]:
        status, answer = self.op.post("/token", *SHOP, **fields)
        assert status == 200, answer
        members: dict[str, Any] = answer
        return members

    def mutate(self, token: str, **fields: str) -> tuple[int, dict[str, Any]]:
        return self.op.post(
            "/token",
            *SHOP,
            grant_type=TOKEN_EXCHANGE_MUTATE,
            subject_token=token,
            subject_token_type=ACCESS_TOKEN,
            **fields,
        )

    def seen(self, token: str) -> dict[str, Any]:
        status, members = self.op.post("/introspect", *SHOP, token=token)
        assert status == 200
        found: dict[str, Any] = members
        return found


def configuration(ports: dict[str, int]) -> str:
    services = "".join(
        f'[[consent_services]]\nname = "{name}"\nauthority = "http://127.0.0.1:{port}"\n'
        for name, port in ports.items()
    )
    return f"""
[token_exchange]
base_scope = "{BASE}"
mutate_grant_types = ["{TOKEN_EXCHANGE_MUTATE}"]

[[clients]]
client_id = "shop"
client_secret = "{SHOP[1]}"
grant_types = ["password", "refresh_token", "{TOKEN_EXCHANGE}", "{TOKEN_EXCHANGE_MUTATE}"]
scope = "read offline_access"
access_token_format = "opaque"
allowed_consent_services = ["photos", "mail", "drive"]

[[users]]
username = "alice"
password = "alice-password"
[users.claims]
sub = "u-alice"

{services}"""


@pytest.fixture(params=["sqlite", "postgres"])
def city(request: pytest.FixtureRequest, tmp_path: Path, server_process: ServerProcesses) -> City:
    ports = {name: find_free_port() for name in NAMES}
    op = Installation.made(tmp_path / "op", configuration(ports))
    answers = tmp_path / "answers"
    answers.mkdir()
    services = {
        name: server_process.python(
            "-m", "tests.flows.consent_service_app", name, str(port), op.url, answers, cwd=ROOT
        )
        for name, port in ports.items()
    }
    environ = {}
    if request.param == "postgres":
        environ = {"AUTHWRIGHT__STORE__URL": request.getfixturevalue("postgres_database")}
    op.serve(server_process, "--workers", "2", environ=environ)
    for name, port in ports.items():
        services[name].wait_for(f"http://127.0.0.1:{port}/.well-known/consent-configuration")
    return City(op, services, answers)


def test_mint_exchange_introspect_mutate_refresh_and_revoke_over_the_wire(city: City) -> None:
    """Issue 5: what one worker did the other sees; services answer, deny, hang and die on their own."""
    # 1. Mint, and exchange for what three services grant.
    city.say(photos="all", mail="all", drive="all")
    minted = city.token(scope="read offline_access", **ALICE)
    exchanged = city.token(
        grant_type=TOKEN_EXCHANGE,
        subject_token=minted["access_token"],
        subject_token_type=ACCESS_TOKEN,
        scope=f"read offline_access {PHOTOS} {READONLY} {MAIL} {DRIVE}",
    )
    token = exchanged["access_token"]
    assert exchanged["scope"] == f"read offline_access {PHOTOS} {READONLY} {MAIL} {DRIVE}"
    before = city.seen(token)
    assert (before["sub"], before["photos.said"]) == ("u-alice", "all")
    assert before["custom_payload"] == {name: {"of": name} for name in NAMES}

    # 2. Mutate: one grants less, one denies, one is dead.
    city.say(photos="readonly", mail="no")
    city.services["drive"].stop()
    status, mutated = city.mutate(token, scope=f"read {PHOTOS} {READONLY} {MAIL} {DRIVE}")
    assert (status, mutated["scope"]) == (200, f"read offline_access {READONLY} {DRIVE}"), mutated
    assert (mutated["access_token"], "refresh_token" in mutated) == (token, False)
    assert mutated["expires_in"] <= exchanged["expires_in"]
    for value in (token, exchanged["refresh_token"]) * 2:
        after = city.seen(value)
        assert (after["scope"], after["photos.said"]) == (mutated["scope"], "readonly")
        assert (after["drive.said"], "mail.said" in after) == ("all", False)
        assert after["custom_payload"] == {"drive": {"of": "drive"}}
    kept = ("iss", "sub", "aud", "iat", "exp", "client_id", "amr")
    seen = city.seen(token)
    assert [seen.get(name) for name in kept] == [before.get(name) for name in kept]

    # 3. A service that hangs costs its second, and keeps what it said.
    city.say(photos="hang", mail="all")
    began = time.monotonic()
    status, mutated = city.mutate(token, scope=f"{READONLY} {MAIL}", mode="merge")
    assert (status, set(mutated["scope"].split())) == (200, {"read", "offline_access", READONLY, MAIL, DRIVE})
    assert time.monotonic() - began < 2.5

    # 4. Refresh: the next tokens are what the last decision was.
    refreshed = city.token(grant_type="refresh_token", refresh_token=exchanged["refresh_token"])
    assert set(refreshed["scope"].split()) == set(mutated["scope"].split())
    assert city.seen(refreshed["access_token"])["photos.said"] == "readonly"
    status, refused = city.mutate(minted["access_token"], scope=READONLY)
    assert (status, refused["error"]) == (400, "invalid_request")

    # 5. Revoke the token it all began with: nothing that was made from it lives on, or comes back.
    status, _ = city.op.post("/revoke", *SHOP, token=minted["refresh_token"])
    assert status == 200
    for value in (token, refreshed["access_token"], refreshed["refresh_token"]) * 2:
        assert city.seen(value) == {"active": False}
    status, refused = city.mutate(refreshed["access_token"], scope=MAIL)
    assert (status, refused["error"]) == (400, "invalid_request")
