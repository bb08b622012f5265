"""What several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """`--config FILE`, given as `file`."""
    return click.option(
        "--config",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("authwright.toml"),
        show_default=True,
        envvar="AUTHWRIGHT_CONFIG",
        help="The configuration file.",
    )(function)


def json_option(function: F) -> F:
    """`--json`, given as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="As JSON.")(function)
