"""Every public name has its type: pyright's own measure, by the pyright of npm."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.servers.node import Node

SOURCE = Path(__file__).resolve().parents[1] / "src"

pytestmark = pytest.mark.node


def report_on(node: Node, package: str, path: Path, directory: Path) -> dict[str, Any]:
    """pyright --verifytypes, for a package that lies in `path`."""
    # It finds packages as Python does. Run from elsewhere, so that nothing is found because it lies about.
    searched = os.pathsep.join((str(path), sysconfig.get_path("purelib")))
    done = subprocess.run(
        [
            node.path, node.modules / "pyright" / "index.js", "--outputjson", "--ignoreexternal",
            "--pythonpath", sys.executable, "--verifytypes", package,
        ],
        cwd=directory, env=node.environ | {"PYTHONPATH": searched}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    return found


def faults(report: dict[str, Any]) -> list[str]:
    """What has no known type, and where."""
    return [
        f"{symbol['name']}: {problem['message'].splitlines()[0]}"
        for symbol in report["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
        for problem in symbol["diagnostics"]
    ]


def test_every_public_name_has_a_known_type(node: Node, tmp_path: Path) -> None:
    """100 %: nothing unknown, and nothing that another type checker could infer differently."""
    report = report_on(node, "authwright", SOURCE, tmp_path)
    assert report["pyTypedPath"]
    assert report["exportedSymbolCounts"]["withKnownType"] > 3000
    assert faults(report) == []
    assert report["completenessScore"] == 1


def test_a_name_without_a_type_is_found(node: Node, tmp_path: Path) -> None:
    """A check that cannot fail would be no check."""
    package = tmp_path / "src" / "loose"
    package.mkdir(parents=True)
    (package / "py.typed").touch()
    (package / "__init__.py").write_text("def answer(question):\n    return [question]\n")
    report = report_on(node, "loose", package.parent, tmp_path)
    assert report["completenessScore"] < 1
    assert any("answer" in fault for fault in faults(report))
