"""Scores of bins that are corrected: made again from the forecasts that were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from partitions import Row, warm
from slabs import PLACES, SETTINGS, cuts_of, interleaved

from tidecast.models.fold import Closed, ForecastFold
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.cuts import InputMessage
from tidecast.state.slabs import Slab

LEVELS = SETTINGS.forecast.quantile_levels
HORIZON = SETTINGS.forecast.horizon
FIRST = 480_000
CELLS = [Cell(name, "x") for name in "abcde"]


@dataclass
class Outputs:
    """What a fold gave: the forecasts by origin, the last slab and the last scores of each bin."""

    forecasts: dict[int, Forecast] = field(default_factory=dict)
    slabs: dict[int, Slab] = field(default_factory=dict)
    scores: dict[int, Scores] = field(default_factory=dict)
    revised: int = 0

    def note(self, closed: Closed) -> None:
        self.slabs[closed.slab.bin] = closed.slab
        if closed.forecast is not None:
            self.forecasts[closed.forecast.origin_bin] = closed.forecast
        if closed.scores is not None:
            assert closed.scores.revision == closed.slab.revision
            self.scores[closed.scores.bin] = closed.scores
            self.revised += closed.scores.revision > 0


def outputs_of(messages: Iterable[InputMessage], is_saved: bool = False) -> Outputs:
    fold, outputs = ForecastFold(SETTINGS), Outputs()
    for message in messages:
        for closed in fold.step(message):
            assert isinstance(closed, Closed)
            outputs.note(closed)
        if is_saved and fold.slabs.inputs is not None:
            data, fold = fold.snapshot(), ForecastFold(SETTINGS)
            fold.restore(data)
    return outputs


def by_hand(forecast: Forecast, lead: int, values: NDArray[np.float64]) -> dict[str, Any]:
    """Return the blend's scores of one lead, (series,), from what was sent and what happened."""
    mean = forecast.mean[:, :, lead - 1].astype(float)  # (series, cell)
    quantiles = forecast.quantiles[:, :, lead - 1].astype(float)  # (series, cell, level)
    actual = values[: mean.shape[1]].T
    short = actual[..., None] - quantiles
    levels = np.array(LEVELS)
    return {
        "n": np.full(len(mean), mean.shape[1]),
        "abs_error": np.abs(quantiles[..., LEVELS.index(0.5)] - actual).sum(axis=1),
        "squared_error": ((mean - actual) ** 2).sum(axis=1),
        "actual": np.abs(actual).sum(axis=1),
        "pinball": np.where(short > 0, levels * short, (levels - 1) * short).mean(-1).sum(1),
        "covered": [
            ((quantiles[..., low] <= actual) & (actual <= quantiles[..., -1 - low])).sum(axis=1)
            for low in range(2)
        ],
    }


def assert_scored(outputs: Outputs) -> None:
    """Check the last scores of every bin, and that no bin that was forecast has none."""
    for bin_, slab in outputs.slabs.items():
        leads = [h for h in range(1, HORIZON + 1) if bin_ - h in outputs.forecasts]
        assert (bin_ in outputs.scores) == bool(leads)
        for lead in leads:
            scores = outputs.scores[bin_]
            expected = by_hand(outputs.forecasts[bin_ - lead], lead, slab.values)
            for name in ("n", "abs_error", "squared_error", "actual", "pinball"):
                found = getattr(scores, name)[0, :, lead - 1]
                np.testing.assert_allclose(found, expected[name], rtol=1e-6, atol=1e-6)
            assert scores.covered[:, :, lead - 1].tolist() == np.array(expected["covered"]).tolist()


@st.composite
def disordered(draw: st.DrawFn) -> list[list[Row]]:
    """Draw a log for each partition, with pauses and records late by up to three minutes."""
    out = []
    for _ in PLACES:
        now, rows = 600.0, warm(600)
        steps = st.tuples(
            st.sampled_from("abcd"), st.sampled_from([5, 20, 61, 400]), st.integers(0, 150)
        )
        for region, on, delay in draw(st.lists(steps, min_size=5, max_size=25)):
            now += on
            rows.append(Row(now - delay, region, delay + 1))
        out.append(rows)
    return out


