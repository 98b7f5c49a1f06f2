"""What follows from a forecast's figures: calls, minutes, days, cost."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.settings.embedding import EmbeddingSettings
from schemas.settings.load import Settings
from schemas.settings.zendesk import ZendeskSettings
from streams.embeddings.gemini_models import GEMINI_MODELS, MAX_TEXTS
from streams.embeddings.local import LocalProvider
from streams.embeddings.prices import USD_PER_MILLION_TOKENS
from streams.sources.zendesk.comment_ways import Ways
from ticketstream.cli.imports.forecast import fields_of, notes_of, rows_of
from ticketstream.operations.imports.forecast.figures import Forecast, Measured, embedding_calls, forecast_of


def measured(**fields: Any) -> Measured:
    given: dict[str, Any] = {
        "tickets": 10_000,
        "removed": 300,
        "unreadable": 0,
        "chunks": 16_000,
        "texts": 16_000,
        "tokens": 4_000_000,
        "exact": False,
        "sample": 150,
        "margin": 0.08,
        "counted": False,
        "export_calls": 10,
        "comment_calls": 9_800,
        "people_calls": 10,
    }
    return Measured(**given | fields)


def forecast(made: Measured | None = None, **embedding: Any) -> Forecast:
    settings = settings_of(**embedding)
    return forecast_of(made or measured(), settings, LocalProvider())


def settings_of(**embedding: Any) -> Settings:
    return Settings(
        embedding=EmbeddingSettings(**{"provider": "gemini"} | embedding),
        zendesk=ZendeskSettings(subdomain="acme", requests_per_minute=400),
        data_dir=Path(),
    )


def test_every_model_has_a_price() -> None:
    assert GEMINI_MODELS.keys() <= USD_PER_MILLION_TOKENS.keys()
    assert LocalProvider.model in USD_PER_MILLION_TOKENS


def test_the_cost_is_tokens_times_price() -> None:
    assert forecast().usd == pytest.approx(0.60)
    assert forecast(model="gemini-embedding-2").usd == pytest.approx(0.80)
    given = forecast(usd_per_million_tokens=1.5)
    assert (given.usd, given.price_source) == (6.0, "TICKETSTREAM_EMBEDDING__USD_PER_MILLION_TOKENS")
    assert forecast(usd_per_million_tokens=0).usd == 0
    assert forecast(provider="local").usd == 0


@pytest.mark.parametrize(
    ("fields", "minutes", "decided_by"),
    [
        ({}, 9_820 / 400, "Zendesk's 400 requests a minute"),
        ({"requests_per_minute": 5}, 204 / 5, "5 embedding calls a minute"),
        ({"requests_per_minute": 5, "provider": "local"}, 9_820 / 400, "Zendesk's 400 requests a minute"),
        ({"requests_per_minute": 100, "quota_unit": "text"}, 160, "100 embedding texts a minute"),
        ({"tokens_per_minute": 30_000}, 4e6 / 3e4, "30,000 embedding tokens a minute"),
    ],
)
def test_the_slowest_quota_decides(fields: dict[str, Any], minutes: float, decided_by: str) -> None:
    found = forecast(**fields)
    assert found.minutes == pytest.approx(minutes, rel=0.02)
    assert found.decided_by == decided_by


def test_many_export_pages_can_decide() -> None:
    found = forecast(measured(export_calls=600, comment_calls=0))
    assert (found.minutes, found.decided_by) == (60, "Zendesk's 10 export pages a minute")


def test_daily_caps_spread_it_over_days() -> None:
    assert forecast().days == 1
    assert forecast(tokens_per_day=1_000_000).days == 5  # a backfill gets 90 %
    assert forecast(tokens_per_day=1_000_000, provider="local").days == 1
    assert forecast(requests_per_day=1_600, quota_unit="text").days == 12
    assert any(
        "12 days" in line for line in notes_of(forecast(requests_per_day=1_600, quota_unit="text"), None)
    )


@pytest.mark.parametrize(
    ("texts", "tokens", "calls"),
    [
        (0, 0, 0),
        (1, 50, 1),
        (100, 5_000, 1),
        (101, 5_000, 2),
        (1_000, 400_000, 21),  # 20,000 tokens a call
        (2, 60_000, 2),  # larger than a call may be: alone in it
    ],
)
def test_a_call_is_full_of_texts_or_of_tokens(texts: int, tokens: int, calls: int) -> None:
    assert embedding_calls(texts, tokens, MAX_TEXTS) == calls


def test_people_and_programs_read_the_same_figures() -> None:
    found = forecast()
    rows = dict(rows_of(found))
    assert rows["tickets"] == "about 10,000 (300 deleted or spam)"
    assert rows["tokens"] == "about 4,000,000 (± 8%)"
    assert rows["cost"].startswith("$0.60 (± 8%) (gemini-embedding-001: $0.15 a million tokens, list price")
    assert rows["time"] == "at least 25 min (Zendesk's 400 requests a minute)"
    assert "from 150 of the tickets" in notes_of(found, None)[0]
    fields = fields_of(found, settings_of(), since=0, file=None)
    assert (fields["tickets"], fields["sample_tickets"], fields["exact"]) == (10_000, 150, False)
    assert fields["zendesk_calls"] == {
        "export": 10,
        "events": 0,
        "comments": 9_800,
        "people": 10,
        "total": 9_820,
    }
    assert fields["comments"] == {"way": "single", "single": {"calls": 9_820, "minutes": 24.55}}
    assert "comments" not in rows
    assert fields["usd"] == 0.6


LARGE = {
    "tickets": 100_000,
    "export_calls": 100,
    "comment_calls": 98_000,
    "people_calls": 400,
    "ways": Ways(export_pages=100, single_calls=98_000, event_pages=540, own_calls=100),
    "bulk_people_calls": 1,
}


def test_a_large_account_is_faster_in_bulk_and_both_ways_are_told() -> None:
    settings = settings_of(provider="local")
    slow = settings.model_copy(update={"zendesk": ZendeskSettings(requests_per_minute=200)})
    found = forecast_of(measured(**LARGE), slow, LocalProvider())
    assert (found.way, found.decided_by) == ("bulk", "Zendesk's 10 export pages a minute")
    assert found.minutes == 64
    fields = fields_of(found, slow, since=0, file=None)
    assert fields["zendesk_calls"] == {
        "export": 100,
        "events": 540,
        "comments": 100,
        "people": 1,
        "total": 741,
    }
    assert fields["comments"] == {
        "way": "bulk",
        "single": {"calls": 98_500, "minutes": 492.5},
        "bulk": {"calls": 741, "minutes": 64.0},
    }
    rows = dict(rows_of(found))
    assert rows["comments"] == (
        "in bulk, from the ticket events (ticket by ticket it would be 98,500 Zendesk calls, at least 8.2 h)"
    )


@pytest.mark.parametrize(("wanted", "way"), [("auto", "bulk"), ("bulk", "bulk"), ("single", "single")])
def test_the_setting_has_the_last_word(wanted: str, way: str) -> None:
    zendesk = ZendeskSettings(requests_per_minute=200, comments=wanted)  # type: ignore[arg-type]
    settings = settings_of(provider="local").model_copy(update={"zendesk": zendesk})
    assert forecast_of(measured(**LARGE), settings, LocalProvider()).way == way
    without = replace(LARGE["ways"], event_pages=math.inf)  # type: ignore[type-var]
    only = forecast_of(measured(**LARGE | {"ways": without}), settings, LocalProvider())
    assert (only.way, only.measured.possible()) == ("single", ("single",))
