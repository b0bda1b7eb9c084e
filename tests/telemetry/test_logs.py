"""One event, one line."""

import io
import json
import logging

import pytest

from gateway.telemetry.logs import configure


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_message_cannot_forge_a_second_line(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream)
    logging.getLogger("gateway").info("agent %s", "a\r\nERROR forged\x1b[2J\u2028x")
    assert stream.getvalue().count("\n") == 1


def test_a_json_line_holds_the_exception() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("gateway").exception("req_1 failed")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], "broken" in line["error"]) == ("error", "req_1 failed", True)


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure("warning", "text", stream)
    logging.getLogger("gateway").info("quiet")
    assert stream.getvalue() == ""
