"""Scores of one bin."""

from __future__ import annotations

import numpy as np

from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import ScoreSheet
from tidecast.state.bins import HOUR, BinGrid

PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=3,
    quantile_levels=(0.1, 0.25, 0.5, 0.9),
    season_lengths=(24,),
    experts=("seasonal_naive",),
)
ACTUAL = np.array([[3.0, 0.0, np.nan]])


def fill(sheet: ScoreSheet, lead: int, means: np.ndarray, quantiles: np.ndarray) -> None:
    """Score one lead, of arrays without an axis of leads."""
    sheet.fill(np.array([lead]), ACTUAL, means[None], quantiles[None])


def sheet_of(mean: list[float], quantiles: list[list[float]]) -> ScoreSheet:
    sheet = ScoreSheet(7, PROFILE)
    means = np.array([[mean], [mean]], np.float32)  # (1 + expert, series, cell)
    fill(sheet, 2, means, np.array([quantiles], np.float32))
    return sheet


def test_a_perfect_forecaster_scores_nothing_at_every_lead() -> None:
    sheet = ScoreSheet(7, PROFILE)
    means = np.nan_to_num(np.stack([ACTUAL, ACTUAL]).astype(np.float32))
    for lead in (1, 2, 3):
        fill(sheet, lead, means, np.repeat(means[0][..., None], 4, axis=-1))
    scores = sheet.scores
    assert (scores.abs_error == 0).all()
    assert (scores.squared_error == 0).all()
    assert (scores.pinball[0] == 0).all()
    assert (scores.covered == 2).all()
    assert (scores.n == 2).all()


def test_absolute_errors_are_of_the_mean_and_for_the_blend_of_the_median() -> None:
    scores = sheet_of([4.0, 1.0, 9.0], [[1, 2, 5, 6], [0, 0, 0, 1], [9, 9, 9, 9]]).scores
    assert scores.experts == ("tidecast", "seasonal_naive")
    assert scores.abs_error[:, 0, 1].tolist() == [2.0, 2.0]
    assert scores.squared_error[:, 0, 1].tolist() == [2.0, 2.0]
    assert scores.actual[:, 0, 1].tolist() == [3.0, 3.0]


def test_pinball_is_the_mean_over_levels_added_over_cells() -> None:
    scores = sheet_of([3.0, 0.0, 0.0], [[1, 3, 3, 5], [0, 0, 0, 0], [1, 1, 1, 1]]).scores
    assert np.isclose(scores.pinball[0, 0, 1], (0.1 * 2 + 0.1 * 2) / 4)
    assert np.isnan(scores.pinball[1]).all()


def test_only_central_intervals_are_counted() -> None:
    scores = sheet_of([3.0, 0.0, 0.0], [[1, 2, 3, 4], [1, 1, 1, 2], [0, 0, 0, 9]]).scores
    assert scores.intervals == (0.8,)
    assert scores.covered[:, 0, 1].tolist() == [1]


def test_a_lead_without_a_forecast_counts_nothing() -> None:
    scores = sheet_of([3.0, 0.0, 0.0], [[3] * 4, [0] * 4, [0] * 4]).scores
    assert scores.n[:, 0, [0, 2]].sum() == 0
    assert scores.n[:, 0, 1].tolist() == [2, 2]
