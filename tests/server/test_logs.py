"""What the operator's log shows, and what it never does."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from authwright.server.logs import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process's own: as it was before, afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("authwright")
    before = (root.handlers, root.level, ours.level)
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_traceback_shows_no_local_variable(format_: str) -> None:
    """Locals hold tokens and secrets, so a traceback is lines of code only."""
    stream = io.StringIO()
    configure_logging("debug", format_, stream)
    try:
        token = "".join(["tok", "en-in-a-local"])
        raise RuntimeError(len(token))
    except RuntimeError:
        logging.getLogger("authwright").exception("request failed")
    assert "RuntimeError" in stream.getvalue()
    assert "token-in-a-local" not in stream.getvalue()


def test_debug_is_for_our_own_loggers_only() -> None:
    """A library's debug lines hold URLs and headers, which may be secrets."""
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger("httpx2").debug("GET /cb?code=secret")
    logging.getLogger("asyncio").info("something")
    logging.getLogger("authwright.provider").debug("ours", extra={"client_id": "web"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["client_id"], line["level"]) for line in lines] == [("ours", "web", "debug")]


def test_the_level_holds() -> None:
    """At `warning` what is informative is left out."""
    stream = io.StringIO()
    configure_logging("warning", "text", stream)
    logging.getLogger("authwright").info("not this")
    logging.getLogger("authwright").warning("but this")
    assert "not this" not in stream.getvalue()
    assert "but this" in stream.getvalue()


def test_sec_H2_what_a_caller_sent_cannot_begin_a_line_of_its_own() -> None:
    """H2: CR, LF and escapes in a logged value, such as a client_id, forge no second entry."""
    for format_ in ("text", "json"):
        stream = io.StringIO()
        configure_logging("info", format_, stream)
        logging.getLogger("authwright").info("request.refused", extra={"client_id": "x\r\nforged \x1b[31m"})
        assert stream.getvalue().count("\n") == 1
        assert "\r" not in stream.getvalue()
        assert "\x1b" not in stream.getvalue()