@settings(max_examples=15, deadline=None)
@given(disordered(), st.booleans())
def test_the_last_scores_are_those_of_the_forecasts_sent_and_the_final_actuals(
    logs: list[list[Row]], is_saved: bool
) -> None:
    cuts = [cuts_of(rows, place) for rows, place in zip(logs, PLACES, strict=True)]
    assert_scored(outputs_of(interleaved(cuts, []), is_saved))


def test_a_late_record_gives_scores_with_the_next_revision() -> None:
    rows = [Row(600 + 20.0 * n, "abc"[n % 3], n % 7) for n in range(40)]
    rows[30:30] = [Row(1_140, "b", 50), Row(1_145, "d", 9), Row(1_090, "a", 7)]
    outputs = outputs_of(interleaved([cuts_of(rows, place) for place in PLACES], []))
    assert outputs.revised > 0
    assert_scored(outputs)


def forecaster(reach_bins: int = 3) -> Forecaster:
    profile = ForecastProfile(("a",), BinGrid(HOUR), 4, LEVELS, (24,), reach=reach_bins * HOUR)
    return Forecaster(profile)


def counts(n_bins: int, n_cells: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(1).poisson(5.0, (n_bins, n_cells, 1)).astype(np.float64)


def closed(model: Forecaster, values: Sequence[NDArray[np.float64]], first: int = FIRST) -> None:
    for bin_, slab in enumerate(values, first):
        model.step(Slab(bin_, slab), CELLS[: len(slab)], {})


def test_scores_may_be_made_again_any_number_of_times() -> None:
    model = forecaster()
    closed(model, counts(10))
    first, second = (
        model.correct(Slab(FIRST + 9, np.full((3, 1), value), revision=revision))
        for revision, value in ((1, 90.0), (2, 70.0))
    )
    assert first is not None
    assert second is not None
    assert (first.revision, second.revision) == (1, 2)
    assert (first.actual[0] == 270.0).all()
    assert (second.actual[0] == 210.0).all()


def test_cells_that_a_correction_brings_are_not_scored_for_nobody_forecast_them() -> None:
    model = forecaster()
    closed(model, counts(10))
    scores = model.correct(Slab(FIRST + 9, np.full((5, 1), 2.0), revision=1))
    assert scores is not None
    assert (scores.n[:-2] == 3).all()  # the last are trees and leading streams, who sleep


def test_a_corrected_bin_that_was_never_forecast_has_no_scores() -> None:
    model = forecaster()
    closed(model, counts(1))
    assert model.correct(Slab(FIRST, np.full((3, 1), 2.0), revision=1)) is None


def test_a_bin_slept_through_is_scored_once_a_correction_brings_it() -> None:
    model = forecaster()
    closed(model, counts(10))
    closed(model, counts(1), FIRST + 12)
    scores = model.correct(Slab(FIRST + 11, np.full((3, 1), 2.0), revision=1))
    assert scores is not None
    assert scores.n[0, 0].tolist() == [0, 3, 3, 3]


def test_what_was_learnt_from_the_first_revision_stays() -> None:
    model = forecaster()
    closed(model, counts(30))
    before = model.snapshot()
    model.correct(Slab(FIRST + 29, counts(1)[0] + 90.0, revision=1))
    after = model.snapshot()
    changed = [name for name in before if before[name].tobytes() != after[name].tobytes()]
    assert changed == ["window/values"]


def test_forecasts_are_kept_as_long_as_a_correction_may_come_and_no_longer() -> None:
    model = forecaster(reach_bins=3)
    closed(model, counts(30))
    kept = {int(name.split("/")[1]) for name in model.snapshot() if name.startswith("pending/")}
    last = FIRST + 29  # the next slab may correct what ends less than three bins before its end
    assert kept == {*range(last - 1, last + 5)}
