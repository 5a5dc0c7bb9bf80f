"""A backtest as a whole: known forecasts give known figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.groups import by_day, by_size, by_week
from tidecast.models.evaluate.metrics import Score, scores_of
from tidecast.models.evaluate.where import ScoreWhere
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
SEASON = 6
HORIZON = 4
Values = NDArray[np.float64]  # (bin, cell, series)

PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=HORIZON,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(SEASON,),
    experts=("seasonal_naive", "time_of_week"),
)
CELLS = [Cell(f"region {n % 2}", f"category {n // 2}") for n in range(4)]


def run(slabs: Values | Sequence[Slab], span: Span, profile: ForecastProfile = PROFILE) -> Backtest:
    backtest = Backtest(profile, span)
    for slab in to_slabs(slabs):
        backtest.step(slab, CELLS[: len(slab.values)], {})
    backtest.end()
    return backtest


def to_slabs(slabs: Values | Sequence[Slab]) -> Sequence[Slab]:
    if isinstance(slabs, np.ndarray):
        return [Slab(bin_, values) for bin_, values in enumerate(slabs, FIRST_BIN)]
    return slabs


def figures(backtest: Backtest, level: str = "total", lead: int | None = None) -> dict[str, float]:
    """Return the figures of the seasonal naive by metric."""
    return {
        score.metric: float("nan") if score.value is None else score.value
        for score in scores_of(backtest.evaluator)
        if (score.expert, score.level, score.lead) == ("seasonal_naive", level, lead)
    }


def counts(n_bins: int, seed: int = 0) -> Values:
    random = np.random.default_rng(seed)
    day = 1.2 + np.sin(np.arange(n_bins) * 2 * np.pi / SEASON)
    return random.poisson(day[:, None, None] * np.array([0.5, 4.0, 20.0, 60.0])[:, None]) * 1.0


def rising(n_bins: int) -> Values:
    """Return four cells that rise by 1, 2, 3 and 4 each bin."""
    return np.arange(n_bins)[:, None, None] * np.array([1.0, 2.0, 3.0, 4.0])[:, None] + 1.0


def test_a_forecaster_that_knows_the_season_scores_nothing() -> None:
    season = np.array([5.0, 1.0, 0.0, 7.0, 9.0, 2.0])
    slabs = np.resize(season, (60, 1, 1)) * np.ones((1, 4, 1))
    backtest = run(slabs, Span(FIRST_BIN + 30))
    for level in ("cell", "region", "category", "total"):
        for lead in (None, 1, 4):
            found = figures(backtest, level, lead)
            assert found["rmse"] == found["rmsse"] == 0
    assert figures(backtest, "total")["wape"] == 0
    assert np.isnan(figures(backtest, "total")["mase"])  # the naive before was perfect too


def test_the_seasonal_naive_of_a_steady_rise_is_one_season_of_it_behind() -> None:
    backtest = run(rising(60), Span(FIRST_BIN + 20))
    for level, rise in (("region", (1 + 3, 2 + 4)), ("total", (10,))):
        for lead in (None, 1, HORIZON):
            found = figures(backtest, level, lead)
            errors = SEASON * np.array(rise)
            assert found["mae"] == pytest.approx(errors.mean())
            assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
            assert found["mase"] == pytest.approx(1.0)
            assert found["rmsse"] == pytest.approx(SEASON)
    n = 40 * HORIZON
    total = next(s for s in scores_of(backtest.evaluator) if s.level == "total")
    assert total.n == n
    assert figures(backtest)["wape"] == pytest.approx(60 / (10 * np.arange(20, 60) + 4).mean())


def test_cells_are_scored_by_every_loss_and_totals_by_those_of_means() -> None:
    backtest = run(counts(60), Span(FIRST_BIN + 20))
    plain = {"mae", "wape", "rmse", "mase", "rmsse"}
    assert set(figures(backtest, "region")) == plain
    assert set(figures(backtest, "cell", 2)) == plain | {
        *("pinball", "crps", "coverage_80", "width_80", "coverage_90", "width_90"),
        *("dm_pinball_statistic", "dm_pinball_p", "dm_squared_statistic", "dm_squared_p"),
    }


def of_sums(backtest: Backtest, level: str, lead: int | None = None) -> dict[str, Score]:
    """Return the figures of sums by metric."""
    return {
        score.metric: score
        for score in backtest.of_sums.scores()
        if (score.level, score.lead) == (level, lead)
    }


def test_the_blends_quantiles_of_sums_are_scored_at_their_level() -> None:
    slabs = counts(50)
    backtest, live = run(slabs, Span(FIRST_BIN)), CoherentForecaster(Forecaster(PROFILE))
    levels, losses, medians = np.array(PROFILE.quantile_levels), [], []
    for slab in to_slabs(slabs):
        for due in live.totals.said_of(slab.bin):
            if due.lead == 2:
                short = slab.values.sum() - due.quantiles()[0, 0]
                losses.append(np.maximum(levels * short, (levels - 1.0) * short).mean())
                medians.append((abs(short[levels == 0.5].item()), slab.values.sum()))
        _, forecast = live.step(slab, CELLS, {})
    assert forecast.totals is not None
    assert forecast.totals.nodes[0] == Cell("(all)", "(all)")
    found = of_sums(backtest, "total", 2)
    assert found["pinball"].value == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["pinball"].n == len(losses)
    error, actual = np.sum(medians, axis=0)
    assert found["mae_median"].value == pytest.approx(error / len(medians), rel=1e-5)
    assert found["wape_median"].value == pytest.approx(error / actual, rel=1e-5)
    for level, n_rows in (("region", 2), ("category", 2)):
        assert of_sums(backtest, level, 2)["coverage_80"].n == n_rows * len(losses)


def test_a_sum_with_a_missing_cell_is_scored_and_one_without_most_cells_is_not() -> None:
    slabs = counts(50)
    slabs[30, 0] = np.nan  # a small cell
    slabs[31, 3] = np.nan  # most of the total
    whole = of_sums(run(counts(50), Span(FIRST_BIN + 10)), "total", 1)["pinball"].n
    assert of_sums(run(slabs, Span(FIRST_BIN + 10)), "total", 1)["pinball"].n == whole - 1


def test_forecasts_are_those_of_the_forecaster_alone() -> None:
    backtest = Backtest(PROFILE, Span(FIRST_BIN))
    forecaster = CoherentForecaster(Forecaster(PROFILE))
    for slab in to_slabs(counts(50)):
        backtest.step(slab, CELLS, {})
        forecaster.step(slab, CELLS, {})
    expected = forecaster.snapshot()
    found = backtest.forecaster.snapshot()
    assert {k: a.tobytes() for k, a in found.items()} == {
        k: a.tobytes() for k, a in expected.items()
    }


def test_sums_of_the_blend_are_those_of_the_live_scores() -> None:
    profile, slabs = PROFILE, counts(50)
    backtest, forecaster = run(slabs, Span(FIRST_BIN)), CoherentForecaster(Forecaster(profile))
    live = [forecaster.step(slab, CELLS, {})[0] for slab in to_slabs(slabs)]
    sums = backtest.evaluator.levels["cell"].sums
    for name, field in (("n", "n"), ("absolute", "abs_error"), ("squared", "squared_error"),
                        ("pinball", "pinball"), ("actual", "actual")):  # fmt: skip
        expected = sum(getattr(scores, field)[0] for scores in live if scores is not None)
        assert np.allclose(sums[name][0].sum(axis=1), expected, rtol=1e-5)


def test_a_filter_changes_scores_and_nothing_that_is_learnt() -> None:
    slabs = counts(60)
    plain = run(slabs, Span(FIRST_BIN + 30))
    some = run(slabs, Span(FIRST_BIN + 30, ScoreWhere.parse("actual > 3")))
    sums = [each.evaluator.levels["cell"].sums["n"][0, 0].sum() for each in (plain, some)]
    assert sums[0] == 30 * 4 * HORIZON
    assert sums[1] == (slabs[30:] > 3).sum() * HORIZON
    one, other = (each.forecaster.snapshot() for each in (plain, some))
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_it_goes_on_from_a_snapshot_to_the_byte() -> None:
    profile = replace(PROFILE, reach=2 * HOUR)
    slabs = to_slabs(counts(60))
    whole = run(slabs, Span(FIRST_BIN + 10), profile)
    half = Backtest(profile, Span(FIRST_BIN + 10))
    for slab in slabs[:30]:
        half.step(slab, CELLS, {})
    rest = Backtest(profile, Span(FIRST_BIN + 10))
    rest.restore({name: array.copy() for name, array in half.snapshot().items()}, CELLS)
    for slab in slabs[30:]:
        rest.step(slab, CELLS, {})
    rest.end()
    assert list(scores_of(rest.evaluator)) == list(scores_of(whole.evaluator))
    assert list(by_day(rest.evaluator)) == list(by_day(whole.evaluator))


def test_a_corrected_bin_is_scored_once_by_its_last_values() -> None:
    values = counts(40)
    first = values.copy()
    first[30] += 5.0
    slabs = list(to_slabs(first))
    slabs.insert(32, Slab(FIRST_BIN + 30, values[30], revision=1))
    profile = replace(PROFILE, reach=3 * HOUR)
    corrected = run(slabs, Span(FIRST_BIN + 30), profile)
    untold = run(first, Span(FIRST_BIN + 30), profile)
    n = [each.evaluator.levels["cell"].sums["n"].sum() for each in (corrected, untold)]
    actual = [each.evaluator.levels["cell"].sums["actual"][0].sum() for each in (corrected, untold)]
    assert n[0] == n[1]
    assert actual[1] - actual[0] == 5.0 * len(CELLS) * HORIZON


def test_a_cell_that_comes_later_is_scored_from_then_on() -> None:
    slabs = [Slab(FIRST_BIN + n, v[: 2 if n < 40 else 4]) for n, v in enumerate(counts(60))]
    backtest = run(slabs, Span(FIRST_BIN + 30))
    n = backtest.evaluator.levels["cell"].sums["n"][0, 0].sum(axis=-1)
    late = sum(min(n, HORIZON) for n in range(20))  # leads whose origin knew the cell
    assert n.tolist() == [30 * HORIZON, 30 * HORIZON, late, late]


def test_a_cell_that_a_correction_brings_is_scored_in_sums_from_the_next_bin_on() -> None:
    values = counts(60)
    slabs = [Slab(FIRST_BIN + n, v[: 3 if n < 43 else 4]) for n, v in enumerate(values)]
    slabs.insert(43, Slab(FIRST_BIN + 41, values[41], revision=1))  # 42 knows three cells
    profile = replace(PROFILE, reach=3 * HOUR)
    of_sums = {s.lead: s for s in run(slabs, Span(FIRST_BIN + 30), profile).of_sums.scores()
               if (s.level, s.metric) == ("total", "mae_median")}  # fmt: skip
    assert of_sums[1].n == 30
    assert of_sums[1].value is not None
    assert of_sums[1].value < values.sum(axis=1).max()


def test_sizes_and_days_hold_every_scored_forecast() -> None:
    backtest = run(counts(24 * 16), Span(FIRST_BIN + 24))
    every = 24 * 15 * 4 * HORIZON
    sizes = [s for s in by_size(backtest.evaluator) if (s.expert, s.metric) == ("tidecast", "mae")]
    assert [s.low for s in sizes] == [0.1, 1.0, 10.0]
    assert sum(s.n for s in sizes) == every
    scaled = {name: np.array([s.value for s in by_size(backtest.evaluator)
                              if (s.expert, s.metric) == ("seasonal_naive", name)])
              for name in ("mase", "rmsse")}  # fmt: skip
    assert {len(found) for found in scaled.values()} == {3}
    cells = np.array([s.cells for s in sizes])
    whole = figures(backtest, "cell")
    for name, found in scaled.items():
        assert (found * cells).sum() / cells.sum() == pytest.approx(whole[name])
    days = [s for s in by_day(backtest.evaluator) if s.metric == "mae" and s.lead is None]
    assert len(days) == 15
    assert sum(s.n for s in days) == every


def test_scaled_errors_of_the_only_day_are_those_of_the_run() -> None:
    backtest = run(counts(24 * 3), Span(FIRST_BIN + 24 * 2))
    of_day = {(s.lead, s.metric): (s.value, s.n) for s in by_day(backtest.evaluator)}
    of_run = {
        (s.lead, s.metric): (s.value, s.n)
        for s in scores_of(backtest.evaluator)
        if (s.expert, s.level) == ("tidecast", "cell")
    }
    for key in [(lead, metric) for lead in (None, 1) for metric in ("mase", "rmsse")]:
        assert of_day[key] == of_run[key]


def test_weeks_count_whose_coverage_is_about_what_was_promised() -> None:
    slabs = counts(24 * 40)
    slabs[24 * 26 :] = 500.0  # what comes then, nobody can have foreseen
    backtest = run(slabs, Span(FIRST_BIN + 24 * 10, counts=(0,)))
    found = {(score.metric, score.lead): score for score in by_week(backtest.evaluator)}
    days = [day for day in backtest.evaluator.trail.days() if (day - 1) % 7 == 0]
    assert {lead for _, lead in found} == {1, 2, 3, 4}
    for score in found.values():
        assert score.n in (len(days), len(days) - 1)
        assert score.value is not None
        assert 0 < score.value < 1


def test_the_expert_that_is_much_worse_is_found_out() -> None:
    backtest = run(counts(300), Span(FIRST_BIN + 100))
    tests = {
        (score.lead, score.metric): score
        for score in scores_of(backtest.evaluator)
        if score.expert == "seasonal_naive" and score.metric.startswith("dm_")
    }
    for lead in (None, 1, HORIZON):
        found: Score = tests[lead, "dm_squared_statistic"]
        assert found.value is not None
        assert found.value > 2
    assert tests[1, "dm_squared_statistic"].n == 200


def test_a_gap_in_the_feed_is_survived() -> None:
    slabs = [slab for slab in to_slabs(counts(60)) if not 40 <= slab.bin - FIRST_BIN < 43]
    backtest = run(slabs, Span(FIRST_BIN + 30))
    assert figures(backtest, "cell")["mae"] > 0


def test_bins_before_the_first_cell_are_survived() -> None:
    slabs = [Slab(FIRST_BIN + n, v[: 0 if n < 3 else 4]) for n, v in enumerate(counts(40))]
    backtest = run(slabs, Span(FIRST_BIN))
    assert figures(backtest, "total")["mae"] > 0
