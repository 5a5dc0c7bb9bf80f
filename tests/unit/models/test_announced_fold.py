"""Forecasts by what is announced in the log, beside those by a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from refits import FIRST_BIN, WITHOUT, bins
from slabs import LISTED, settings_with

from tidecast.models.fold import Closed, ForecastFold
from tidecast.state.bins import iso
from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import Announced, Announcement, BinSums, Cut, InputMessage, PartitionList
from tidecast.state.settings import Settings

MINUTE = 60_000_000
N_BINS = 60
PROMOTED = range(20, N_BINS + 3, 5)
AHEAD = 2
"""A promotion is announced when so many bins before it are left."""

REGIONS = CellIndex(9, [Cell("north", "x"), Cell("south", "x")])


def settings(**of: Any) -> Settings:
    return settings_with(
        sources=[{"name": "clicks", "topic": "c", "stream": "click"}],
        series=[{"name": "traffic", "stream": "click", "aggregate": "count"}],
        forecast={"horizon": 3, "season_lengths": [5], "experts": ["time_of_week"]},
        covariates=[{"name": "promotion", "absent": 0, **of}],
    )


def cut(bin_: int) -> Cut:
    """Return the cut of a bin with 20 events a region, or, where promoted, 50 in the north."""
    counts = np.array([50 if bin_ in PROMOTED else 20, 20])
    sums = BinSums.of(bin_, REGIONS, np.stack([counts, counts]))
    return Cut("clicks", 0, bin_, bin_, 10 * bin_, (sums,))


def announced() -> Iterator[InputMessage]:
    """Yield the log of a run, in which promotions are announced as they come up."""
    yield PartitionList((("clicks", 0),))
    for bin_ in range(10, N_BINS):
        if bin_ + AHEAD in PROMOTED:
            row = Announced(bin_, "promotion", bin_ + AHEAD, bin_ + AHEAD, "north", None, 1.0, None)
            yield Announcement("told", 0, bin_ + 1, (row,))
        yield cut(bin_)


def forecasts(fold: ForecastFold, log: list[InputMessage]) -> list[bytes]:
    closed = (each for message in log for each in fold.step(message))
    return [
        each.forecast.quantiles.tobytes()
        for each in closed
        if isinstance(each, Closed) and each.forecast is not None
    ]


def told_by_table(folder: Path) -> Settings:
    rows = [
        f"{iso(bin_ * MINUTE)},north,1,{iso((bin_ - AHEAD) * MINUTE + 1_000_000)}"
        for bin_ in PROMOTED
        if bin_ < N_BINS + AHEAD
    ]
    table = folder / "promotions.csv"
    table.write_text("\n".join(["time,region,value,known_at", *rows]))
    return settings(table=table)


def test_what_a_topic_tells_is_forecast_as_by_a_table_that_knew_it_then(tmp_path: Path) -> None:
    log = list(announced())
    by_topic = forecasts(ForecastFold(settings(topic="told", by=["region"])), log)
    cuts = [message for message in log if not isinstance(message, Announcement)]
    assert by_topic == forecasts(ForecastFold(told_by_table(tmp_path)), cuts)
    ignorant = forecasts(ForecastFold(settings(topic="told", by=["region"])), cuts)
    differ = [one != other for one, other in zip(by_topic, ignorant, strict=True)]
    assert any(differ)


def test_a_fold_restored_amid_announcements_goes_on_to_the_byte() -> None:
    told = settings(topic="told", by=["region"])
    log = list(announced())
    fold = ForecastFold(told)
    whole = forecasts(fold, log)
    for middle in (30, 41):
        first, second = ForecastFold(told), ForecastFold(told)
        before = forecasts(first, log[:middle])
        second.restore(first.snapshot())
        again = log[middle - 8 : middle]
        resent = [message for message in again if isinstance(message, Announcement)]
        assert resent
        assert before + forecasts(second, [*resent, *log[middle:]]) == whole
        assert second.snapshot() == fold.snapshot()


def test_an_announcement_waits_behind_bins_that_wait_for_a_decision() -> None:
    told = settings_with(
        forecast={"horizon": 3, "season_lengths": [4]},
        covariates=[{"name": "promotion", "topic": "told"}],
    )
    row = Announced(0, "promotion", FIRST_BIN + 12, FIRST_BIN + 12, None, None, 1.0, None)
    announcement = Announcement("told", 0, 1, (row,))
    known = []
    for early, late in (([WITHOUT], []), ([], [WITHOUT])):
        fold = ForecastFold(told, refits_are_decided=True)
        log = [LISTED, *bins(0, 8), *early, *bins(8, 10), announcement, *late]
        forecasts(fold, log)
        known.append(fold.announced.snapshot()[1]["promotion/known_at"].tolist())
    assert known == [[(FIRST_BIN + 10) * MINUTE]] * 2
