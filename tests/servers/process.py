"""Programs started for a test: their life is limited, their output is kept, and they end with the test."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_free_port() -> int:
    """A port of 127.0.0.1 nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A child process in a group of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
        self._process = process
        self._log_file = log_file

    @property
    def pid(self) -> int:
        """The process group that was started."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def log(self) -> str:
        """Everything it has written so far, both streams."""
        return self._log_file.read_text(errors="replace")

    def wait_for(self, url: str, seconds: float = 20) -> None:
        """Until `url` answers anything at all. Raises AssertionError with the log when it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.running, f"it ended with {self._process.returncode}:\n{self.log()}"
            try:
                with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - a URL of the test's own
                    return
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{url} did not answer in {seconds} s:\n{self.log()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, seconds: float = 10) -> int:
        """Its exit status. Raises AssertionError with the log when it goes on."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {seconds} s:\n{self.log()}") from None

    def stop(self) -> None:
        """End it: asked first, then not asked."""
        if self.running:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        # Whatever it left behind in its group goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(5)


class ServerProcesses:
    """Starts programs and ends them all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[ServerProcess] = []

    def start(
        self,
        *command: str | Path,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        life: int = 300,
    ) -> ServerProcess:
        """Start `command`, to be killed after `life` seconds whatever becomes of us."""
        log_file = self._directory / f"process-{len(self._started)}.log"
        limited: Sequence[str | Path] = command
        if (limit := shutil.which("timeout")) is not None:
            # In the foreground, so that a signal goes to the program and no further group is made.
            limited = (limit, "--foreground", "--kill-after=5", str(life), *command)
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                limited,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd or self._directory,
                env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")} | dict(environ or {}),
                start_new_session=True,
            )
        started = ServerProcess(process, log_file)
        self._started.append(started)
        return started

    def python(
        self, *arguments: str | Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> ServerProcess:
        """Start this Python with `arguments`, for instance "-m", "authwright.server.cli", "serve"."""
        return self.start(sys.executable, *arguments, environ=environ, cwd=cwd)

    def stop(self) -> None:
        """End every one, the last first."""
        for process in reversed(self._started):
            process.stop()
