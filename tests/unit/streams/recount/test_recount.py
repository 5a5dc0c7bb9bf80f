"""The recount against the streaming code, and against plain truths."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shops import click, order, shop

from tidecast.state.cells import OVERFLOW
from tidecast.state.cuts import END_OF_LOG
from tidecast.state.errors import ContractError
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings
from tidecast.streams.decode.judge import Judge
from tidecast.streams.decode.rules import Rules
from tidecast.streams.recount.audit import Audit
from tidecast.streams.recount.compare import differences
from tidecast.streams.recount.cover import Cover, Known
from tidecast.streams.recount.records import RecordReader
from tidecast.streams.recount.sums import EVENTS
from tidecast.streams.source_fold import SourceFold

ODD: list[bytes | None] = [
    None,
    b"",
    b"[]",
    b"not json",
    b'{"event_time":"2026-01-31T12:00:00Z","region":"a","region":"b","category":"c","kind":"view"}',
    b'{"event_time":"2026-01-31T12:00Z","region":"a","region" :"b","category":"c","kind":"view"}',
    click(category="caf\u00e9"),
    click(region=5),
    click(region=5.0),
    click(region=True),
    click(kind="dance"),
    click(value=-1),
    click(value=None),
    click(value="1"),
    click(value=1e300),
    click(event_time="2026-02-30T12:00:00Z"),
    click(event_time="2026-W05-6T12:00:00Z"),
    click(event_time="2026-01-31T12:00:00"),
    click(event_time="2026-01-31 12:00:00+01:00"),
    click(event_time="2026-01-31T12:00:00.1234567Z"),
    click(event_time="1999-01-31T12:00:00Z"),
    click(extra=[[[1]]], note={"kind": "cart"}),
    click(region=OVERFLOW.region),
    click(region="a\nb"),
    b"\xff" + click(),
    *(click(event_id=value) for value in ("a7", "", "a\nb", "\u00e9", 7, 7.5, True, None, [7])),
]


def told(judge: Any, record: bytes | None) -> object:
    try:
        return repr(judge(record))  # NaN is not equal to itself
    except ContractError as error:
        return str(error)


@pytest.mark.parametrize("deduplicate", [False, True])
@pytest.mark.parametrize("record", [*ODD, click(), click(value=...)])
def test_a_record_is_read_as_the_judge_reads_it(record: bytes | None, deduplicate: bool) -> None:
    settings = shop("click", deduplicate=deduplicate)
    source = settings.sources[0]
    judge = Judge(Rules(settings, source))
    assert told(RecordReader(settings, source).read, record) == told(judge.judge, record)


def test_a_plain_record_needs_no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = shop("order", deduplicate=True)
    reader = RecordReader(settings, settings.sources[0])
    monkeypatch.setattr(Judge, "judge", lambda *_: pytest.fail("the judge was asked"))
    assert reader.read(order(event_id="a7")).numbers == (2.0, 9.99)


def at(second: int) -> str:
    moment = np.datetime64("2026-01-31T12:00:00") + np.timedelta64(second, "s")
    return f"{moment}Z"


moments = st.lists(st.integers(0, 7_200), min_size=1, max_size=60)


def recounted(settings: Settings, records: list[bytes], cover: Cover | None = None) -> Audit:
    audit = Audit(settings)
    partition = audit.partition("events", 0)
    if cover is not None:
        partition.know(Known(cover))
    partition.feed(range(len(records)), records)
    partition.end()
    return audit


@given(moments, st.integers(1, 7), st.integers(1, 40))
def test_it_says_late_counted_repeated_and_refused_of_the_same_records_as_the_partition(
    seconds: list[int], size: int, most: int
) -> None:
    settings = shop(
        "click",
        max_disorder="30s",
        allowed_lateness="10m",
        max_gap="30m",
        deduplicate=True,
        limits={"max_event_ids": most},
    )
    settings = settings.model_copy(
        update={"bins": settings.bins.model_copy(update={"width": 300_000_000})}
    )
    records: list[bytes | None] = [
        click(event_time=at(second), event_id=second % 7 or None) for second in seconds
    ]
    records.append(END_OF_LOG)
    fold = SourceFold(settings, settings.sources[0])
    partition = fold.partition(0)
    late, refused, sums, duplicates = set(), set(), {}, 0
    for start in range(0, len(records), size):
        part = records[start : start + size]
        outcome = fold.step(partition, Batch(np.arange(start, start + len(part)), part))
        duplicates += outcome.duplicates
        late |= {rejected.offset for rejected in outcome.late}
        refused |= {r.offset for r in outcome.refused if r.raw != END_OF_LOG}
        for cut in outcome.cuts:
            sums |= {each.bin: int(each.sums[0].sum()) for each in cut.bins}
    audit = recounted(settings, [r for r in records if r is not None])
    partition_told = audit.partition("events", 0)
    assert set(partition_told.late) == late
    assert set(partition_told.refused) == refused
    assert audit.totals.fates["duplicate"] == duplicates
    counted = audit.totals.counted.total().group_by("bin").agg(pl.col(EVENTS).sum())
    assert dict(counted.iter_rows()) == sums


def test_what_no_cut_covers_is_open() -> None:
    settings = shop("click", max_disorder="0s")
    records = [click(event_time=at(3_600 * hour)) for hour in (0, 0, 0, 0, 0, 0, 0, 1, 1, 2)]
    first = int(np.datetime64("2026-01-31T12", "h").astype(np.int64))  # the bin's number
    audit = recounted(settings, records, Cover(7, first))
    assert audit.totals.fates["counted"] == 7
    assert audit.totals.fates["open"] == 3


def found(**values: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(values)


def test_a_cell_that_differs_is_named_with_both_values() -> None:
    settings = shop("click")
    records = [click(event_time=at(n)) for n in range(6)]
    sums = recounted(settings, records).totals.counted.total()
    table = found(region=["north"], category=["books"], **{"traffic.value": [5.0]})
    table = table.with_columns(pl.lit(1.5).alias("value.value"))
    (one,) = differences(settings, "windows", 0, sums, table)
    assert (one.region, one.series, one.counted, one.found) == ("north", "traffic", 6.0, 5.0)


def test_a_cell_that_is_not_there_differs_and_one_in_the_overflow_does_not() -> None:
    settings = shop("click")
    records = [click(event_time=at(n)) for n in range(6)]
    sums = recounted(settings, records).totals.counted.total()
    nothing = found(region=[], category=[]).cast(pl.String)
    assert [d.found for d in differences(settings, "store", 0, sums, nothing)] == [None, None]
    over = found(
        region=[OVERFLOW.region],
        category=[OVERFLOW.category],
        **{"traffic.value": [6.0], "value.value": [1.5]},
    )
    assert list(differences(settings, "store", 0, sums, over)) == []


def test_a_cell_that_is_censored_on_one_side_only_differs() -> None:
    tables = shop("click").model_dump()
    tables["series"][0]["censored_by"] = {"stream": "click", "kinds": ["cart"]}
    settings = Settings.model_validate(tables)
    records = [click(event_time=at(n), kind=kind) for n, kind in enumerate(["view"] * 6 + ["cart"])]
    sums = recounted(settings, records).totals.counted.total()
    table = found(region=["north"], category=["books"], **{"traffic.value": [6.0]})
    table = table.with_columns(pl.lit(1.5).alias("value.value"))
    marked, bare = (
        table.with_columns(pl.lit(mark).alias("traffic (censored).value")) for mark in (1.0, 0.0)
    )
    assert list(differences(settings, "store", 0, sums, marked)) == []
    (one,) = differences(settings, "store", 0, sums, bare)
    assert (one.series, one.counted, one.found) == ("traffic (censored)", 1.0, 0.0)
