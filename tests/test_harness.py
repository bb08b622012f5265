"""The harness itself: the servers are real, the limits hold, and CI cannot be green for want of a server."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.node import Node
from tests.servers.process import ROOT, ServerProcesses

if TYPE_CHECKING:
    from playwright.async_api import Page


@pytest.mark.postgres
async def test_postgres_is_real_and_each_test_has_a_database_of_its_own(postgres_database: str) -> None:
    """Version 15 or newer, and empty."""
    import asyncpg

    connection = await asyncpg.connect(postgres_database)
    try:
        assert int(await connection.fetchval("SHOW server_version_num")) >= 150000
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        await connection.execute("CREATE TABLE t (a int)")
    finally:
        await connection.close()


@pytest.mark.chromium
async def test_chromium_is_real_and_submits_a_form_without_scripts(page: "Page") -> None:
    """What the page tests rely on."""
    await page.set_content("<form action='about:blank'><input name=q><button id=go>go</button></form>")
    await page.fill("input[name=q]", "x")
    await page.click("#go")
    assert page.url.startswith("about:blank")


@pytest.mark.node
def test_node_finds_the_peers(node: Node, tmp_path: Path) -> None:
    """Both are imported as the ES modules they are."""
    script = tmp_path / "peers.mjs"
    script.write_text(
        "import * as client from 'openid-client'; import Provider from 'oidc-provider';\n"
        "console.log(typeof client.discovery, typeof Provider);\n"
    )
    placed = node.script(script)
    try:
        shown = subprocess.run(
            [node.path, placed], env=node.environ, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        placed.unlink()
    assert shown.stdout == "function function\n", shown.stderr


def test_a_server_process_is_waited_for_logged_and_ended(
    server_process: ServerProcesses, free_port: int
) -> None:
    """By its own pid, and what it wrote can be read."""
    server = server_process.python("-u", "-m", "http.server", "--bind", "127.0.0.1", str(free_port))
    server.wait_for(f"http://127.0.0.1:{free_port}/nothing-here")
    assert "GET /nothing-here" in server.log()
    server.signal(signal.SIGTERM)
    assert server.wait() != 0


def test_a_server_process_that_fails_shows_its_log(server_process: ServerProcesses, free_port: int) -> None:
    """Instead of a timeout without a word."""
    server = server_process.python("-c", "raise SystemExit('no configuration')")
    with pytest.raises(AssertionError, match="no configuration"):
        server.wait_for(f"http://127.0.0.1:{free_port}/")


@pytest.mark.parametrize(("environ", "status"), [({"CI": "true"}, 1), ({}, 0)])
def test_a_skip_for_want_of_a_server_fails_in_ci_and_skips_elsewhere(
    tmp_path: Path, environ: dict[str, str], status: int
) -> None:
    """Reasons that start with "needs " are the ones meant; others skip everywhere."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_runtest_makereport\n")
    (tmp_path / "test_x.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def server():\n    pytest.skip('needs a server')\n"
        "def test_a(server):\n    pass\n"
        "def test_b():\n    pytest.skip('not on Tuesdays')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == status, ran.stdout
    assert ("1 error" in ran.stdout or "1 failed" in ran.stdout) == (status == 1)


def test_no_lock_file_with_registry_addresses_is_in_the_repository() -> None:
    """uv.lock, pylock.toml and package-lock.json record where packages were fetched from."""
    names = {
        "uv.lock",
        "pylock.toml",
        "poetry.lock",
        "Pipfile.lock",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
    }
    ignored = {".venv", ".git", "node_modules", "build", "dist"}
    found = [
        path.relative_to(ROOT)
        for path in ROOT.rglob("*")
        if path.name in names and not ignored.intersection(path.relative_to(ROOT).parts)
    ]
    assert found == []
