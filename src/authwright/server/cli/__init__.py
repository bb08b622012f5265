"""The `authwright` command. Mistakes are one line on standard error and a non-zero exit, never a traceback."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    import click
except ModuleNotFoundError:
    raise SystemExit("authwright: the command line needs more packages; install authwright[server]") from None

from authwright.server.config_file import ConfigurationError

_COMMANDS = {
    "init": ("authwright.server.cli.init", "init"),
    "serve": ("authwright.server.cli.serve", "serve"),
    "apply": ("authwright.server.cli.apply", "apply"),
    "client": ("authwright.server.cli.client", "client"),
    "user": ("authwright.server.cli.user", "user"),
    "session": ("authwright.server.cli.session", "session"),
    "keys": ("authwright.server.cli.keys", "keys"),
    "migrate": ("authwright.server.cli.store", "migrate"),
    "purge": ("authwright.server.cli.store", "purge"),
    # The demo lies above the server, which must not import it; the command line only knows its name.
    "demo": ("authwright.demo.command", "demo"),
}


class Commands(click.Group):
    """Loads a command when it is asked for, and turns an operator's mistake into its one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            extra = "demo" if cmd_name == "demo" else "server"
            raise click.ClickException(
                f"{cmd_name} needs the package {error.name}; install authwright[{extra}]"
            ) from None
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from None


def _version() -> str:
    try:
        return version("authwright")
    except PackageNotFoundError:
        return "unknown (not installed)"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), message="%(version)s")
def main() -> None:
    """An OpenID Connect and OAuth provider."""
