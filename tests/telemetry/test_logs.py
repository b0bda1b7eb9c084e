"""One event, one line."""

import asyncio
import io
import json
import logging

import pytest

from gateway.telemetry.logs import CURRENT, configure
from gateway.telemetry.trace_context import Trace


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


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_names_its_request_and_holds_no_secret(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream, secrets=["root-secret-of-this-gateway"])
    trace = Trace("req_7")
    trace.trace_id = 0xABC
    token = CURRENT.set(trace)
    try:
        raise ValueError("root-secret-of-this-gateway")
    except ValueError:
        logging.getLogger("gateway").exception("with %s and \ud800\x9b31m", "sk-proj-0123456789abcdef")
    finally:
        CURRENT.reset(token)
    text = stream.getvalue()
    assert "req_7" in text and "sk-proj" not in text and "root-secret" not in text and "\x9b" not in text
    if form == "json":
        assert json.loads(text)["trace_id"] == f"{0xABC:032x}"


def test_tasks_that_a_request_starts_are_logged_under_its_id() -> None:
    seen: list[str] = []

    async def child() -> None:
        trace = CURRENT.get()
        seen.append("" if trace is None else trace.request_id)

    async def request() -> None:
        CURRENT.set(Trace("req_8"))
        await asyncio.create_task(child())

    asyncio.run(request())
    assert seen == ["req_8"]


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure("warning", "text", stream)
    logging.getLogger("gateway").info("quiet")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_addresses_that_are_asked_are_in_no_line(level: str) -> None:
    stream = io.StringIO()
    configure(level, "text", stream)
    logging.getLogger("httpx").info("POST https://hooks.example/T0K3N")
    logging.getLogger("httpcore.http11").debug("https://hooks.example/T0K3N")
    assert stream.getvalue() == ""
