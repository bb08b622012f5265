"""`[[consent_services]]`: what may stand there, what becomes of it, and what `authwright apply` makes of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from authwright.protocol.http import HttpRequest, HttpResponse
from authwright.records import ConsentService
from authwright.server.config import ConfigurationError, load, load_apply_file
from authwright.server.declared_services import consent_services
from tests.server.installation import Installation

MINIMAL = 'issuer = "http://localhost:9000"\n'
EXCHANGE = '[token_exchange]\nbase_scope = "https://apis.example.com/auth/"\n'
PHOTOS = '[[consent_services]]\nname = "photos"\nauthority = "https://photos.example.com"\n'


def write(directory: Path, text: str) -> Path:
    file = directory / "authwright.toml"
    file.write_text(MINIMAL + text)
    return file


def mistake(file: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    return str(raised.value)


async def no_fetch(_: HttpRequest) -> HttpResponse:
    raise OSError


def test_every_key_reaches_the_service(tmp_path: Path) -> None:
    """With the defaults of the contract where nothing is written; a whole number of seconds is a number too."""
    file = write(
        tmp_path,
        EXCHANGE
        + "services_cache = 1\ndiscovery_cache = 2\ndiscovery_error_cache = 0\n"
        + PHOTOS
        + """
[[consent_services]]
name = "mail_2-x"
authority = "http://localhost:9001/services/mail"
description = "The mail"
enabled = false
tenant = "other"
timeout = 2
may_add_scopes = true
on_failure = "fail"
endpoint_hosts = ["api.example.com", "10.0.0.1:8443"]
""",
    )
    chosen = consent_services(load(file, {}).values, no_fetch)
    assert list(chosen.services) == [
        ConsentService(name="photos", authority="https://photos.example.com", tenant="main"),
        ConsentService(
            name="mail_2-x",
            authority="http://localhost:9001/services/mail",
            tenant="other",
            description="The mail",
            enabled=False,
            timeout=timedelta(seconds=2),
            may_add_scopes=True,
            on_failure="fail",
            endpoint_hosts=("api.example.com", "10.0.0.1:8443"),
        ),
    ]
    assert chosen.services[0].timeout == timedelta(seconds=1)
    assert (chosen.services_cache, chosen.discovery_cache, chosen.discovery_error_cache) == (
        timedelta(seconds=1),
        timedelta(seconds=2),
        timedelta(0),
    )
    assert chosen.fetch is no_fetch


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (PHOTOS.replace("photos", "my.photos", 1), "consent_services[0].name"),
        (PHOTOS.replace('"photos"', '""'), "consent_services[0].name"),
        (PHOTOS.replace('"photos"', '"ph otos"'), "consent_services[0].name"),
        (PHOTOS + PHOTOS, "consent_services[1].name"),
        (PHOTOS.replace("https:", "http:"), "consent_services[0].authority"),
        (PHOTOS.replace(".com", ".com/?a=b"), "consent_services[0].authority"),
        (PHOTOS.replace("https://", ""), "consent_services[0].authority"),
        (PHOTOS + "timeout = 0\n", "consent_services[0].timeout"),
        (PHOTOS + "timeout = 61.0\n", "consent_services[0].timeout"),
        (PHOTOS + "timeout = true\n", "consent_services[0].timeout"),
        (PHOTOS + 'timeout = "1"\n', "consent_services[0].timeout"),
        (PHOTOS + 'on_failure = "ask"\n', "consent_services[0].on_failure"),
        (PHOTOS + 'endpoint_hosts = ["https://a.example"]\n', "consent_services[0].endpoint_hosts[0]"),
        (PHOTOS + 'endpoint_host = "a"\n', "consent_services[0].endpoint_host"),
        ('[[consent_services]]\nname = "photos"\n', "consent_services[0].authority"),
    ],
)
def test_a_service_that_cannot_work_stops_the_start(tmp_path: Path, text: str, key: str) -> None:
    """In the configuration as in what is applied."""
    file = write(tmp_path, EXCHANGE + text)
    assert mistake(file).startswith(f"{file}: {key}: ")
    declared = tmp_path / "declared.toml"
    declared.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load_apply_file(declared, {})
    assert str(raised.value).startswith(f"{declared}: {key}: ")


def test_services_need_to_know_what_their_scopes_begin_with(tmp_path: Path) -> None:
    """Otherwise nobody could ask for them, and nothing would say so."""
    file = write(tmp_path, PHOTOS)
    assert mistake(file).startswith(f"{file}: token_exchange.base_scope: is missing")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.made(tmp_path / "op")


def declare(installation: Installation, text: str) -> None:
    (installation.directory / "declared.toml").write_text(text)


def test_apply_fills_the_registry_shows_a_difference_and_prunes(installation: Installation) -> None:
    """Idempotent; a change is shown before and after; `--prune` removes, in the issuer's tenant and those declared."""
    with installation.file.open("a") as file:
        file.write(EXCHANGE)
    elsewhere = PHOTOS + 'tenant = "other"\n'
    declare(installation, PHOTOS + PHOTOS.replace("photos", "mail") + elsewhere)
    first = installation.run("apply", "declared.toml")
    assert (first.status, first.out) == (
        0,
        "+ consent service photos\n+ consent service mail\n+ consent service photos of tenant other\n3 changed\n",
    ), first.err
    assert installation.run("apply", "declared.toml").out == "nothing to change\n"
    declare(installation, PHOTOS + "timeout = 0.25\nmay_add_scopes = true\n")
    assert installation.run("apply", "declared.toml", "--dry-run").out == (
        '~ consent service photos\n    timeout: "PT1S" -> "PT0.25S"\n    may_add_scopes: false -> true\n'
        "1 to change; nothing was written (--dry-run)\n"
    )
    assert installation.run("apply", "declared.toml", "--prune").out.startswith("~ consent service photos\n")
    assert installation.run("apply", "declared.toml", "--prune").out == "nothing to change\n"
    declare(installation, "")
    assert installation.run("apply", "declared.toml").out == "nothing to change\n"
    assert installation.run("apply", "declared.toml", "--prune").out == (
        "- consent service photos\n1 changed\n"
    )


def test_apply_says_that_services_are_not_asked_without_a_base_scope(installation: Installation) -> None:
    """They are kept all the same: the configuration may follow."""
    declare(installation, PHOTOS)
    ran = installation.run("apply", "declared.toml")
    assert ran.out.startswith(
        "+ consent service photos\n1 changed\nnote: token_exchange.base_scope is not set"
    ), ran.err


def test_a_service_in_both_places_is_told(installation: Installation) -> None:
    """The configuration wins, and `apply` says so."""
    with installation.file.open("a") as file:
        file.write(EXCHANGE + PHOTOS)
    declare(installation, PHOTOS)
    ran = installation.run("apply", "declared.toml")
    assert "note: consent service photos also stands in authwright.toml, which wins" in ran.out, ran.err
