"""What `import --dry-run` foresees, beside what the import then takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from harness import Desk, settings_of

from schemas.settings.load import PREFIX
from ticketstream.local.sample.gemini.control import SampleGeminiControl

TICKETS = 400
FACTOR = 1.4
"""How far the forecast may be off; Gemini's tokens are counted there by another tokenizer."""

NOWHERE = {
    "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "WEAVIATE__HTTP_URL": "http://127.0.0.1:9",
    "WEAVIATE__GRPC_URL": "grpc://127.0.0.1:9",
    "GEMINI__BASE_URL": "http://127.0.0.1:9",
}


def forecast(desk: Desk, *arguments: str) -> dict[str, Any]:
    answer = desk.command("import", "--dry-run", "--json", *arguments)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


async def test_a_forecast_is_near_what_the_import_takes(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(TICKETS)
    desk.log_in_by_client(20)
    desk.environment[f"{PREFIX}EMBEDDING__PROVIDER"] = "gemini"
    desk.settings = settings_of(desk.environment)
    theirs = dict(desk.environment)
    # Nothing but Zendesk is needed, and a file needs nobody.
    desk.environment |= {PREFIX + name: address for name, address in NOWHERE.items()}
    foreseen = forecast(desk)
    shown = desk.command("import", "--dry-run")
    assert shown.returncode == 0
    print(shown.stdout, shown.stderr)
    path = desk.data_dir / "export.ndjson"
    path.write_text("".join(f"{line}\n" for line in desk.zendesk.export()))
    from_file = forecast(desk, "--file", str(path))

    desk.environment = theirs
    desk.worker()
    record = await desk.whole_import()
    assert desk.settings.gemini.base_url is not None
    async with SampleGeminiControl(desk.settings.gemini.base_url) as gemini:
        stats = await gemini.stats()
    took = {
        "tickets": record.fetched,
        "Zendesk calls": record.zendesk_calls,
        "chunks": record.vectors_uploaded,
        "tokens": stats.tokens,
        "embedding calls": record.embedding_calls,
    }
    said = {
        "tickets": foreseen["tickets"],
        "Zendesk calls": foreseen["zendesk_calls"]["total"],
        "chunks": foreseen["chunks"],
        "tokens": foreseen["tokens"],
        "embedding calls": foreseen["embedding_calls"],
    }
    for name, figure in took.items():
        print(f"{name:16} foreseen {said[name]:>9,}  took {figure:>9,}  {figure / said[name]:.2f}")
    assert said["tickets"] == took["tickets"]
    for name in ("Zendesk calls", "chunks", "tokens"):
        assert took[name] / FACTOR <= said[name] <= took[name] * FACTOR, name
    # A window that closes half empty makes one call more, and this import has very few.
    assert said["embedding calls"] <= took["embedding calls"] * FACTOR
    assert from_file["exact"]
    assert from_file["chunks"] == record.vectors_uploaded
    assert foreseen["usd"] > 0
