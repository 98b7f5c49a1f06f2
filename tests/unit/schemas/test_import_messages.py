"""The sums of an import record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.messages.imports import StageCounts
from schemas.testing import an_import
from tests.shared_fixtures import QUICK

COUNTS = st.builds(
    StageCounts,
    sent=st.integers(0, 9),
    skipped=st.integers(0, 9),
    failed=st.integers(0, 9),
    repeated=st.integers(0, 9),
    vectors=st.integers(0, 9),
    calls=st.integers(0, 9),
)


def test_a_new_record_counts_nothing() -> None:
    new = an_import()
    assert (new.enriched, new.embedded, new.indexed, new.skipped, new.failed) == (0, 0, 0, 0, 0)
    assert (new.done, new.repeated, new.vectors_uploaded, new.zendesk_calls, new.embedding_calls) == (0,) * 5


def test_each_figure_comes_from_its_stage() -> None:
    stages = {
        "enrich/0": StageCounts(sent=100, skipped=1, failed=2, repeated=3, calls=110),
        "enrich/7": StageCounts(sent=10, skipped=10, calls=11),
        "embed/0": StageCounts(sent=90, failed=4, repeated=5, calls=6),
        "index/0": StageCounts(sent=80, skipped=20, failed=30, repeated=40, vectors=500, calls=9),
        "index/10": StageCounts(sent=8, vectors=50),
        "indexer/0": StageCounts(sent=10_000, vectors=10_000),
    }
    sums = an_import(stages=stages, unreadable=7, source_calls=3)
    assert (sums.enriched, sums.embedded, sums.indexed) == (110, 90, 88)
    assert sums.skipped == 1 + 10 + 20
    assert sums.failed == 7 + 2 + 4 + 30
    assert sums.repeated == 3 + 5 + 40
    assert sums.done == 88 + 31 + 43
    assert (sums.vectors_uploaded, sums.zendesk_calls, sums.embedding_calls) == (550, 3 + 121, 6)


@QUICK
@given(st.dictionaries(st.tuples(st.sampled_from(["enrich", "embed", "index"]), st.integers(0, 20)), COUNTS))
def test_partitions_add_up(counts: dict[tuple[str, int], StageCounts]) -> None:
    sums = an_import(stages={f"{stage}/{partition}": one for (stage, partition), one in counts.items()})
    assert sums.done == sums.indexed + sum(one.skipped + one.failed for one in counts.values())
    assert sums.enriched + sums.embedded + sums.indexed == sum(one.sent for one in counts.values())


def test_records_share_no_lists() -> None:
    one, other = an_import(), an_import()
    one.errors.append("no")
    one.stages["enrich/0"] = StageCounts(sent=1)
    assert (other.errors, other.stages) == ([], {})
