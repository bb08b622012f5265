"""The guide for testers holds a whole small project; here it is written down and its tests are run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

GUIDE = ROOT / "docs" / "guides" / "test-your-app.md"


def run_pytest(directory: Path) -> subprocess.CompletedProcess[str]:
    """pytest as a user runs it: another process, none of our configuration."""
    environ = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    environ.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", f"--rootdir={directory}"],
        cwd=directory, env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the guide, each named by its first line."""
    for block in blocks(GUIDE, "py"):
        name, _, _ = block.text.removeprefix("# ").partition("\n")
        (tmp_path / name).write_text(block.text, "utf-8")
    return tmp_path


def test_the_project_of_the_guide_passes_its_own_tests(project: Path) -> None:
    """Every test of it, with warnings as errors."""
    assert {path.name for path in project.iterdir()} == {
        "shop.py", "conftest.py", "test_shop.py", "orders.py", "test_orders.py",
    }  # fmt: skip
    done = run_pytest(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        ('user["name"]', 'user["sub"]', 2),
        ("rp.require(max_age=300)", 'rp.require(claims={"vip": True})', 1),
    ],
)
def test_they_notice_when_the_application_is_broken(project: Path, old: str, new: str, failed: int) -> None:
    """A test that passes whatever the application does would be worth nothing."""
    shop = project / "shop.py"
    text = shop.read_text("utf-8")
    assert old in text
    shop.write_text(text.replace(old, new), "utf-8")
    done = run_pytest(project)
    assert f"{failed} failed" in done.stdout, done.stdout + done.stderr
