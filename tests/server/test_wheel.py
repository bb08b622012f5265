"""The built wheel in an empty environment: what users get, not what lies in the checkout."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest

from tests.servers.process import ROOT, ServerProcesses, find_free_port

# Building and installing fetches packages.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", directory, ROOT)
    return next(directory.glob("authwright-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel with its extras and nothing else."""
    directory = tmp_path_factory.mktemp("environment") / "venv"
    # Debian's Python may lack ensurepip; our own pip can install into another environment.
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    python = directory / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", f"{wheel}[demo]")
    return directory / "bin"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=cwd,
        env=clean(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean() -> dict[str, str]:
    """This environment without what would let the checkout in."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "AUTHWRIGHT"))}


def token(port: int, client: str, secret: str) -> dict[str, object]:
    basic = b64encode(f"{client}:{secret}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(
        "POST",
        "/token",
        urllib.parse.urlencode({"grant_type": "client_credentials"}),
        {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"},
    )
    answer = connection.getresponse()
    content: dict[str, object] = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, content
    return content


def test_the_wheel_holds_what_is_no_python_file(wheel: Path) -> None:
    """Migrations, page templates, the demo's style and the typing marker are inside."""
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("authwright/py.typed", "authwright/demo/style.css"):
        assert wanted in names
    for folder in (
        "authwright/stores/sql/sqlite/",
        "authwright/stores/sql/postgres/",
        "authwright/html_pages/templates/",
    ):
        assert any(name.startswith(folder) for name in names), folder


def test_the_wheel_runs_init_and_serve(
    environment: Path, tmp_path: Path, server_process: ServerProcesses
) -> None:
    """The built wheel, installed with its extras in an empty environment, runs `authwright init` and `serve`."""
    run(environment / "authwright", "init", "op", cwd=tmp_path)
    port = find_free_port()
    with (tmp_path / "op" / "authwright.toml").open("a") as file:
        file.write('\n[[clients]]\nclient_id = "m"\nclient_secret = "a-secret-of-m"\n')
        file.write('grant_types = ["client_credentials"]\nscope = "read"\n')
    process = server_process.start(
        environment / "authwright", "serve", "--config", "op/authwright.toml", "--port", str(port), "--workers", "2",
        cwd=tmp_path, environ={"PYTHONPATH": ""},
    )  # fmt: skip
    process.wait_for(f"http://127.0.0.1:{port}/jwks")
    assert token(port, "m", "a-secret-of-m")["scope"] == "read"
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_the_wheel_runs_the_demo(environment: Path, tmp_path: Path, server_process: ServerProcesses) -> None:
    """The built wheel, installed with its extras in an empty environment, runs `authwright demo`."""
    port, app_port = find_free_port(), find_free_port()
    process = server_process.start(
        environment / "authwright", "demo", "--port", str(port), "--app-port", str(app_port),
        cwd=tmp_path, environ={"PYTHONPATH": ""},
    )  # fmt: skip
    process.wait_for(f"http://127.0.0.1:{port}/jwks")
    process.wait_for(f"http://127.0.0.1:{app_port}/")
    assert token(port, "machine", "machine-demo-secret")["scope"] == "orders:read"
    process.signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "Traceback" not in process.log()
