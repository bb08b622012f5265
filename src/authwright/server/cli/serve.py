"""`authwright serve`: the provider, until SIGTERM or Ctrl-C."""

import logging
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from authwright.server.app import ServerApp, check_start, management_app
from authwright.server.cli.options import config_option
from authwright.server.config import ConfigurationError, Loaded, load
from authwright.server.declared import key_file_is_open
from authwright.server.logs import configure_logging
from authwright.server.metrics import SharedCounts
from authwright.server.serving import bind, run, serve_apps, supervise, worker_command

_LOG = logging.getLogger("authwright.server")


@click.command()
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes to run."
)
def serve(file: Path, host: str, port: int, workers: int) -> None:
    """Run the provider. SIGTERM lets requests under way finish."""
    loaded = load(file)
    configure_logging(loaded.values.log.level, loaded.values.log.format)
    # 1. The ports, before the store is touched: a second server on them must change nothing.
    listening = bind(host, port, "--port")
    management = _management(loaded, host, listening)
    # 2. Everything else that could be wrong, while it can still be told in one line.
    run(check_start(loaded))
    _announce(loaded, listening, management, workers)
    # 3. Serve.
    counts = SharedCounts.of(workers) if management else None
    if workers == 1:
        server = ServerApp(loaded, counts.worker(0) if counts else None)
        beside = [(management_app(server, counts), management)] if management and counts else []
        run(serve_apps((server.app, listening), *beside))
    else:
        first, fds = (
            (["--management-fd", str(management.fileno())], [management.fileno()]) if management else ([], [])
        )
        command = worker_command(str(file.absolute()))
        counts_fd = counts.fd if counts else -1
        sys.exit(run(supervise(command, workers, listening, first=first, fds=fds, counts_fd=counts_fd)))
    _LOG.info("stopped")


def _management(loaded: Loaded, host: str, listening: socket.socket) -> socket.socket | None:
    port = loaded.values.management.port
    if not port:
        return None
    if port == listening.getsockname()[1]:
        raise ConfigurationError(
            f"{loaded.file}: management.port: found {port}; allowed: another one than --port"
        )
    return bind(host, port, f"{loaded.file}: management.port")


def _announce(
    loaded: Loaded, listening: socket.socket, management: socket.socket | None, workers: int
) -> None:
    host, port = listening.getsockname()[:2]
    extra = {"issuer": loaded.values.issuer, "address": f"{host}:{port}", "workers": workers}
    if management:
        extra["management"] = management.getsockname()[1]
    _LOG.info("listening", extra=extra)
    for client in loaded.values.clients:
        if "password" in client.grant_types:
            # Said beside the log, whatever its level: nobody should run this without knowing.
            click.echo(
                f"WARNING: client {client.client_id} may use the password grant:"
                " it sees its users' passwords, and RFC 9700 §2.4 says it must not be used",
                err=True,
            )
    if key_file_is_open(loaded):
        _LOG.warning("the key file can be read by every user of this machine")
    named = urlsplit(loaded.values.issuer)
    if named.scheme == "http" and (named.port or 80) != port:
        # Behind a proxy the two differ rightly, but an http issuer has none.
        _LOG.warning(
            "the issuer names another port than the one that is served",
            extra={"named": named.port or 80, "served": port},
        )
