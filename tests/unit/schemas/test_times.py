"""Times: read where it is clear what they mean, refused where it is not."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DecodeError
from schemas.times import epoch, utc_text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"),
        ("2024-05-01", "2024-05-01T00:00:00Z"),
        ("20240501", "2024-05-01T00:00:00Z"),
        ("2024-05-01T10", "2024-05-01T10:00:00Z"),
        ("20240501T101112", "2024-05-01T10:11:12Z"),
        ("2024-05-01t10:00z", "2024-05-01T10:00:00Z"),
        ("2024-05-01 10:00:00 UTC", "2024-05-01T10:00:00Z"),
        ("2024-05-01 10:00:00 +0200", "2024-05-01T08:00:00Z"),
        ("2024-05-01T00:30:00-07", "2024-05-01T07:30:00Z"),
        ("2024-05-01T10:00:00.000Z", "2024-05-01T10:00:00Z"),
        ("2024-05-01T10:00:00,5+02:00", "2024-05-01T08:00:00.500000Z"),
        ("  2024-05-01\n", "2024-05-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"),
    ],
)
def test_what_is_clear_is_read(text: str, read: str) -> None:
    assert utc_text(text) == utc_text(read) == read
    assert epoch(text) == datetime.fromisoformat(read).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "yesterday",
            "2024",
            "2024-05",
            "2024-13-01",
            "2024-02-30",
            "01.05.2024",
            "5/1/2024",
            "1714521600",
        ),
        *("2024-05-01T24:00:01Z", "2024-05-01T10:00:00+99:00", "2024-05-01T10:00:00 CEST", "2024-05-01Z"),
        *("0001-01-01", "1969-12-31T23:59:59Z", "2100-01-01", "9999-12-31T23:59:59Z", "12024-05-01"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "٢٠٢٤-05-01", "2024-05-01T10:00:00Z\0"),
    ],
)
def test_what_is_not_is_refused(text: str) -> None:
    for read in (utc_text, epoch):
        with pytest.raises(DecodeError, match="not a time"):
            read(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30), timezones=st.timezones()), st.booleans())
def test_every_time_of_iso_8601_is_the_same_moment(moment: datetime, short: bool) -> None:
    moment = moment.replace(microsecond=0) if short else moment
    if moment.utcoffset() is not None and moment.utcoffset().total_seconds() % 60:  # type: ignore[union-attr]
        return  # old local times, which ISO 8601 cannot write
    read = utc_text(moment.isoformat())
    # By their seconds: in the hour that a clock set back repeats, times of two zones are never equal.
    assert datetime.fromisoformat(read).timestamp() == moment.timestamp() and read.endswith("Z")
    assert epoch(moment.isoformat()) == moment.timestamp()
