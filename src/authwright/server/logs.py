"""The operator's log: one line per event on standard error, as text or as JSON.

Only the `authwright` loggers follow `[log] level`. Libraries stay at warnings whatever the level is: what they write
at debug (URLs, headers, queries) is not theirs to judge.
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor


def configure_logging(level: str, format: str, stream: TextIO | None = None) -> None:
    """Send the log to `stream` (standard error). `level` and `format` are those of `[log]`."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[ProcessorFormatter.remove_processors_meta, *_renderers(format, target)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("authwright").setLevel(level.upper())


def _renderers(format: str, stream: TextIO) -> list[Processor]:
    if format == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The default traceback shows local variables, which hold tokens and secrets.
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]
