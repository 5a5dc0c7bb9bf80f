"""The closing table's sums."""

from __future__ import annotations

from io import StringIO

import numpy as np
from rich.console import Console

from tidecast.models.fold import Closed
from tidecast.models.scores import Scores
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.tools.tally import Tally, accuracy_table

SHAPE = (2, 1, 2)  # (expert, series, lead)


def closed(bin_: int, error: float, revision: int = 0) -> Closed:
    scores = Scores(
        bin=bin_,
        experts=("tidecast", "seasonal_naive"),
        intervals=(0.8,),
        n=np.ones(SHAPE, np.int64),
        abs_error=np.full(SHAPE, error),
        squared_error=np.full(SHAPE, error),
        actual=np.full(SHAPE, 10.0),
        pinball=np.full(SHAPE, error),
        covered=np.ones((1, 1, 2), np.int64),
        revision=revision,
    )
    return Closed(Slab(bin_, np.zeros((1, 1)), revision=revision), [Cell("a", "x")], scores)


def test_errors_are_over_what_happened_and_coverage_over_forecasts() -> None:
    tally = Tally(["demand"], reach=3)
    for bin_, error in enumerate([1.0, 2.0, 3.0]):
        tally.note(closed(bin_, error))
    assert tally.wape("tidecast", 0) == 0.2
    assert tally.coverage(0, 0) == 1.0
    assert tally.bins == 3


def test_the_scores_of_a_corrected_bin_count_once() -> None:
    tally = Tally(["demand"], reach=3)
    for part in [closed(0, 1.0), closed(1, 9.0), closed(1, 8.0, 1), closed(1, 3.0, 2)]:
        tally.note(part)
    assert tally.wape("tidecast", 0) == 0.2
    assert tally.coverage(0, 0) == 1.0
    assert tally.bins == 2


def test_a_bin_slept_through_counts_with_the_scores_of_its_correction() -> None:
    tally = Tally(["demand"], reach=3)
    tally.note(closed(5, 2.0, 1))
    assert tally.wape("tidecast", 0) == 0.2


def test_what_is_not_defined_is_a_dash() -> None:
    tally = Tally(["demand", "traffic"], reach=3)
    console = Console(width=120, file=StringIO(), record=True)
    console.print(accuracy_table(tally))
    tally = Tally(["demand"], reach=3)
    tally.note(closed(0, 1.0))
    console.print(accuracy_table(tally))
    words = [line.split() for line in console.export_text().splitlines()]
    assert ["traffic", "–", "–", "–"] in words
    assert ["demand", "10.0%", "10.0%", "1.00", "100.0%"] in words
