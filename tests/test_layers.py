"""Imports go one way, and each outside package has one door (docs: explain/architecture)."""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "authwright"

# From left to right; what stands in one line has one rank. A room may import its own rank and what is left of it.
RANKS = (
    ("clock", "protocol"),
    ("crypto",),
    ("ticket", "records"),
    ("stores",),
    ("remote",),
    ("provider", "relying_party", "resource_server"),
    ("consent_services", "html_pages"),
    ("asgi", "http_client"),
    ("registrations",),
    (
        "standard",
        "standard_fetch",
        "standard_rs",
        "standard_rp",
        "standard_parties",
        "standard_consent_services",
        "standard_consent_router",
    ),
    ("server",),
    ("demo", "testing"),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
STRANGERS = frozenset({"provider", "relying_party", "resource_server"})

# Which files may import a package that is not Python's own; a path ends in "/" when it is a directory.
DOORS: Mapping[str, tuple[str, ...]] = {
    "msgspec": ("",),
    "cryptography": ("crypto/",),
    "joserfc": ("crypto/",),
    "httpx2": ("http_client/", "demo/"),
    "httpcore2": ("http_client/",),
    "asyncpg": ("stores/postgres",),
    "valkey": ("stores/valkey",),
    "jinja2": ("html_pages/", "demo/"),
    "markupsafe": ("html_pages/", "demo/"),
    "click": ("server/", "demo/"),
    "rich": ("server/", "demo/"),
    "prometheus_client": ("server/exposition.py",),
    "structlog": ("server/", "demo/"),
    "uvicorn": ("server/", "demo/"),
    "uvloop": ("server/",),
    "fastapi": ("demo/",),
    "starlette": ("demo/",),
    "pytest": ("testing/",),
}
# `protocol` has no clock, no randomness and no input or output.
IMPURE = frozenset({"asyncio", "logging", "os", "random", "secrets", "socket", "ssl", "threading", "time"})


def violations(files: Mapping[str, str]) -> list[str]:
    """What breaks the rules in `files`, a mapping of paths below src/authwright to their text."""
    return [f"{path}: {problem}" for path, text in sorted(files.items()) for problem in _check(path, text)]


def _check(path: str, text: str) -> Iterator[str]:
    room = path.removesuffix(".py").partition("/")[0]
    tree = ast.parse(text)
    # The package's own __init__ gathers the public names, so it stands right of everything.
    if room != "__init__":
        if room not in RANK:
            yield f"{room} has no place in the order of rooms"
            return
        for imported in _imports(tree, path):
            yield from _check_import(path, room, imported)
    for node in ast.walk(tree):
        if room != "asgi" and (spoken := _asgi_in(node)):
            yield f"names {spoken}, and only asgi speaks ASGI"
        if room == "protocol" and isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield "protocol is pure and awaits nothing"


def _asgi_in(node: ast.AST) -> str:
    """What of ASGI stands at `node`: its parameters, or one of its messages."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        names = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args)}
        return "receive and send" if {"receive", "send"} <= names else ""
    value = node.value if isinstance(node, ast.Constant) else None
    messages = ("http.request", "http.response.", "lifespan.s", "websocket.")
    return value if isinstance(value, str) and value.startswith(messages) else ""


def _check_import(path: str, room: str, imported: str) -> Iterator[str]:
    package, _, rest = imported.partition(".")
    if package == "authwright":
        target = rest.partition(".")[0]
        if target == room:
            return
        if target not in RANK:
            if room not in ("demo", "testing"):
                yield f"imports {imported}, the public names, which only users do"
        elif RANK[target] > RANK[room]:
            yield f"imports {imported}, which stands right of it"
        elif target in STRANGERS and room in STRANGERS:
            yield f"imports {imported}, of which it must not know"
    elif package in sys.stdlib_module_names:
        if room == "protocol" and package in IMPURE:
            yield f"imports {imported}, and protocol is pure"
    elif package not in DOORS:
        yield f"imports {imported}, a package without a door"
    elif not path.startswith(DOORS[package]):
        yield f"imports {imported}, which only {' and '.join(DOORS[package])} may"


def _imports(tree: ast.AST, path: str) -> Iterator[str]:
    """Full dotted names, wherever in the file they stand; a name from the package itself is resolved to its room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = ("authwright", *path.split("/")[: -node.level])
                base = ".".join((*above, base)).rstrip(".")
            if base == "authwright":
                yield from (f"authwright.{alias.name}" for alias in node.names)
            else:
                yield base


def _sources() -> dict[str, str]:
    return {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")
    }


def test_every_import_goes_one_way_and_through_its_door() -> None:
    """The whole of src/authwright."""
    assert violations(_sources()) == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("protocol/token.py", "from authwright.crypto.jwt import sign_jwt", "right of it"),
        ("protocol/token.py", "from ..crypto import jwt", "right of it"),
        ("protocol/token.py", "def f():\n    import authwright.stores.memory", "right of it"),
        ("protocol/token.py", "import time", "pure"),
        ("protocol/token.py", "async def f(): ...", "pure"),
        ("stores/memory.py", "from authwright import standard", "right of it"),
        ("stores/memory.py", "from authwright import RelyingParty", "public names"),
        ("provider/provider.py", "from authwright.relying_party.party import RelyingParty", "must not know"),
        ("relying_party/party.py", "import authwright.provider.provider", "must not know"),
        ("resource_server/guard.py", "from authwright.relying_party import x", "must not know"),
        ("provider/provider.py", "from cryptography import x509", "only crypto/ may"),
        ("stores/sqlite.py", "import joserfc.jwt", "only crypto/ may"),
        ("remote/jwks.py", "import httpx2", "only http_client/ and demo/ may"),
        ("asgi/body.py", "import httpcore2", "only http_client/ may"),
        ("stores/sqlite.py", "import asyncpg", "only stores/postgres may"),
        ("asgi/provider_app.py", "from starlette.requests import Request", "only demo/ may"),
        ("server/app.py", "import fastapi", "only demo/ may"),
        ("remote/jwks.py", "import anyio", "without a door"),
        ("provider/provider.py", "message = {'type': 'http.response.start'}", "speaks ASGI"),
        ("standard.py", "async def app(scope, receive, send): ...", "speaks ASGI"),
        ("utils/things.py", "", "no place"),
    ],
)
def test_the_check_finds_a_planted_violation(path: str, text: str, found: str) -> None:
    """A check that cannot fail would be no check."""
    problems = violations({path: text})
    assert len(problems) == 1
    assert found in problems[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("crypto/jwt.py", "from cryptography.hazmat.primitives import hashes\nimport joserfc"),
        ("stores/postgres.py", "import asyncpg\nfrom authwright.stores.protocols import Stores"),
        ("stores/postgres/database.py", "import asyncpg\nfrom . import sql"),
        ("standard.py", "from authwright.asgi import ProviderApp\nfrom authwright.provider import provider"),
        ("provider/grants/base.py", "from ..settings import Settings\nfrom authwright.ticket import Ticket"),
        ("demo/app.py", "from authwright import RelyingParty\nimport fastapi"),
        ("__init__.py", "from authwright.standard import standard_provider"),
    ],
)
def test_what_is_allowed_is_left_alone(path: str, text: str) -> None:
    """A check that always fails would be none either."""
    assert violations({path: text}) == []


def test_the_check_reads_real_files() -> None:
    """An empty walk would pass as well."""
    sources = _sources()
    assert {"protocol/http.py", "http_client/guarded_client.py", "asgi/provider_app.py"} <= sources.keys()
