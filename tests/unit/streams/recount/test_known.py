"""What a recount is told of a partition beforehand."""

from __future__ import annotations

import numpy as np
import polars as pl
from shops import click, shop

from tidecast.streams.recount.audit import Audit
from tidecast.streams.recount.cover import NEVER, Cover, Known, LateBin
from tidecast.streams.recount.past import Doubts, Past
from tidecast.streams.recount.sums import EVENTS, TOLD

SETTINGS = shop("click", max_disorder="0s", allowed_lateness="10m", max_gap="7d")
FIRST = int(np.datetime64("2026-01-31T12", "h").astype(np.int64))  # the bin's number


def hour(time: float) -> bytes:
    """Return an event so many hours after noon."""
    moment = np.datetime64("2026-01-31T12:00:00") + np.timedelta64(round(time * 3_600), "s")
    return click(event_time=f"{moment}Z")


def recounted(records: list[bytes], known: Known) -> Audit:
    audit = Audit(SETTINGS)
    partition = audit.partition("events", 0)
    partition.know(known)
    partition.feed(range(len(records)), records)
    partition.end()
    return audit


def counts(sums: pl.DataFrame) -> dict[int, int]:
    return {row[0] - FIRST: row[1] for row in sums.group_by("bin").agg(pl.col(EVENTS).sum()).rows()}


STEADY = [hour(n / 6) for n in range(18)]  # 3 hours


def test_records_read_under_other_settings_are_late_as_they_were_told() -> None:
    records = [*STEADY, hour(0.5), hour(0.6), *[hour(3 + n / 6) for n in range(6)], hour(0.7)]
    by_rule = recounted(records, Known())
    assert set(by_rule.partition("events", 0).late) == {18, 19, 26}
    told = Known(trusted=20, reasons={19: "late"})  # what is late was told of, and 18 was not
    trusting = recounted(records, told)
    assert set(trusting.partition("events", 0).late) == {19}
    assert counts(trusting.totals.counted.total())[0] == 6 + 2  # 18, and 26 of the same bin
    assert trusting.partition("events", 0).trusted_bin == FIRST + 2


def test_records_read_under_other_settings_are_refused_as_they_were_told() -> None:
    records = [*STEADY, hour(24 * 30), hour(3)]
    known = Known(trusted=20, reasons={3: "not_json: broken", 18: "time_jump: too far"})
    audit = recounted(records, known)
    assert audit.partition("events", 0).refused == known.reasons
    assert counts(audit.totals.counted.total()) == {0: 5, 1: 6, 2: 6, 3: 1}


def test_a_jump_under_other_settings_was_believed_unless_a_dead_letter_says_otherwise() -> None:
    records = [*STEADY, hour(24 * 30), hour(3)]
    assert 18 in recounted(records, Known()).partition("events", 0).refused
    audit = recounted(records, Known(trusted=20))
    assert audit.partition("events", 0).refused == {}
    assert counts(audit.totals.counted.total())[24 * 30] == 1


def test_what_a_late_bin_was_not_counted_with_is_late_where_it_was_told_of() -> None:
    told = [(Cover(8, FIRST + 1), 100), (Cover(14, FIRST + 2), 105)]
    late_bin = LateBin(Cover(-1, -1), told)
    known = Known(Cover(14, FIRST + 2), {FIRST + 1: late_bin}, {})
    audit = recounted([*STEADY[:8], hour(2), hour(1.9), *[hour(2.5)] * 4, hour(3), hour(3)], known)
    late = audit.totals.late.total()
    assert sorted(late.select("bin", TOLD, EVENTS).iter_rows()) == [
        (FIRST + 1, 100, 2),
        (FIRST + 1, 105, 1),
    ]
    assert counts(audit.totals.counted.total()) == {0: 6, 2: 5}


def test_what_no_record_tells_of_yet_is_told_never() -> None:
    late_bin = LateBin(Cover(-1, -1), [(Cover(8, 3), 100)])
    at = np.array([7, 8, 9])
    assert late_bin.told_at(at, np.array([2, 2, 3])).tolist() == [100, 100, NEVER]


def test_a_cover_goes_on_in_a_topic_made_anew() -> None:
    assert Cover(25, 4).since(20) == Cover(5, 4)
    nothing = Cover(15, 4).since(20)
    assert not nothing.reaches(np.array([0, 1]), np.array([-1, 3])).any()


def test_a_bin_is_doubted_for_the_first_reason_that_reaches_it() -> None:
    doubts = Doubts()
    doubts.add(3, "one")
    doubts.add(7, "other")
    found = [doubts.about(bin_) for bin_ in (3, 4, 8)]
    assert [doubt and doubt.why for doubt in found] == ["one", "other", None]


def test_a_series_is_lacking_in_the_bins_before_it_was_counted() -> None:
    past = Past(counted_from={"views": 5})
    assert [past.lacking(bin_) for bin_ in (4, 5)] == [["views"], []]
