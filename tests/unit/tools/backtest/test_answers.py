"""What the pictures of a backtest are drawn from equals what the backtest found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.groups import by_day
from tidecast.models.evaluate.metrics import scores_of
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.streams.backtest.table import ALL
from tidecast.tools.backtest.answers import (
    accuracy,
    cell_name,
    coverage,
    daily_weights,
    fan_panels,
    newest_weights,
    region_errors,
)

FIRST = 480_000
HORIZON = 4
PROFILE = ForecastProfile(
    series=("demand", "visits"),
    grid=BinGrid(HOUR),
    horizon=HORIZON,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(24,),
    experts=("seasonal_naive", "time_of_week"),
)
CELLS = [Cell("north", "books"), Cell("north", "toys"), Cell("south", "books")]
ORIGIN = FIRST + 87
LAST = FIRST + 95


@pytest.fixture(scope="module")
def backtest() -> Backtest:
    """Return a run over four days, of which the last three are scored."""
    found = Backtest(PROFILE, Span(FIRST + 24, fans_origin=ORIGIN))
    random = np.random.default_rng(2)
    for bin_ in range(FIRST, LAST + 1):
        size = np.array([[4.0, 20.0], [9.0, 5.0], [1.0, 8.0]])  # (cell, series)
        found.step(Slab(bin_, random.poisson(size) * 1.0), CELLS, {})
    found.end()
    return found


def figure(backtest: Backtest, **wanted: object) -> float:
    """Return the one value among the scores that is ``wanted``."""
    (value,) = (s.value for s in scores_of(backtest.evaluator) if wanted.items() <= vars(s).items())
    assert value is not None
    return value


def test_accuracy_is_the_wape_of_the_scores(backtest: Backtest) -> None:
    answers = accuracy(backtest.evaluator)
    assert len(answers) == 2 * 3
    for answer in answers:
        key = {"series": answer.series, "level": "cell", "expert": answer.expert, "metric": "wape"}
        assert answer.total_wape == pytest.approx(figure(backtest, lead=None, **key))
        leads = [figure(backtest, lead=lead, **key) for lead in range(1, HORIZON + 1)]
        assert np.allclose(answer.wape, leads)


def test_coverage_is_that_of_the_days_and_its_total_that_of_the_scores(backtest: Backtest) -> None:
    days = {
        (s.series, s.metric, s.day): s.value for s in by_day(backtest.evaluator) if s.lead is None
    }
    answers = coverage(backtest.evaluator)
    assert {(a.series, a.nominal) for a in answers} == {
        (series, share) for series in PROFILE.series for share in (0.8, 0.9)
    }
    for answer in answers:
        metric = f"coverage_{100 * answer.nominal:.0f}"
        expected = [days[answer.series, metric, day.isoformat()] for day in answer.days]
        assert np.allclose(answer.share, expected)
        key = {"series": answer.series, "expert": "tidecast", "lead": None, "metric": metric}
        assert answer.total == pytest.approx(figure(backtest, **key))


def test_regions_have_the_error_of_their_sums(backtest: Backtest) -> None:
    north, south = region_errors(backtest.evaluator, 0)
    assert (north.region, south.region) == ("north", "south")
    assert 10 < north.per_bin < 16
    sums = backtest.evaluator.levels["region"].sums
    assert south.wape == pytest.approx(
        sums["absolute"][0, 0, 1].sum() / sums["actual"][0, 0, 1].sum()
    )


def test_weights_add_up_over_experts(backtest: Backtest) -> None:
    days, shares = daily_weights(backtest)
    assert days == [(datetime(2024, 10, 4, tzinfo=UTC) + timedelta(d)).date() for d in range(4)]
    newest = newest_weights(backtest)
    for series in PROFILE.series:
        assert np.allclose(sum_of(shares[series].values()), np.ones(4))
        assert np.allclose(sum_of(newest[series].values()), np.ones(HORIZON))


def sum_of(shares: Iterable[np.ndarray]) -> np.ndarray:
    return np.sum(list(shares), axis=0)


def test_fans_open_at_the_actual_of_their_origin_and_are_parted(backtest: Backtest) -> None:
    total, largest, *_ = fan_panels(backtest, 0)
    assert (total.title, largest.title) == ("All cells", "north · toys")
    for panel in (total, largest):
        assert [band.content for band in panel.bands] == [0.9, 0.8]
        assert all(np.isfinite(band.low[: HORIZON + 1]).all() for band in panel.bands)
    fans = np.split(largest.forecast, 2)
    for number, fan in enumerate(fans):
        place = number * HORIZON
        assert fan[0] == largest.actual[place]
        assert np.isfinite(fan[:-1]).all()
        assert np.isnan(fan[-1])
        assert largest.origins[number] == largest.actual_time[place]
        times = largest.forecast_time[number * (HORIZON + 2) :][: HORIZON + 1]
        assert times == largest.actual_time[place : place + HORIZON + 1]
    strip = next(strip for strip in backtest.fans.strips(0) if strip.cell == 1)
    assert np.array_equal(fans[1][1:-1], strip.mean[1 + HORIZON :])
    wide = largest.bands[0]
    assert wide.low[0] == wide.high[0] == largest.actual[0]
    assert np.array_equal(wide.high[1 : 1 + HORIZON], strip.quantiles[1 : 1 + HORIZON, -1])


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (Cell("north", "toys"), "north · toys"),
        (Cell("north", ALL), "north"),
        (Cell(ALL, "toys"), "toys"),
        (Cell(ALL, ALL), "all"),
    ],
)
def test_a_cell_is_called_by_what_the_data_have_of_it(cell: Cell, name: str) -> None:
    assert cell_name(cell) == name
