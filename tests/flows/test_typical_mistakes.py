"""What somebody new writes first, and what is said about it: in a sentence, where it is written."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import authwright
from authwright.protocol.errors import ServerError

ISSUER, APP = "http://localhost:9000", "http://localhost:9001"
KEY = authwright.RootKeys.generate_line()


async def nothing_is_there(_: authwright.HttpRequest) -> authwright.HttpResponse:
    raise ConnectionRefusedError


def relying_party(**options: object) -> authwright.RelyingParty:
    given: dict[str, object] = {"issuer": ISSUER, "client_id": "web", "base_url": APP, "keys": KEY, **options}
    return authwright.RelyingParty(**given)  # type: ignore[arg-type]


def client(**metadata: object) -> object:
    return authwright.client("web", "web-secret", **metadata)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda: client(redirect_uris=APP), "client 'web': redirect_uris is a list"),
        (lambda: client(grant_types="client_credentials"), "client 'web': grant_types is a list"),
        (lambda: client(scope=["openid"]), "client 'web': scope is one string"),
        (
            lambda: authwright.Resource(uri="https://api.example", scopes="orders:read"),  # type: ignore[arg-type]
            "resource https://api.example: scopes and introspected_by are sequences",
        ),
        (
            lambda: authwright.ResourceServer(issuer="http://op.example", audience="https://api.example"),
            "issuer must be an https URL, except on loopback",
        ),
        (
            lambda: authwright.ResourceServer(issuer=ISSUER, audience="orders", introspect_jwts=True),
            "introspect_jwts needs client_id and client_secret, or introspection",
        ),
    ],
    ids=["redirect_uris", "grant_types", "scope", "resource", "http", "introspection"],
)
def test_one_string_for_a_list_and_its_like_are_refused(mistake: Callable[[], object], said: str) -> None:
    """Each would do something else than was meant, and say nothing: a string is a sequence of letters."""
    with pytest.raises(ValueError, match=said):
        mistake()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("scope", "there is no option 'scope'; is 'scopes' meant\\?"),
        ("wings", "there is no option 'wings'$"),
    ],
)
def test_an_option_that_there_is_not_is_refused(option: str, said: str) -> None:
    """A setting with a slip in its name would have no effect."""
    with pytest.raises(TypeError, match=said):
        relying_party(**{option: ["openid"]})


async def test_a_provider_takes_the_text_of_a_key_file_as_a_relying_party_does() -> None:
    """The same `keys` for both."""
    provider = authwright.standard_provider(issuer=ISSUER, stores=authwright.memory_stores(), keys=KEY)
    async with provider.lifespan():
        answer = await provider.handle(authwright.HttpRequest.to("GET", ISSUER + "/jwks"))
    assert len(answer.json()["keys"]) == 2


@pytest.mark.parametrize(
    ("missing", "module", "said"),
    [
        ("httpcore2", "authwright.http_client", "install authwright[client]"),
        ("asyncpg", "authwright.stores.postgres", "install authwright[postgres]"),
        ("valkey", "authwright.stores.valkey", "install authwright[valkey]"),
    ],
)
def test_a_missing_extra_is_named(missing: str, module: str, said: str) -> None:
    """The name of some package says nothing to somebody who installed ours."""
    program = f"import sys; sys.modules[{missing!r}] = None; sys.modules[{missing + '.asyncio'!r}] = None\nimport {module}"
    # The package under test, whether or not it is installed.
    found = {**os.environ, "PYTHONPATH": str(Path(authwright.__file__).parent.parent)}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=found
    )
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError")
    assert said in last


async def test_a_log_without_our_formatter_says_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    """An application's own logging shows messages, not the attributes of a record."""
    party = relying_party(fetch=nothing_is_there)
    await party.handle(authwright.HttpRequest.to("GET", APP + "/auth/login"))

    class Broken(authwright.ProviderEvents):
        async def configuration_endpoint(self, document: object) -> None:
            raise KeyError("secret-in-a-message")

        async def cryptography_endpoint(self, document: object) -> None:
            raise ServerError(detail="a.reason")

    provider = authwright.standard_provider(
        issuer=ISSUER, stores=authwright.memory_stores(), keys=KEY, events=Broken()
    )
    async with provider.lifespan():
        for path in ("/.well-known/openid-configuration", "/jwks"):
            await provider.handle(authwright.HttpRequest.to("GET", ISSUER + path))
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert messages[1] == "sign-in unavailable: unreachable"
    assert messages[0] == f"not fetched: {ISSUER}/.well-known/openid-configuration: unreachable"
    assert messages[2].startswith("request.failed: KeyError at ")
    assert messages[-1] == "request.refused: server_error: a.reason"
    assert "secret-in-a-message" not in str([vars(record) for record in caplog.records])
