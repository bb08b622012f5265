"""The operator's commands for clients, users and sessions: as processes, over a store that a server may be using."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from authwright.clock import utcnow
from authwright.crypto.handles import random_id
from authwright.records import Consent, Session
from authwright.server.config import load
from authwright.server.database import opened
from authwright.stores.protocols import Stores
from authwright.ticket import StoredTicket, Ticket, TokenKind
from tests.server.installation import Installation, Ran
from tests.servers.process import ServerProcesses

T = TypeVar("T")

DECLARED = """
[[clients]]
client_id = "web"
client_secret = "web-secret-of-the-test"
redirect_uris = ["https://app.example.com/cb"]
client_name = "The [bold]web[/bold] app"

[[users]]
username = "alice"
password = "alice-password"
"""
MACHINE = ("--grant-type", "client_credentials", "--scope", "read write")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One with a client and a user that stand in the file."""
    return Installation.made(tmp_path / "op", DECLARED)


def said(ran: Ran) -> Any:
    """The JSON that a command printed, and nothing beside it."""
    assert (ran.status, ran.err) == (0, ""), ran
    return json.loads(ran.out)


def refused(ran: Ran) -> str:
    """The one line of a command that did nothing."""
    lines = ran.err.strip().splitlines()
    assert (ran.status, ran.out, len(lines)) == (1, "", 1), ran
    return lines[0]


def add_machine(installation: Installation, name: str = "batch") -> str:
    """A client for client_credentials in the store; its secret."""
    return str(said(installation.run("client", "add", name, "--json", *MACHINE))["client_secret"])


def in_store(installation: Installation, work: Callable[[Stores], Awaitable[T]]) -> T:
    """Something done to the installation's store from here."""

    async def done() -> T:
        async with opened(load(installation.file)) as stores:
            return await work(stores)

    return asyncio.run(done())


def signed_in(installation: Installation, subject: str, client_id: str, sid: str) -> None:
    """A session at the provider and a refresh token of it at the client, and what the user allowed it."""

    async def sign_in(stores: Stores) -> None:
        now = utcnow()
        later = now + timedelta(hours=1)
        if await stores.sessions.find(sid) is None:
            session = Session(
                digest=random_id(), session_id=sid, subject=subject,
                auth_time=now, created_at=now, expires_at=later,
            )  # fmt: skip
            await stores.sessions.replace(None, session)
        ticket = Ticket(
            grant_id=random_id(), client_id=client_id, subject=subject, session_id=sid, scopes=("openid",),
            presenters=frozenset((client_id,)),
        )  # fmt: skip
        token = StoredTicket(
            kind=TokenKind.REFRESH_TOKEN, digest=random_id(), issued_at=now, expires_at=later, ticket=ticket,
        )  # fmt: skip
        await stores.tickets.commit(id=random_id(), now=now, add=(token,))
        await stores.consents.put(
            Consent(subject=subject, client_id=client_id, scopes=frozenset({"openid"}), granted_at=now)
        )

    in_store(installation, sign_in)


def left(installation: Installation, subject: str, client_id: str, sid: str) -> tuple[int, bool, bool]:
    """How many grants there are, and whether there is a session and a consent."""

    async def look(stores: Stores) -> tuple[int, bool, bool]:
        return (
            len(await stores.tickets.grants(subject=subject, client_id=client_id)),
            await stores.sessions.find(sid) is not None,
            await stores.consents.get(subject, client_id) is not None,
        )

    return in_store(installation, look)


def token_status(installation: Installation, secret: str, client_id: str = "batch") -> int:
    """What the running server answers to the client with that secret."""
    return installation.post("/token", client_id, secret, grant_type="client_credentials")[0]


