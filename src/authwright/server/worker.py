"""One worker process: `python -m authwright.server.worker`, started by the supervisor and by nobody else.

It inherits the listening socket, and a pipe that tells it when the supervisor is gone.
"""

import asyncio
import os
import signal
import socket
from pathlib import Path

import click

from authwright.server.app import ServerApp
from authwright.server.config import ConfigurationError, load
from authwright.server.health import health_app
from authwright.server.logs import configure_logging
from authwright.server.serving import run, serve_apps


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), required=True)
@click.option("--fd", type=int, required=True)
@click.option("--alive-fd", type=int, required=True)
@click.option("--management-fd", type=int, default=-1)
def main(file: Path, fd: int, alive_fd: int, management_fd: int) -> None:
    """Serve on an inherited socket."""
    try:
        loaded = load(file)
        configure_logging(loaded.values.log.level, loaded.values.log.format)
        run(_serve(ServerApp(loaded), fd, alive_fd, management_fd))
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


async def _serve(server: ServerApp, fd: int, alive_fd: int, management_fd: int) -> None:
    # The supervisor holds the writing end, so the pipe ends when it does, however it ends.
    asyncio.get_running_loop().add_reader(alive_fd, _leave, alive_fd)
    others = [(health_app(server.ready), socket.socket(fileno=management_fd))] if management_fd >= 0 else []
    await serve_apps((server.app, socket.socket(fileno=fd)), *others)


def _leave(alive_fd: int) -> None:
    asyncio.get_running_loop().remove_reader(alive_fd)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
