"""`authwright demo`: the provider and the sample app in one process, until Ctrl-C."""

from pathlib import Path

import click

from authwright.demo.configuration import (
    MACHINE_SECRET,
    PASSWORD,
    USERNAME,
    WEB_SECRET,
    Addresses,
    sample_app_keys,
    write_configuration,
)
from authwright.demo.consent_services import BASE_SCOPE
from authwright.demo.sample_app import sample_app
from authwright.protocol.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE
from authwright.server.app import ServerApp, check_start
from authwright.server.config import ConfigurationError, load
from authwright.server.logs import configure_logging
from authwright.server.serving import bind, run, serve_apps


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=9000, show_default=True, help="The provider's port."
)
@click.option(
    "--app-port", type=click.IntRange(1, 65535), default=9001, show_default=True, help="The sample app's."
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Where its configuration, key and database are kept.",
)
def demo(port: int, app_port: int, directory: Path) -> None:
    """Start a provider and a sample app that signs in with it. On SQLite, with a user and clients."""
    if port == app_port:
        raise ConfigurationError("--app-port: must differ from --port")
    listening, app_listening = bind("127.0.0.1", port, "--port"), bind("127.0.0.1", app_port, "--app-port")
    addresses = Addresses(port=port, app_port=app_port)
    # The environment is the operator's, for the operator's own server; the demo is what its file says.
    loaded = load(write_configuration(directory, addresses), environment={})
    configure_logging("warning", "text")
    run(check_start(loaded))
    provider = ServerApp(loaded)
    app = sample_app(addresses.issuer, addresses.app, WEB_SECRET, sample_app_keys(directory))
    click.echo(_welcome(addresses, directory))
    run(serve_apps((provider.app, listening), (app, app_listening)))
    click.echo("\nBoth are stopped.")


def _welcome(addresses: Addresses, directory: Path) -> str:
    return (
        f"Provider     {addresses.issuer}\n"
        f"Sample app   {addresses.app}   <- open this one\n"
        f"Sign in as   {USERNAME} / {PASSWORD}\n"
        f"Files        {directory.absolute()}\n"
        "\n"
        "A token without a user (client_credentials):\n"
        f"  curl -u machine:{MACHINE_SECRET} -d grant_type=client_credentials -d scope=orders:read"
        f" {addresses.issuer}/token\n"
        "\n"
        "The same token, exchanged for one with scopes of three services (one slow, one saying no, one down):\n"
        f"  {_exchange(addresses)}\n"
        "\n"
        "Ctrl-C stops both."
    )


def _exchange(addresses: Addresses) -> str:
    token = (
        f"$(curl -s -u machine:{MACHINE_SECRET} -d grant_type=client_credentials {addresses.issuer}/token"
        """ | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')"""
    )
    scopes = " ".join(BASE_SCOPE + name for name in ("photos", "payroll", "calendar"))
    return (
        f'curl -u machine:{MACHINE_SECRET} -d grant_type={TOKEN_EXCHANGE} -d "subject_token={token}"'
        f' -d subject_token_type={ACCESS_TOKEN} -d "scope={scopes}" {addresses.issuer}/token'
    )
