"""Worst cells: ranked by the error beside the yardstick's, the smallest cells apart."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.evaluator import Evaluator, Span
from tidecast.models.evaluate.worst import worst_cells, yardstick
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid

PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=2,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(24,),
    experts=("time_of_week", "seasonal_naive"),
)


def evaluator(actual: list[float], ours: list[float], plain: list[float]) -> Evaluator:
    """Return one that scored ten forecasts of each cell, with these sums over them."""
    found = Evaluator(PROFILE, Span(0))
    sums = found.levels["cell"].sums
    sums.total = np.zeros((len(sums.names), 3, 1, len(actual), 2))
    for name, total in (("n", np.full(len(actual), 10.0)), ("actual", np.array(actual))):
        sums[name][:, 0, :, 0] = total
    sums["absolute"][0, 0, :, 0] = ours
    sums["absolute"][2, 0, :, 0] = plain
    return found


def test_the_worst_lose_most_beside_the_seasonal_naive() -> None:
    found = worst_cells(evaluator([100, 100, 100], [30, 20, 50], [40, 20, 80]), 0, 2)
    assert [cell.cell for cell in found] == [1, 0]
    worst = found[0]
    assert (worst.mean, worst.wape, worst.plain_wape, worst.share) == (10, 0.2, 0.2, 0.2)


def test_the_smallest_cells_are_left_out() -> None:
    found = worst_cells(evaluator([900, 80, 20], [90, 8, 200], [100, 10, 20]), 0, 9)
    assert [cell.cell for cell in found] == [0]


@pytest.mark.parametrize("plain", [0.0, 5.0])
def test_nothing_observed_or_a_perfect_yardstick_is_nobody_s_fault(plain: float) -> None:
    assert worst_cells(evaluator([0, 0], [3, 3], [plain, plain]), 0, 9) == []
    assert worst_cells(evaluator([], [], []), 0, 9) == []


def test_without_the_seasonal_naive_the_first_expert_is_the_yardstick() -> None:
    assert yardstick(PROFILE.experts) == "seasonal_naive"
    assert yardstick(("linear", "time_of_week")) == "linear"
