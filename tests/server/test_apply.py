"""`authwright apply`: declarations into the store, as a diff, twice without effect, with nothing secret shown."""

from pathlib import Path

import pytest

from authwright.crypto.seal import RootKeys
from tests.server.installation import Installation
from tests.servers.process import ServerProcesses

DECLARED = """
[[clients]]
client_id = "batch"
client_secret = "first-secret-of-batch"
grant_types = ["client_credentials"]
scope = "read"

[[clients]]
client_id = "spa"
redirect_uris = ["https://spa.example.com/cb"]

[[users]]
username = "bob"
password = "bob-password"
[users.claims]
email = "bob@example.com"
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """What `init` makes, beside a file of declarations."""
    made = Installation.made(tmp_path / "op")
    (made.directory / "declared.toml").write_text(DECLARED)
    return made


def declare(installation: Installation, text: str) -> None:
    (installation.directory / "declared.toml").write_text(text)


def test_apply_adds_and_says_so_and_the_second_time_changes_nothing(installation: Installation) -> None:
    """It is idempotent: equal secrets and passwords are recognised, though only digests are stored."""
    first = installation.run("apply", "declared.toml")
    assert (first.status, first.out) == (0, "+ client batch\n+ client spa\n+ user bob\n3 changed\n"), (
        first.err
    )
    second = installation.run("apply", "declared.toml")
    assert (second.status, second.out) == (0, "nothing to change\n")


def test_apply_shows_what_changes_and_never_a_secret(installation: Installation) -> None:
    """A changed field is shown before and after; a changed secret or password only as changed."""
    installation.run("apply", "declared.toml")
    changed = DECLARED.replace('scope = "read"', 'scope = "read write"')
    declare(
        installation,
        changed.replace("first-secret", "second-secret").replace("bob-password", "bob-passphrase"),
    )
    ran = installation.run("apply", "declared.toml")
    assert ran.out == (
        '~ client batch\n    secrets: changed\n    scopes: ["read"] -> ["read","write"]\n'
        "~ user bob\n    password_hash: changed\n2 changed\n"
    )


def test_dry_run_prints_the_difference_and_writes_nothing(installation: Installation) -> None:
    """The same diff comes again afterwards."""
    told = installation.run("apply", "declared.toml", "--dry-run")
    assert told.out.endswith("3 to change; nothing was written (--dry-run)\n")
    assert installation.run("apply", "declared.toml").out.startswith(
        "+ client batch\n+ client spa\n+ user bob\n"
    )


def test_without_prune_nothing_is_removed_and_with_it_what_is_not_declared_goes(
    installation: Installation,
) -> None:
    """`--prune` removes clients and users that the file does not declare, and only then."""
    installation.run("apply", "declared.toml")
    declare(installation, '[[clients]]\nclient_id = "spa"\nredirect_uris = ["https://spa.example.com/cb"]\n')
    assert installation.run("apply", "declared.toml").out == "nothing to change\n"
    assert installation.run("apply", "declared.toml", "--prune", "--dry-run").out.startswith(
        "- client batch\n- user bob\n"
    )
    assert (
        installation.run("apply", "declared.toml", "--prune").out == "- client batch\n- user bob\n2 changed\n"
    )
    assert installation.run("apply", "declared.toml", "--prune").out == "nothing to change\n"


def test_a_user_keeps_the_subject_it_was_stored_with(installation: Installation) -> None:
    """A written `sub` moves the username to that subject; leaving `sub` out later changes nothing."""
    declare(
        installation, '[[users]]\nusername = "bob"\npassword = "bob-password"\n[users.claims]\nsub = "42"\n'
    )
    assert installation.run("apply", "declared.toml").out == "+ user bob\n1 changed\n"
    declare(installation, '[[users]]\nusername = "bob"\npassword = "bob-password"\n')
    assert installation.run("apply", "declared.toml").out == "nothing to change\n"


def test_a_client_in_both_places_is_told_and_the_configuration_wins(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """A client that stands in the configuration and in the store: the configuration wins, and `apply` says so."""
    with installation.file.open("a") as file:
        file.write('\n[[clients]]\nclient_id = "batch"\nclient_secret = "the-configured-secret"\n')
        file.write('grant_types = ["client_credentials"]\nscope = "configured"\n')
    ran = installation.run("apply", "declared.toml")
    assert "note: client batch also stands in authwright.toml, which wins" in ran.out
    installation.serve(server_process)
    status, token = installation.post(
        "/token", "batch", "the-configured-secret", grant_type="client_credentials"
    )
    assert (status, token["scope"]) == (200, "configured")
    assert (
        installation.post("/token", "batch", "first-secret-of-batch", grant_type="client_credentials")[0]
        == 401
    )


def test_an_applied_client_works_in_a_running_server(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """A client that is applied while the server runs gets tokens with the secret that was declared."""
    installation.serve(server_process)
    assert installation.run("apply", "declared.toml").status == 0
    status, token = installation.post(
        "/token", "batch", "first-secret-of-batch", grant_type="client_credentials"
    )
    assert (status, token["scope"]) == (200, "read")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('issuer = "https://a.example"', "declared.toml: issuer: is not a key"),
        ('[[resources]]\nuri = "https://api.example.com"', "resources: is not available in this version"),
        ('[[clients]]\nclient_id = "x"', "declared.toml: clients[0].redirect_uris"),
        ('[[users]]\nusername = "x"', "declared.toml: users[0].password"),
    ],
)
def test_a_mistake_in_the_declarations_is_one_line_and_changes_nothing(
    installation: Installation, text: str, said: str
) -> None:
    """It names the file that was given, not the configuration."""
    declare(installation, text)
    ran = installation.run("apply", "declared.toml")
    assert ran.status == 1
    assert len(ran.err.strip().splitlines()) == 1
    assert said in ran.err
    assert not (installation.directory / "authwright.db").exists()


def test_pruning_does_not_touch_what_stands_in_the_configuration(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """Users and clients of the configuration are not in the store, so `--prune` cannot take them away."""
    with installation.file.open("a") as file:
        file.write('\n[[users]]\nusername = "alice"\npassword = "alice-password"\n')
        file.write('\n[[clients]]\nclient_id = "m"\nclient_secret = "a-secret-of-m"\n')
        file.write('grant_types = ["client_credentials"]\nscope = "read"\n')
    installation.serve(server_process)
    installation.run("apply", "declared.toml")
    declare(installation, "")
    ran = installation.run("apply", "declared.toml", "--prune")
    assert ran.out == "- client batch\n- client spa\n- user bob\n3 changed\n"
    assert installation.post("/token", "m", "a-secret-of-m", grant_type="client_credentials")[0] == 200


def test_a_new_root_key_in_front_changes_nothing(
    installation: Installation, server_process: ServerProcesses
) -> None:
    """The newest key writes, the older ones still read: nothing to apply anew, and the old secret still works."""
    installation.run("apply", "declared.toml")
    key = installation.directory / "authwright.key"
    key.write_text(f"{RootKeys.generate_line()}\n{key.read_text()}")
    assert installation.run("apply", "declared.toml").out == "nothing to change\n"
    installation.serve(server_process)
    status, _ = installation.post("/token", "batch", "first-secret-of-batch", grant_type="client_credentials")
    assert status == 200


def test_apply_with_another_key_file_is_refused(installation: Installation) -> None:
    """Secrets digested under a key the server does not have would never match."""
    installation.run("apply", "declared.toml")
    (installation.directory / "authwright.key").write_text(f"{RootKeys.generate_line()}\n")
    ran = installation.run("apply", "declared.toml")
    assert ran.status == 1
    assert "does not open the signing keys in the store" in ran.err
