"""`authwright demo` as a newcomer meets it: what it prints, the sample app's every control, and Ctrl-C."""

import json
import re
import shlex
import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authwright.crypto.jwt import unverified_claims
from authwright.demo.consent_services import BASE_SCOPE
from authwright.http_client import GuardedClient
from authwright.protocol.http import HttpRequest
from authwright.testing.browser import Browser
from tests.servers.process import ServerProcess, ServerProcesses, find_free_port

if TYPE_CHECKING:
    from playwright.async_api import Page


class Demo:
    """A demo that runs."""

    def __init__(self, processes: ServerProcesses, directory: Path) -> None:
        self.port, self.app_port = find_free_port(), find_free_port()
        self.issuer, self.app = f"http://localhost:{self.port}", f"http://localhost:{self.app_port}"
        self.directory = directory
        self.process: ServerProcess = processes.python(
            "-m", "authwright.server.cli", "demo", "--port", str(self.port), "--app-port", str(self.app_port),
            "--dir", directory,
        )  # fmt: skip
        self.process.wait_for(f"{self.app}/")
        self.process.wait_for(f"{self.issuer}/jwks")


@pytest.fixture
def demo(server_process: ServerProcesses, tmp_path: Path) -> Demo:
    """The demo on ports and in a directory of its own."""
    return Demo(server_process, tmp_path / "demo")


@pytest.fixture
async def visitor(demo: Demo) -> AsyncIterator[Browser]:
    """A browser without JavaScript, over real HTTP."""
    client = GuardedClient(allow_loopback_http=True)
    yield Browser({demo.issuer: client, demo.app: client})
    await client.close()


async def sign_in(demo: Demo, visitor: Browser) -> None:
    """From the sample app to the provider and back, as alice."""
    await visitor.get(f"{demo.app}/")
    await visitor.click("app-sign-in")
    assert visitor.page.url.startswith(demo.issuer)
    await visitor.click("login-submit", username="alice", password="alice-demo")
    if visitor.page.has("consent-allow"):
        await visitor.click("consent-allow")
    assert visitor.page.url == f"{demo.app}/", visitor.page.html


def test_the_printed_curl_gives_a_token(demo: Demo) -> None:
    """It prints the addresses, the demo user and a ready-to-paste curl for client_credentials, which works."""
    log = demo.process.log()
    for wanted in (demo.issuer, demo.app, "alice / alice-demo", str(demo.directory)):
        assert wanted in log
    command = re.search(r"^ *(curl .*)$", log, re.MULTILINE)
    assert command is not None
    done = subprocess.run([*shlex.split(command[1]), "-s"], capture_output=True, timeout=20, check=True)
    token = json.loads(done.stdout)
    assert (token["token_type"], token["scope"]) == ("Bearer", "orders:read")


