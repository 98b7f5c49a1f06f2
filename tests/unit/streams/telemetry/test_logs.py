"""Log lines: one an event, in one form whoever logs, without text of tickets and without secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parents[4])
MARK = "walrus"
SECRET = "5ecret-\\with-'\"quotes"

START = """
import asyncio, logging, sys, threading, warnings
import structlog
from agents.engine.handling import MessageContext
from streams.telemetry.logs import configure_logs, log_uncaught
from streams.kafka.messages import Incoming
from schemas.errors import RefusedError, UnavailableError, quoting
from schemas.settings.load import load_settings
configure_logs(load_settings(), 3)
log_uncaught()
log = structlog.get_logger()
message = Incoming("tickets.changes", 2, 7, b"acme:42", b'{"account": "acme", "ticket_id": 42,'
                   b' "import_id": "i1", "ticket": {"subject": "walrus"}}', [])
"""


def lines(code: str, **settings: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        env={**os.environ, "PYTHONPATH": ROOT, **{f"TICKETSTREAM_{k}": v for k, v in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def entries(code: str, **settings: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(code, **settings)]


FAILURES = """
def fail(words):
    raise ValueError("walrus " + words)

try:
    fail("one")
except ValueError as error:
    log.error("unforeseen", error=error, exc_info=True)
    logging.getLogger("asyncio").error("it failed: %r", error)
try:
    try:
        fail("two")
    except ValueError as error:
        raise quoting(RefusedError("Weaviate refused it: walrus three"), "walrus three") from error
except RefusedError as error:
    log.warning("dead letter", error=error, exc_info=error)
thread = threading.Thread(target=fail, args=("four",))
thread.start()
thread.join()
warnings.warn("take care")

async def lost():
    asyncio.create_task(broken())
    await asyncio.sleep(0.01)

async def broken():
    fail("five")

asyncio.run(lost())
fail("six\\nseven")
"""


def test_errors_are_named_and_placed_but_not_quoted() -> None:
    found = entries(FAILURES)
    text = json.dumps(found)
    assert MARK not in text
    assert [entry["event"] for entry in found[:4]] == [
        "unforeseen",
        "it failed: ValueError",
        "dead letter",
        "uncaught error",
    ]
    assert found[0]["error"] == "ValueError"
    assert found[0]["traceback"].startswith("ValueError at <string>:")
    assert " fail < <string>:" in found[0]["traceback"]
    assert found[2]["error"] == "Weaviate refused it: …"
    assert "| from ValueError at " in found[2]["traceback"]
    assert "take care" in found[4]["event"]
    assert found[-1]["event"] == "uncaught error"
    assert "fail" in found[-1]["traceback"]
    assert all(entry["worker"] == 3 and entry["timestamp"].endswith("Z") for entry in found)


def test_at_debug_errors_are_whole() -> None:
    assert MARK in json.dumps(entries(FAILURES, LOG_LEVEL="debug"))


def test_a_line_about_a_ticket_names_it_while_it_is_worked_on() -> None:
    found = entries(
        """
with MessageContext("enrich", message, None):
    log.info("one")
    logging.getLogger("weaviate").warning("two")

async def later():
    with MessageContext("enrich", message, None):
        task = asyncio.create_task(asyncio.sleep(0.001))
        task.add_done_callback(lambda _: log.info("three"))
    await task

asyncio.run(later())
"""
    )
    about = {
        "stage": "enrich",
        "account": "acme",
        "ticket": 42,
        "topic": "tickets.changes",
        "partition": 2,
        "offset": 7,
        "import_id": "i1",
    }
    assert [entry["event"] for entry in found] == ["one", "two", "three"]
    for entry in found[:2]:
        assert about.items() <= entry.items()
    assert "ticket" not in found[2]
    assert list(found[0])[:3] == ["timestamp", "level", "event"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_event_is_one_line_and_no_secret_is_in_it(form: str) -> None:
    code = f"""
secret = {SECRET!r}
log.warning("tried with " + secret, url="https://x/?key=" + secret, deep={{"key": [secret]}})
log.warning("two\\nlines \\x1b[31m red", text="three\\nlines")
logging.getLogger("httpx").error("no\\nway: %s", secret)
"""
    found = lines(code, LOG_FORMAT=form, GEMINI__API_KEY=SECRET)
    assert len(found) == 3
    assert all(SECRET not in line and "with-" not in line for line in found)
    assert "\x1b" not in "".join(found)
    assert all(line.startswith("{") == (form == "json") for line in found)


def test_secrets_that_were_got_while_it_runs_are_black_too() -> None:
    code = """
from streams.secrets import keep_secret
keep_secret("access-token-of-now")
log.warning("sent Bearer access-token-of-now")
logging.getLogger("httpx").error("Authorization: %s", "Bearer access-token-of-now")
for number in range(200):
    keep_secret(f"later-token-{number}")
log.warning("the newest is later-token-199")
"""
    found = entries(code)
    assert [each["event"] for each in found] == [
        "sent Bearer ***",
        "Authorization: Bearer ***",
        "the newest is ***",
    ]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "library", "lost"]),
        ("info", ["info", "warning", "library", "lost"]),
        ("warning", ["warning", "library", "lost"]),
        ("error", ["lost"]),
    ],
)
def test_the_level_is_for_everybody_and_libraries_keep_quiet_below_warning(
    level: str, shown: list[str]
) -> None:
    code = """
for name in ("debug", "info", "warning"):
    getattr(log, name)(name)
for name in ("aiokafka.consumer", "faust", "mode.worker"):
    logging.getLogger(name).warning("not shown")
for name in ("httpx", "weaviate", "aiokafka", "faust"):
    logging.getLogger(name).info("not shown")
    logging.getLogger(name).debug("not shown")
logging.getLogger("httpx").warning("library")
logging.getLogger("aiokafka").error("lost")
"""
    assert [entry["event"] for entry in entries(code, LOG_LEVEL=level)] == shown
