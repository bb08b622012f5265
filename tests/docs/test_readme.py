"""The README's two programs, as they stand there, sign alice in with each other."""

from pathlib import Path
from typing import Any

import pytest

import authwright.standard_rp
from authwright.asgi.in_process import InProcess
from authwright.crypto.seal import RootKeys
from authwright.testing.browser import Browser
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.test_code_blocks import run

PROVIDER, APP = "http://localhost:9000", "http://localhost:9001"
LINES = 15


def programs() -> list[Block]:
    return list(blocks(ROOT / "README.md", "python"))


async def started(program: Block) -> Any:
    """The `app` of a program."""
    namespace: dict[str, Any] = {"__name__": "program"}
    await run(program, namespace)
    return namespace["app"]


async def test_the_two_programs_of_the_readme_sign_alice_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Login page, consent page, callback, greeting; the network between the two is a function call."""
    (tmp_path / "authwright.key").write_text(RootKeys.generate_line())
    monkeypatch.chdir(tmp_path)
    first, second = programs()
    provider = InProcess(await started(first))
    monkeypatch.setattr(authwright.standard_rp, "standard_fetch", lambda *_, **__: provider)
    app = InProcess(await started(second))

    browser = Browser({PROVIDER: provider, APP: app})
    page = await browser.get(APP + "/")
    assert page.url.startswith(PROVIDER)
    page = await browser.click("login-submit", username="alice", password="alice-demo")
    page = await browser.click("consent-allow")
    assert page.url == APP + "/"
    assert page.response is not None
    assert page.response.json() == {"hello": "Alice Example"}


def test_each_program_of_the_readme_has_fifteen_lines_at_most() -> None:
    """Empty lines aside: that they are short is what the README says of them."""
    lengths = [len([line for line in block.text.splitlines() if line.strip()]) for block in programs()]
    assert len(lengths) == 2
    assert max(lengths) <= LINES