def test_the_printed_exchange_asks_three_services(demo: Demo) -> None:
    """It is pasted into a shell as it stands: the slow one grants, the one that says no and the one that is down do not."""
    commands = re.findall(r"^ *(curl .*)$", demo.process.log(), re.MULTILINE)
    done = subprocess.run(["sh", "-c", f"{commands[1]} -s"], capture_output=True, timeout=20, check=True)
    token = json.loads(done.stdout)
    assert token["scope"] == f"{BASE_SCOPE}photos"
    assert token["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    claims = unverified_claims(token["access_token"]) or {}
    assert (claims["photos.plan"], claims["custom_payload"]) == ("family", {"photos": {"albums": 7}})
    assert "Traceback" not in demo.process.log()


async def test_every_control_of_the_sample_app_works(demo: Demo, visitor: Browser) -> None:
    """Sign in, claims, API call, refresh, another API call, sign out at both: without JavaScript."""
    await sign_in(demo, visitor)
    assert "Alice Example" in visitor.page.texts["app-claims"]
    assert "alice@example.com" in visitor.page.texts["app-claims"]
    await visitor.click("app-call-api")
    assert visitor.page.texts["app-result"].startswith("200 ")
    assert "u-alice" in visitor.page.texts["app-result"]
    await visitor.click("app-refresh")
    assert visitor.page.status == 200
    await visitor.click("app-call-api")
    assert visitor.page.texts["app-result"].startswith("200 ")
    await visitor.click("app-sign-out")
    if visitor.page.has("logout-confirm"):
        await visitor.click("logout-confirm")
    assert visitor.page.url.startswith(demo.app)
    assert visitor.page.has("app-sign-in")
    # Signed out at the provider too: the next sign-in asks for the password again.
    await visitor.click("app-sign-in")
    assert visitor.page.has("login-submit")


async def test_the_api_takes_a_service_s_token_and_nothing_else(demo: Demo) -> None:
    """The guard wants an access token for this API: 401 with a challenge without one, or with any other text."""
    fetch = GuardedClient(allow_loopback_http=True)
    basic = "Basic " + b64encode(b"machine:machine-demo-secret").decode()
    form = {"Authorization": basic, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await fetch(
        HttpRequest.to("POST", f"{demo.issuer}/token", headers=form, body=b"grant_type=client_credentials")
    )
    token = answer.json()["access_token"]
    statuses = {}
    for offered in (token, token[:-4] + "AAAA", ""):
        headers = {"Authorization": f"Bearer {offered}"} if offered else {}
        answer = await fetch(HttpRequest.to("GET", f"{demo.app}/api/orders", headers=headers))
        statuses[offered] = answer.status
        if offered != token:
            assert (answer.headers.get("www-authenticate") or "").startswith("Bearer")
    await fetch.close()
    assert list(statuses.values()) == [200, 401, 401]


def test_a_second_start_on_the_same_directory_works(demo: Demo, server_process: ServerProcesses) -> None:
    """It finds its key and its database, on whatever ports."""
    first = (demo.directory / "authwright.key").read_text()
    demo.process.signal(signal.SIGINT)
    assert demo.process.wait() == 0
    again = Demo(server_process, demo.directory)
    assert (demo.directory / "authwright.key").read_text() == first
    assert "Traceback" not in again.process.log()


async def test_ctrl_c_stops_both_cleanly_even_with_a_user_signed_in(demo: Demo, visitor: Browser) -> None:
    """Exit status 0, no traceback, and nothing secret in what was printed."""
    await sign_in(demo, visitor)
    demo.process.signal(signal.SIGINT)
    assert demo.process.wait(15) == 0
    log = demo.process.log()
    assert "Both are stopped." in log
    assert "Traceback" not in log
    assert "web-demo-secret" not in log


@pytest.mark.parametrize("busy", ["--port", "--app-port"])
def test_a_port_in_use_is_one_line(server_process: ServerProcesses, tmp_path: Path, busy: str) -> None:
    """The line names the option that moves it."""
    ports = {"--port": find_free_port(), "--app-port": find_free_port()}
    with socket.create_server(("127.0.0.1", ports[busy])):
        process = server_process.python(
            "-m", "authwright.server.cli", "demo", "--dir", tmp_path / "demo",
            *(text for option, port in ports.items() for text in (option, str(port))),
        )  # fmt: skip
        assert process.wait(20) == 1
    assert (
        process.log().strip()
        == f"Error: {busy}: 127.0.0.1:{ports[busy]} cannot be used: Address already in use"
    )


@pytest.mark.chromium
async def test_the_sample_app_in_a_real_browser(demo: Demo, page: "Page") -> None:
    """A real Chromium goes through all of it: cookies, redirects and content policies included."""
    await page.goto(f"{demo.app}/")
    await page.click("#app-sign-in")
    await page.fill("[name=username]", "alice")
    await page.fill("[name=password]", "alice-demo")
    await page.click("#login-submit")
    if await page.locator("#consent-allow").count():
        await page.click("#consent-allow")
    await page.wait_for_url(f"{demo.app}/")
    assert "alice@example.com" in await page.inner_text("#app-claims")
    await page.click("#app-call-api")
    assert (await page.inner_text("#app-result")).startswith("200 ")
    await page.click("#app-refresh")
    await page.wait_for_selector("#app-result")
    await page.click("#app-sign-out")
    if await page.locator("#logout-confirm").count():
        await page.click("#logout-confirm")
    await page.wait_for_selector("#app-sign-in")