def test_a_client_lives_and_ends_by_commands_while_two_workers_serve(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """Added, it gets tokens; disabled, every worker refuses it within two seconds; enabled, it is served again."""
    installation.serve(server_process, "--workers", "2")
    secret = add_machine(installation)
    for _ in range(6):
        # A connection each, so that both workers have read the client.
        assert token_status(installation, secret) == 200
    said(installation.run("client", "disable", "batch", "--json"))
    # The command itself waits until every worker knows.
    assert [token_status(installation, secret) for _ in range(6)] == [401] * 6
    assert said(installation.run("client", "enable", "batch", "--json"))["enabled"] is True
    time.sleep(2.1)
    assert [token_status(installation, secret) for _ in range(6)] == [200] * 6


def test_rotate_secret_keeps_the_old_one_for_as_long_as_it_is_told(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """Two secrets work at once, then one; `--keep-old 0` ends the old one, and a third never lives beside two."""
    installation.serve(server_process)
    first = add_machine(installation)
    rotated = said(installation.run("client", "rotate-secret", "batch", "--keep-old", "4000", "--json"))
    second = rotated["client_secret"]
    assert rotated["old_secret_expires_at"] is not None
    assert (token_status(installation, first), token_status(installation, second)) == (200, 200)
    rotated = said(installation.run("client", "rotate-secret", "batch", "--json"))
    third = rotated["client_secret"]
    secrets = said(installation.run("client", "show", "batch", "--json"))["secrets"]
    assert sorted(secret["expires_at"] is None for secret in secrets) == [False, True]
    time.sleep(2.1)
    statuses = [token_status(installation, secret) for secret in (first, second, third)]
    assert statuses == [401, 200, 200]
    said(installation.run("client", "rotate-secret", "batch", "--keep-old", "0", "--json"))
    time.sleep(2.1)
    assert token_status(installation, third) == 401


def test_a_secret_is_printed_once_and_shown_by_nothing_else(installation: Installation) -> None:
    """`show` and `list` tell when secrets were made; the store holds a digest, which they do not tell either."""
    secret = add_machine(installation)
    shown = installation.run("client", "show", "batch", "--json")
    assert secret not in shown.out
    assert set(said(shown)["secrets"][0]) == {"created_at", "expires_at"}
    for command in (("client", "list"), ("client", "list", "--json"), ("client", "show", "batch")):
        ran = installation.run(*command)
        assert ran.status == 0
        assert "batch" in ran.out
        assert secret not in ran.out
        assert "digest" not in ran.out
        assert "sealed" not in ran.out


def test_client_list_tells_where_each_stands(installation: Installation) -> None:
    """Those of the file and those of the store; a name with brackets is shown as it is."""
    add_machine(installation)
    found = {row["client_id"]: row["source"] for row in said(installation.run("client", "list", "--json"))}
    assert found == {"batch": "store", "web": "file"}
    assert "The [bold]web[/bold] app" in installation.run("client", "list").out
    assert "web-secret-of-the-test" not in installation.run("client", "show", "web").out


def test_a_public_client_has_no_secret_to_rotate(installation: Installation) -> None:
    """`--auth-method none` prints none."""
    options = ("--auth-method", "none", "--redirect-uri", "https://spa.example.com/cb")
    assert said(installation.run("client", "add", "spa", "--json", *options)) == {"client_id": "spa"}
    assert "has no secret" in refused(installation.run("client", "rotate-secret", "spa"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("client", "add", "x", "--redirect-uri", "http://plain.example/cb"), "redirect_uris[0]: found"),
        (("client", "add", "x"), "redirect_uris: is missing"),
        (("client", "add", "x", "--auth-method", "none", *MACHINE), "grant_types: 'client_credentials' needs"),
        (("client", "add", "web", *MACHINE), "stands in authwright.toml, which wins"),
        (("client", "disable", "web"), "stands in authwright.toml, which wins"),
        (("client", "remove", "web"), "stands in authwright.toml, which wins"),
        (("client", "rotate-secret", "web"), "stands in authwright.toml, which wins"),
        (("client", "show", "nobody"), "there is no client 'nobody'"),
        (("client", "disable", "nobody"), "there is no client 'nobody'"),
        (("user", "add", "alice"), "stands in authwright.toml, which wins"),
        (("user", "add", "al", "--sub", "u-alice"), "stands in authwright.toml, which wins"),
        (("user", "disable", "alice"), "stands in authwright.toml, which wins"),
        (("user", "set-password", "alice"), "stands in authwright.toml, which wins"),
        (("user", "remove", "nobody"), "there is no user 'nobody'"),
        (("user", "add", "bob", "--claim", "email"), "--claim: found 'email'; allowed: NAME=VALUE"),
        (("user", "add", "bob", "--claim", "iss=x"), "claims.iss: is a claim the issuer sets"),
        (("user", "add", "bob", "--password-stdin"), "--password-stdin: found no password"),
        (("session", "list"), "name whose, by --user, --client or --sid"),
        (("session", "revoke", "--user", ""), "name whose, by --user, --client or --sid"),
        (("session", "revoke", "--user", "", "--client", "web"), "name whose"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(
    installation: Installation, arguments: tuple[str, ...], reason: str
) -> None:
    """Non-zero exit, nothing on standard output; what stands in the file is changed there."""
    assert reason in refused(installation.run(*arguments))


def test_what_is_there_already_is_not_added_over(installation: Installation) -> None:
    """A second `add` changes nothing."""
    add_machine(installation)
    assert "is there already" in refused(installation.run("client", "add", "batch", *MACHINE))
    said(installation.run("user", "add", "bob", "--json"))
    assert "is there already" in refused(installation.run("user", "add", "bob"))
    assert "has the sub 'u-bob' already" in refused(installation.run("user", "add", "rob", "--sub", "u-bob"))


def test_a_key_file_that_is_not_the_stores_adds_no_client(installation: Installation) -> None:
    """Its digest would match nothing."""
    assert installation.run("keys", "list").status == 0
    other = Installation.made(installation.directory.parent / "other")
    (installation.directory / "authwright.key").write_text((other.directory / "authwright.key").read_text())
    assert "store.key_file" in refused(installation.run("client", "add", "batch", *MACHINE))


def test_disabling_a_client_revokes_its_grants_and_removing_it_its_consents_too(
    installation: Installation,
) -> None:
    """The session goes on: it is with the provider, and other clients may be signed in by it."""
    add_machine(installation)
    signed_in(installation, "u-alice", "batch", "sid-1")
    ended = said(installation.run("client", "disable", "batch", "--json"))
    assert ended == {"client_id": "batch", "enabled": False, "revoked_grants": 1}
    assert left(installation, "u-alice", "batch", "sid-1") == (0, True, True)
    ended = said(installation.run("client", "remove", "batch", "--json"))
    assert ended == {"client_id": "batch", "removed": True, "revoked_grants": 0}
    assert left(installation, "u-alice", "batch", "sid-1") == (0, True, False)
    assert "there is no client" in refused(installation.run("client", "show", "batch"))


def test_a_user_lives_and_ends_by_commands(installation: Installation) -> None:
    """Claims as JSON where they are; disabled, sessions and grants are gone; removed, consents are too."""
    options = ("--claim", "email=bob@example.com", "--claim", "email_verified=true")
    added = said(installation.run("user", "add", "bob", "--json", *options))
    assert (added["sub"], len(added["password"])) == ("u-bob", 24)
    shown = said(installation.run("user", "show", "bob", "--json"))
    assert shown == {
        "username": "bob",
        "sub": "u-bob",
        "enabled": True,
        "source": "store",
        "claims": {"email": "bob@example.com", "email_verified": True},
    }
    signed_in(installation, "u-bob", "web", "sid-2")
    ended = said(installation.run("user", "disable", "bob", "--json"))
    assert ended == {"username": "bob", "enabled": False, "revoked_grants": 1, "ended_sessions": 1}
    assert left(installation, "u-bob", "web", "sid-2") == (0, False, True)
    listed = {row["username"]: row["enabled"] for row in said(installation.run("user", "list", "--json"))}
    assert listed == {"alice": True, "bob": False}
    assert said(installation.run("user", "enable", "bob", "--json"))["enabled"] is True
    assert said(installation.run("user", "remove", "bob", "--json"))["removed"] is True
    assert left(installation, "u-bob", "web", "sid-2") == (0, False, False)


def test_a_disabled_user_is_refused_at_once_and_a_new_password_is_the_one_that_works(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """Users are read at every sign-in; here by the password grant, which asks the same accounts."""
    more = (
        '\n[[clients]]\nclient_id = "legacy"\nclient_secret = "legacy-secret-of-test"\n'
        'grant_types = ["password"]\nscope = "openid"\n'
    )
    installation.file.write_text(installation.file.read_text() + more)
    installation.serve(server_process)

    def sign_in(password: str) -> int:
        return installation.post(
            "/token", "legacy", "legacy-secret-of-test", grant_type="password", username="bob", password=password
        )[0]  # fmt: skip

    first = "a password of bob's own"
    added = said(installation.run("user", "add", "bob", "--password-stdin", "--json", stdin=first + "\n"))
    assert "password" not in added
    assert sign_in(first) == 200
    second = said(installation.run("user", "set-password", "bob", "--json"))["password"]
    assert (sign_in(first), sign_in(second)) == (400, 200)
    said(installation.run("user", "disable", "bob", "--json"))
    assert sign_in(second) == 400


def test_session_list_and_revoke_by_user_client_and_session(installation: Installation) -> None:
    """Several options must all match; a client's grants alone do not end the session."""
    for client_id, sid in (("web", "sid-a"), ("other", "sid-a"), ("web", "sid-b")):
        signed_in(installation, "u-alice", client_id, sid)

    def listed(*options: str) -> list[tuple[str, str]]:
        rows = said(installation.run("session", "list", "--json", *options))
        return sorted((row["client_id"], row["sid"]) for row in rows if row["kind"] == "grant")

    assert listed("--user", "alice") == [("other", "sid-a"), ("web", "sid-a"), ("web", "sid-b")]
    assert listed("--client", "web") == [("web", "sid-a"), ("web", "sid-b")]
    assert listed("--sid", "sid-a") == [("other", "sid-a"), ("web", "sid-a")]
    assert listed("--user", "u-alice", "--client", "web", "--sid", "sid-b") == [("web", "sid-b")]
    assert "sid-b" in installation.run("session", "list", "--client", "web").out
    ended = said(installation.run("session", "revoke", "--client", "web", "--sid", "sid-a", "--json"))
    assert ended == {"revoked_grants": 1, "ended_sessions": 0}
    ended = said(installation.run("session", "revoke", "--sid", "sid-a", "--json"))
    assert ended == {"revoked_grants": 1, "ended_sessions": 1}
    ended = said(installation.run("session", "revoke", "--user", "alice", "--json"))
    assert ended == {"revoked_grants": 1, "ended_sessions": 1}
    assert listed("--user", "alice") == []


def test_sessions_at_the_provider_are_listed_and_shown_and_end_with_revoke(
    installation: Installation,
) -> None:
    """A session is there before any grant and without one; a client finds those that signed in to it."""

    async def begin(stores: Stores) -> None:
        now = utcnow()
        for sid, client, lasts in (("sid-a", "web", 1), ("sid-b", "other", 1), ("sid-old", "web", -1)):
            session = Session(
                digest=random_id(), session_id=sid, subject="u-alice", auth_time=now, created_at=now,
                expires_at=now + timedelta(hours=lasts), clients=frozenset({client}),
            )  # fmt: skip
            await stores.sessions.replace(None, session)

    in_store(installation, begin)
    signed_in(installation, "u-alice", "web", "sid-a")

    def listed(*options: str) -> list[tuple[str, str]]:
        rows = said(installation.run("session", "list", "--json", *options))
        return sorted((row["kind"], row["sid"]) for row in rows)

    assert listed("--user", "alice") == [("grant", "sid-a"), ("session", "sid-a"), ("session", "sid-b")]
    assert listed("--client", "web") == [("grant", "sid-a"), ("session", "sid-a")]
    assert listed("--sid", "sid-b") == [("session", "sid-b")]
    shown = said(installation.run("session", "show", "sid-a", "--json"))
    assert (shown["sub"], shown["clients"]) == ("u-alice", ["web"])
    assert [grant["client_id"] for grant in shown["grants"]] == ["web"]
    assert "clients: other" in installation.run("session", "show", "sid-b").out
    assert "there is no session 'sid-old'" in installation.run("session", "show", "sid-old").err
    ended = said(installation.run("session", "revoke", "--sid", "sid-b", "--json"))
    assert ended == {"revoked_grants": 0, "ended_sessions": 1}
    assert listed("--user", "alice") == [("grant", "sid-a"), ("session", "sid-a")]


def test_purge_as_json(installation: Installation) -> None:
    """For scripts that count."""
    assert said(installation.run("purge", "--json")) == {"removed": 0}


def test_sec_T13_nobody_gets_the_name_of_the_other_kind(installation: Installation) -> None:
    """T13: `client add`, `user add` and `apply` refuse a `sub` that is a client_id, in the file and in the store."""
    said(installation.run("client", "add", "batch", "--json", *MACHINE))
    refused = installation.run("user", "add", "mallory", "--sub", "batch")
    assert (refused.status, "'batch' is the client_id of a client" in refused.err) == (1, True), refused.err
    said(installation.run("user", "add", "bob", "--sub", "u-bob", "--json"))
    for subject in ("u-bob", "u-alice"):
        refused = installation.run("client", "add", subject, *MACHINE)
        assert (refused.status, f"{subject!r} is the sub of a user" in refused.err) == (1, True), refused.err
    declared = installation.directory / "names.toml"
    for text in (
        '[[users]]\nusername = "carol"\npassword = "carols-password"\n[users.claims]\nsub = "batch"\n',
        '[[clients]]\nclient_id = "u-bob"\nclient_secret = "a-secret-of-the-test"\ngrant_types = ["client_credentials"]\n',
    ):
        declared.write_text(text)
        refused = installation.run("apply", "names.toml")
        assert refused.status == 1
        assert "is the client_id of a client and the sub of a user" in refused.err
    # Once the user is gone the name is free.
    refused = installation.run("apply", "names.toml", "--prune")
    assert refused.status == 0, refused.err
