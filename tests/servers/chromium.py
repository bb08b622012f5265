"""A real Chromium, driven by Playwright."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Browser

from tests.servers.node import wheel_node
from tests.servers.process import ROOT

ENVIRONMENT = "AUTHWRIGHT_CHROMIUM"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium_path() -> Path | None:
    """Where the browser is: named in the environment, noted by tools/setup.py, or the distribution's."""
    note = ROOT / ".venv" / ".chromium"
    named = os.environ.get(ENVIRONMENT) or (
        note.read_text().strip() if note.exists() else "/usr/bin/chromium"
    )
    path = Path(named)
    return path if path.exists() else None


@asynccontextmanager
async def chromium(path: Path) -> "AsyncIterator[Browser]":
    """The browser at `path`, without a window."""
    from playwright.async_api import async_playwright

    # The Node.js that comes with Playwright needs a libatomic that a small Ubuntu lacks; the wheel's does not.
    if (node := wheel_node()) is not None:
        os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(node))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(path), args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
