"""The forecast step as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.models.short import are_short
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.settings.experts import DEFAULT_EXPERTS
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

FIRST_BIN = 480_000
HORIZON = 4
POSITIONS = {f"region {n}": (50.0 + n, 5.0) for n in range(4)}
PEDESTRIANS = Path(__file__).parents[4] / "shared/data/pedestrian_melbourne"
Values = NDArray[np.float64]


def forecaster(horizon: int = HORIZON, n_series: int = 2) -> Forecaster:
    return Forecaster(
        ForecastProfile(
            series=("demand", "traffic", "views", "returns")[:n_series],
            grid=BinGrid(HOUR),
            horizon=horizon,
            quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
            season_lengths=(6, 24),
        )
    )


def cells(n_cells: int) -> list[Cell]:
    return [Cell(f"region {n % 5}", f"category {n // 5}") for n in range(n_cells)]


def rhythm(n_bins: int, n_cells: int, seed: int = 0) -> Values:
    """Return counts with a daily rhythm, (bin, cell, series)."""
    random = np.random.default_rng(seed)
    day = 1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / 24)
    level = np.linspace(1.0, 40.0, n_cells)[:, None] * np.array([1.0, 3.0])
    return random.poisson(day[:, None, None] * level).astype(np.float64)


def run(
    model: Forecaster, slabs: Values, first_bin: int = FIRST_BIN
) -> Iterator[tuple[Scores | None, Forecast]]:
    for bin_, values in enumerate(slabs, first_bin):
        yield model.step(Slab(bin_, values), cells(len(values)), POSITIONS)


def as_bytes(forecast: Forecast) -> list[bytes]:
    arrays = [forecast.mean, forecast.quantiles, *forecast.weights.values()]
    return [array.tobytes() for array in arrays]


def test_a_series_is_learnt_alike_to_the_bit_beside_others() -> None:
    two, four = forecaster(), forecaster(n_series=4)
    slabs = rhythm(60, 4)
    more = np.concatenate([slabs, rhythm(60, 4, seed=1)], axis=-1)
    for (_, one), (_, other) in zip(run(two, slabs), run(four, more), strict=True):
        assert other.quantiles[:2].tobytes() == one.quantiles.tobytes()
    for name in ("expert-pooled/models/squares", "blend/products", "calibrate/shift"):
        assert four.snapshot()[name][:2].tobytes() == two.snapshot()[name].tobytes(), name


def test_a_forecast_has_all_series_cells_leads_and_levels() -> None:
    *_, (_, forecast) = run(forecaster(), rhythm(30, 3))
    assert forecast.origin_bin == FIRST_BIN + 29
    assert forecast.mean.shape == (2, 3, HORIZON)
    assert forecast.quantiles.shape == (2, 3, HORIZON, 5)
    asleep = ("trees", "leading")
    assert list(forecast.weights) == [e for e in DEFAULT_EXPERTS if e not in asleep]
    assert np.allclose(sum(forecast.weights.values()), 1.0)


@settings(max_examples=10, deadline=None)
@given(
    origin=st.integers(0, 40),
    seed=st.integers(0, 5),
    factor=st.sampled_from([0.0, 0.5, 50.0, np.nan, np.inf]),
)
def test_a_forecast_depends_on_no_slab_after_its_origin(
    origin: int, seed: int, factor: float
) -> None:
    slabs = rhythm(48, 3, seed)
    changed = slabs.copy()
    with np.errstate(invalid="ignore"):
        changed[origin + 1 :] = changed[origin + 1 :] * factor + 1.0
    one = [forecast for _, forecast in run(forecaster(), slabs)]
    other = [forecast for _, forecast in run(forecaster(), changed)]
    for mine, theirs in zip(one[: origin + 1], other[: origin + 1], strict=True):
        assert as_bytes(mine) == as_bytes(theirs)


def test_experts_say_short_numbers() -> None:
    model = forecaster()
    for _ in run(model, rhythm(30, 3)):
        pass
    dues = model.said_of(FIRST_BIN + 30)
    assert len(dues) == HORIZON
    assert all(are_short(due.means[1:]) for due in dues)


def test_the_newest_slab_changes_the_forecast() -> None:
    slabs = rhythm(48, 3)
    changed = slabs.copy()
    changed[-1] += 5.0
    *_, (_, one) = run(forecaster(), slabs)
    *_, (_, other) = run(forecaster(), changed)
    assert as_bytes(one) != as_bytes(other)


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(1, 50), gap=st.sampled_from([0, 1, 5, 100]), more=st.integers(0, 3))
def test_a_restored_forecaster_goes_on_to_the_byte(cut: int, gap: int, more: int) -> None:
    slabs = rhythm(60, 6)
    one, other = forecaster(), forecaster()
    for _ in run(one, slabs[:cut, :3]):
        pass
    other.restore({name: array.copy() for name, array in one.snapshot().items()})
    rest = slabs[cut:, : 3 + more]
    resumed = run(other, rest, FIRST_BIN + cut + gap)
    for (scores, forecast), (mine, ours) in zip(
        run(one, rest, FIRST_BIN + cut + gap), resumed, strict=True
    ):
        assert as_bytes(forecast) == as_bytes(ours)
        assert (scores is None) == (mine is None)
        if scores and mine:
            assert scores.abs_error.tobytes() == mine.abs_error.tobytes()
            assert scores.covered.tobytes() == mine.covered.tobytes()


def test_every_lead_is_scored_once_it_is_due() -> None:
    model = forecaster()
    scores = [scores for scores, _ in run(model, rhythm(6, 3))]
    assert scores[0] is None
    due = [s.n[0, 0].tolist() for s in scores[1:] if s]
    assert due == [[3, 0, 0, 0], [3, 3, 0, 0], [3, 3, 3, 0], [3, 3, 3, 3], [3, 3, 3, 3]]


def test_missing_actuals_are_not_scored() -> None:
    slabs = rhythm(10, 3)
    slabs[-1, 1] = np.nan
    *_, (scores, _) = run(forecaster(), slabs)
    assert scores is not None
    assert (scores.n[:-2] == 2).all()  # the last are trees and leading streams, who sleep
    assert np.isfinite(scores.abs_error).all()


def test_cells_are_scored_once_they_were_forecast() -> None:
    slabs = rhythm(10, 5)
    model = forecaster()
    for _ in run(model, slabs[:9, :3]):
        pass
    scores, forecast = model.step(Slab(FIRST_BIN + 9, slabs[9]), cells(5), POSITIONS)
    assert scores is not None
    assert (scores.n[:-2] == 3).all()  # the last are trees and leading streams, who sleep
    assert forecast.mean.shape == (2, 5, HORIZON)


def test_forecasts_of_skipped_bins_are_dropped_unscored() -> None:
    model = forecaster()
    slabs = rhythm(10, 3)
    for _ in run(model, slabs):
        pass
    scores, _ = model.step(Slab(FIRST_BIN + 11, slabs[0]), cells(3), POSITIONS)
    assert scores is not None
    assert scores.n[0, 0].tolist() == [0, 3, 3, 3]
    scores, _ = model.step(Slab(FIRST_BIN + 500, slabs[0]), cells(3), POSITIONS)
    assert scores is None
    pending = {key.split("/")[1] for key in model.snapshot() if key.startswith("pending/")}
    assert pending == {str(FIRST_BIN + 500 + lead) for lead in range(1, HORIZON + 1)}


def test_quantiles_never_cross_and_nothing_is_negative() -> None:
    slabs = rhythm(60, 4)
    slabs[20:30] = 0.0
    slabs[40] *= 50.0
    for _, forecast in run(forecaster(), slabs):
        assert (forecast.mean >= 0).all()
        assert (forecast.quantiles >= 0).all()
        assert (np.diff(forecast.quantiles, axis=-1) >= 0).all()


def test_values_beyond_all_sense_do_no_harm() -> None:
    slabs = rhythm(60, 4)
    slabs[20, 0], slabs[25, 1], slabs[26, 2] = np.inf, 1e300, -1e300
    for _, forecast in run(forecaster(), slabs):
        assert np.isfinite(forecast.mean).all()
        assert np.isfinite(forecast.quantiles).all()


def test_no_cells_give_an_empty_forecast() -> None:
    *_, (_, forecast) = run(forecaster(), np.zeros((3, 0, 2)))
    assert forecast.mean.shape == (2, 0, HORIZON)


def test_a_correction_changes_the_window_and_not_what_was_learnt() -> None:
    slabs = rhythm(48, 3)
    one, other = forecaster(), forecaster()
    for model in (one, other):
        for _ in run(model, slabs[:-1]):
            pass
    before = other.snapshot()
    # No seasons ahead, whole ones of 6 and 24 bins and those beside them, lead back to this bin.
    other.correct(Slab(FIRST_BIN + 34, slabs[34] + 7.0, revision=1))
    after = other.snapshot()
    changed = [key for key in before if before[key].tobytes() != after[key].tobytes()]
    assert changed == ["window/values"]
    one_forecast = one.step(Slab(FIRST_BIN + 47, slabs[-1]), cells(3), POSITIONS)[1]
    other_forecast = other.step(Slab(FIRST_BIN + 47, slabs[-1]), cells(3), POSITIONS)[1]
    assert as_bytes(one_forecast) == as_bytes(other_forecast)


def test_a_corrected_season_is_seen_by_the_naive_expert() -> None:
    slabs = rhythm(48, 3)
    model = forecaster()
    for _ in run(model, slabs[:-1]):
        pass
    season_before_target = FIRST_BIN + 48 - 24  # the target is the first bin after the next slab
    model.correct(Slab(season_before_target, np.full((3, 2), 33.0), revision=1))
    _, forecast = model.step(Slab(FIRST_BIN + 47, slabs[-1]), cells(3), POSITIONS)
    due = model.snapshot()[f"pending/{FIRST_BIN + 48}/1/means"]
    naive = 1 + list(forecast.weights).index("seasonal_naive")
    assert due[naive, 1].tolist() == [33.0, 33.0, 33.0]


class Broken:
    """An expert that answers nothing but NaN."""

    name = "seasonal_naive"
    resets = 0

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None: ...

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        nothing = np.full((2, len(covariates.level), HORIZON), np.nan, np.float32)
        return nothing, nothing

    def snapshot(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def restore(self, arrays: dict[str, NDArray[np.float64]]) -> None: ...


def test_an_expert_that_is_not_finite_is_left_out() -> None:
    model = forecaster()
    model.panel.experts = (Broken(), *model.panel.experts[1:])
    for _, forecast in run(model, rhythm(30, 3)):
        assert "seasonal_naive" not in forecast.weights
        assert np.allclose(sum(forecast.weights.values()), 1.0)
        assert np.isfinite(forecast.quantiles).all()


def test_when_nobody_speaks_the_level_is_forecast() -> None:
    model = forecaster()
    model.panel.experts = (Broken(),) * len(model.panel.experts)
    *_, (_, forecast) = run(model, np.full((30, 3, 2), 7.0))
    assert forecast.weights == {}
    assert np.allclose(forecast.mean, 7.0)
    assert np.isfinite(forecast.quantiles).all()


def test_intervals_cover_what_they_promise() -> None:
    slabs = rhythm(400, 20)
    covered, n = 0, 0
    for scores, _ in list(run(forecaster(), slabs))[200:]:
        assert scores is not None
        covered, n = covered + scores.covered, n + scores.n[0]
    assert scores is not None
    assert scores.intervals == (0.9, 0.8)
    share = np.asarray(covered / n)  # (interval, series, lead)
    assert np.abs(share[0] - 0.9).max() < 0.03
    assert np.abs(share[1] - 0.8).max() < 0.05


@pytest.mark.real_data
@pytest.mark.skipif(not PEDESTRIANS.exists(), reason="the public data sets are not there")
def test_the_blend_beats_seasonal_naive_on_pedestrians() -> None:
    counts = np.load(PEDESTRIANS / "pedestrian_melbourne.npz")["x"][-600:].astype(np.float64)
    counts[counts < 0] = np.nan
    grid = BinGrid(HOUR, "Australia/Melbourne")
    model = Forecaster(
        ForecastProfile(("walkers",), grid, 12, (0.05, 0.1, 0.5, 0.9, 0.95), (24, 168))
    )
    n, error, covered = 0, 0, 0
    for scores, _ in list(run(model, counts[:, :, None], first_bin=400_000))[336:]:
        assert scores is not None
        n, error = n + scores.n, error + scores.abs_error
        covered = covered + scores.covered
    assert scores is not None
    naive = scores.experts.index("seasonal_naive")
    assert (np.asarray(error)[0] < 0.9 * np.asarray(error)[naive]).all()
    share = np.sum(covered, axis=(1, 2)) / np.sum(np.asarray(n)[0])
    assert share[0] == pytest.approx(0.9, abs=0.04)
    assert share[1] == pytest.approx(0.8, abs=0.04)


def test_a_lasting_shift_is_followed_within_two_days() -> None:
    slabs = np.concatenate([rhythm(240, 10), 5.0 * rhythm(60, 10, seed=1)])
    scores = [scores for scores, _ in run(forecaster(), slabs)][-12:]
    error = np.sum([s.abs_error[0] for s in scores if s], axis=0)
    actual = np.sum([s.actual[0] for s in scores if s], axis=0)
    assert (error / actual < 0.35).all()


def test_a_burst_is_forgotten_within_two_days() -> None:
    slabs = rhythm(340, 10)
    burst = slabs.copy()
    burst[288, 3] *= 50.0
    *_, (_, expected) = run(forecaster(), slabs)
    *_, (_, found) = run(forecaster(), burst)
    assert np.allclose(found.mean, expected.mean, rtol=0.25, atol=1.0)


def test_a_correction_may_bring_new_cells() -> None:
    slabs = rhythm(12, 5)
    model = forecaster()
    for _ in run(model, slabs[:10, :3]):
        pass
    model.correct(Slab(FIRST_BIN + 9, slabs[9], revision=1))
    scores, forecast = model.step(Slab(FIRST_BIN + 10, slabs[10]), cells(5), POSITIONS)
    assert scores is not None
    assert (scores.n[:-2] == 3).all()  # the last are trees and leading streams, who sleep
    assert forecast.mean.shape == (2, 5, HORIZON)
