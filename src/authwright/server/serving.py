"""Processes and sockets: one uvicorn server in this process, or several workers behind one listening socket."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

import uvicorn

from authwright.asgi.types import ASGIApp
from authwright.server.config_file import ConfigurationError
from authwright.server.one_write import OneWriteProtocol

DRAIN_SECONDS = 30
GC_THRESHOLDS = (20_000, 20, 50)
_LOG = logging.getLogger("authwright.server")
_STABLE_SECONDS = 5.0
_QUICK_DEATHS = 5


def bind(host: str, port: int, option: str) -> socket.socket:
    """A listening socket. Raises ConfigurationError, naming `option`, when the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except socket.gaierror:
        raise ConfigurationError(f"{option}: {host!r} is not an address of this machine") from None
    except OSError as error:
        # CPython may wrap the text of the cause around the errno's own.
        reason = os.strerror(error.errno) if error.errno else "cannot be bound"
        raise ConfigurationError(f"{option}: {host}:{port} cannot be used: {reason}") from None
    except OverflowError:
        raise ConfigurationError(f"{option}: found {port}; allowed: 0 to 65535") from None


class DrainingServer(uvicorn.Server):
    """Stops accepting at SIGTERM or SIGINT, lets requests under way finish, and returns."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As the base class, but a signal that was obeyed does not kill the process afterwards."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base class; then the collector of cycles is told what it need not look at again and again."""
        await super().startup(sockets)
        # What is there now stays: classes, settings, keys. A request leaves hardly a cycle behind.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second Ctrl-C does not wait for anybody."""
        super().handle_exit(sig, frame)


class SilentServer(DrainingServer):
    """A server beside another one, which is the one that hears the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_config(app: ASGIApp, *, lifespan: Literal["on", "auto"] = "on") -> uvicorn.Config:
    """How uvicorn runs an app of ours. Proxy headers are the app's own business, and so is what is logged."""
    return uvicorn.Config(
        app,
        loop="auto",
        http=OneWriteProtocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=2048,
    )


async def serve_apps(main: tuple[ASGIApp, socket.socket], *others: tuple[ASGIApp, socket.socket]) -> None:
    """Serve `main`, and `others` beside it, until a signal; all are drained on return."""
    server = DrainingServer(server_config(main[0]))
    beside = [(SilentServer(server_config(app, lifespan="auto")), listening) for app, listening in others]
    tasks = [asyncio.create_task(other.serve(sockets=[listening])) for other, listening in beside]
    try:
        await server.serve(sockets=[main[1]])
    finally:
        for other, _ in beside:
            other.should_exit = True
        await asyncio.gather(*tasks)


def run(main: Any) -> Any:
    """Run a coroutine on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def supervise(
    command: Sequence[str],
    count: int,
    listening: socket.socket,
    *,
    first: Sequence[str] = (),
    fds: Sequence[int] = (),
    counts_fd: int = -1,
) -> int:
    """Keep `count` processes of `command` running until SIGTERM or SIGINT; the exit status.

    Each inherits the one listening socket, so that no connection is lost when one of them ends, and the reading end
    of a pipe that closes with this process, so that none survives it. `first` are arguments for the first alone, and
    `fds` what it inherits besides. `counts_fd` is where all of them count what they do.
    """
    alive, held = os.pipe()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    arguments = [*command, "--fd", str(listening.fileno()), "--alive-fd", str(alive)]
    inherited: tuple[int, ...] = (listening.fileno(), alive)
    if counts_fd >= 0:
        arguments += ["--counts-fd", str(counts_fd)]
        inherited = (*inherited, counts_fd)
    workers = [
        asyncio.create_task(
            _keep_running(
                index,
                [*arguments, "--index", str(index), *(first if index == 0 else ())],
                (*inherited, *(fds if index == 0 else ())),
                stopping,
            )
        )
        for index in range(count)
    ]
    try:
        results = await asyncio.gather(*workers)
    finally:
        os.close(held)
        os.close(alive)
    return max(results)


async def _keep_running(
    index: int, command: Sequence[str], fds: tuple[int, ...], stopping: asyncio.Event
) -> int:
    quick = 0
    while True:
        started = time.monotonic()
        # Signals from the terminal go to the whole group; a session of its own leaves them to the supervisor.
        process = await asyncio.create_subprocess_exec(*command, pass_fds=fds, start_new_session=True)
        ended, told = asyncio.create_task(process.wait()), asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if stopping.is_set():
            return await _drained(process, ended)
        quick = quick + 1 if time.monotonic() - started < _STABLE_SECONDS else 0
        _LOG.error("worker ended, starting another", extra={"worker": index, "status": process.returncode})
        if quick >= _QUICK_DEATHS:
            _LOG.error("worker does not stay up, giving up", extra={"worker": index})
            stopping.set()
            return 1
        await asyncio.sleep(min(2.0, 0.1 * 2**quick))


async def _drained(process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> int:
    if process.returncode is None:
        try:
            process.terminate()
        except ProcessLookupError:
            return await ended
    try:
        status = await asyncio.wait_for(ended, DRAIN_SECONDS + 10)
    except TimeoutError:
        process.kill()
        return 1
    # The signal itself ends only a worker that was not serving yet.
    return 0 if status == -signal.SIGTERM else abs(status)


def worker_command(config: str) -> list[str]:
    """How to start a worker for the configuration in that file."""
    return [sys.executable, "-m", "authwright.server.worker", "--config", config]
