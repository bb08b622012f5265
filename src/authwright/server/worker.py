"""One worker process: `python -m authwright.server.worker`, started by the supervisor and by nobody else.

It inherits the listening socket, and a pipe that tells it when the supervisor is gone.
"""

import asyncio
import os
import signal
import socket
from pathlib import Path

import click

from authwright.asgi.types import ASGIApp
from authwright.server.app import ServerApp, management_app
from authwright.server.config import ConfigurationError, load
from authwright.server.logs import configure_logging
from authwright.server.metrics import SharedCounts
from authwright.server.serving import run, serve_apps


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True)
@click.option("--fd", type=int, required=True)
@click.option("--alive-fd", type=int, required=True)
@click.option("--index", type=int, default=0)
@click.option("--counts-fd", type=int, default=-1)
@click.option("--management-fd", type=int, default=-1)
def main(file: Path, fd: int, alive_fd: int, index: int, counts_fd: int, management_fd: int) -> None:
    """Serve on an inherited socket."""
    try:
        loaded = load(file)
        configure_logging(loaded.values.log.level, loaded.values.log.format)
        shared = _shared_counts(counts_fd)
        server = ServerApp(loaded, shared.worker(index) if shared is not None else None)
        others = []
        if management_fd >= 0 and shared is not None:
            others.append((management_app(server, shared), socket.socket(fileno=management_fd)))
        run(_serve(server, fd, alive_fd, others))
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _shared_counts(fd: int) -> SharedCounts | None:
    try:
        return SharedCounts(fd) if fd >= 0 else None
    except ValueError as error:
        raise ConfigurationError(f"the supervisor is of another version, so start it anew: {error}") from None


async def _serve(
    server: ServerApp, fd: int, alive_fd: int, others: list[tuple[ASGIApp, socket.socket]]
) -> None:
    # The supervisor holds the writing end, so the pipe ends when it does, however it ends.
    asyncio.get_running_loop().add_reader(alive_fd, _leave, alive_fd)
    await serve_apps((server.app, socket.socket(fileno=fd)), *others)


def _leave(alive_fd: int) -> None:
    asyncio.get_running_loop().remove_reader(alive_fd)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
