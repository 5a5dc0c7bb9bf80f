"""Levels whose rows are those of another level have its figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.metrics import scores_of
from tidecast.models.evaluate.same_rows import of_same_rows
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
PROFILE = ForecastProfile(
    series=("demand", "hours"),
    grid=BinGrid(HOUR),
    horizon=2,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(6,),
    experts=("seasonal_naive", "time_of_week"),
    ratios=(1,),
)
OF_QUANTILES = {
    *("pinball", "crps", "coverage_80", "width_80", "coverage_90", "width_90"),
    *("mae_median", "wape_median"),
}
Figures = dict[tuple[str, int | None, str], tuple[float | None, int]]


def levels(cells: Sequence[Cell]) -> dict[tuple[str, str], Figures]:
    """Return the blend's figures of a run, by series and level: by lead and metric."""
    backtest = Backtest(PROFILE, Span(FIRST_BIN + 10))
    values = np.random.default_rng(0).poisson(7.0, (40, len(cells), 2)) * 1.0
    for bin_, slab in enumerate(values, FIRST_BIN):
        backtest.step(Slab(bin_, slab), cells, {})
    backtest.end()
    scores = (*scores_of(backtest.evaluator), *backtest.of_sums.scores())
    found: dict[tuple[str, str], Figures] = {}
    for score in (*scores, *of_same_rows(scores, backtest.evaluator)):
        if score.expert == "tidecast":
            key = (score.expert, score.lead, score.metric)
            of_level = found.setdefault((score.series, score.level), {})
            assert key not in of_level
            of_level[key] = (score.value, score.n)
    return found


def of_quantiles(figures: Figures) -> Figures:
    return {key: found for key, found in figures.items() if key[2] in OF_QUANTILES}


def as_a_sum(figures: Figures) -> Figures:
    """Return a cell's figures by the names that they have of a sum."""
    names = {"mae": "mae_median", "wape": "wape_median"}
    return of_quantiles(
        {(*key, names.get(metric, metric)): found for (*key, metric), found in figures.items()}
    )


@pytest.mark.parametrize("series", PROFILE.series)
def test_one_cell_is_its_region_its_category_and_the_total(series: str) -> None:
    found = levels([Cell("north", "books")])
    own = as_a_sum(found[series, "cell"])
    assert {metric for _, _, metric in own} == OF_QUANTILES
    assert {lead for _, lead, _ in own} == {None, 1, 2}
    for level in ("region", "category", "total"):
        assert of_quantiles(found[series, level]) == own


def test_regions_of_a_cell_each_are_cells_and_the_only_category_is_the_total() -> None:
    found = levels([Cell("north", "books"), Cell("south", "books")])
    assert of_quantiles(found["demand", "region"]) == as_a_sum(found["demand", "cell"])
    assert of_quantiles(found["demand", "category"]) == of_quantiles(found["demand", "total"])
    assert {metric for _, _, metric in of_quantiles(found["demand", "total"])} == OF_QUANTILES


def test_what_does_not_add_up_has_no_quantiles_of_several_cells() -> None:
    found = levels([Cell("north", "books"), Cell("south", "books")])
    assert of_quantiles(found["hours", "region"]) == as_a_sum(found["hours", "cell"])
    assert not of_quantiles(found["hours", "category"])
    assert not of_quantiles(found["hours", "total"])


def test_levels_that_say_more_keep_their_own_figures() -> None:
    cells = [Cell(region, category) for region in "ns" for category in "bt"]
    found = levels(cells)
    for level in ("region", "category", "total"):
        own = of_quantiles(found["demand", level])
        assert own
        assert own != as_a_sum(found["demand", "cell"])
        assert not of_quantiles(found["hours", level])
