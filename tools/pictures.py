"""Takes the pictures of the README from the running demo: the login page and the sample app.

    .venv/bin/python tools/pictures.py

Starts `authwright demo` in a directory of its own, signs alice in with Chromium, writes docs/pictures/*.png and stops
the demo again.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 150 * 1024
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars")
STARTS_WITHIN = 30.0


def main() -> None:
    arguments = argparse.ArgumentParser(description="Take the pictures of the README.")
    arguments.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    arguments.add_argument("--port", default="9000", help="the provider's port; it stands in the picture")
    arguments.add_argument("--app-port", default="9001", help="the sample app's port")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "authwright.server.cli", "demo"]
        options = ["--port", chosen.port, "--app-port", chosen.app_port, "--dir", directory]
        demo = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        try:
            wait_for(f"http://localhost:{chosen.port}/jwks")
            take(f"http://localhost:{chosen.app_port}/", chosen.chromium)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(timeout=20)


def wait_for(url: str) -> None:
    """Return when `url` answers; leave with a message when it does not."""
    for _ in range(int(STARTS_WITHIN * 5)):
        try:
            with urllib.request.urlopen(url):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def take(app: str, chromium: str) -> None:
    """Walk through the sample app and take a picture of each page worth one."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": 880, "height": 560}, color_scheme="light")
            page.goto(app)
            page.click("#app-sign-in")
            page.fill("[name=username]", "alice")
            page.fill("[name=password]", "alice-demo")
            keep(page, "login.png")
            page.click("#login-submit")
            page.click("#consent-allow")
            page.click("#app-call-api")
            page.wait_for_selector("#app-result")
            page.set_viewport_size({"width": 880, "height": 720})
            keep(page, "sample-app.png")
        finally:
            browser.close()


def keep(page: Page, name: str) -> None:
    """Write the picture. Leaves with a message when it is too large for a repository."""
    picture = PICTURES / name
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture, animations="disabled", caret="hide")
    size = picture.stat().st_size
    if size > LARGEST:
        sys.exit(f"{picture} has {size} bytes; {LARGEST} are allowed")
    print(f"{picture.relative_to(ROOT)}  {size} bytes")


if __name__ == "__main__":
    main()
