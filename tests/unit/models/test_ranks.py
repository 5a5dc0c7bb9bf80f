"""Ranks of actuals among quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.losses import inside, stretch
from tidecast.models.ranks import chance_of_zero, lacking

LEVELS = np.array([0.05, 0.5, 0.95])


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def rows(quantiles: list[float], n_rows: int) -> np.ndarray:
    return np.tile(values(*quantiles), (n_rows, 1))


def test_an_actual_lacks_the_level_of_quantiles_that_it_is_above() -> None:
    found = lacking(values(2.5), rows([1.0, 2.0, 3.0], 1), LEVELS, whole=False)
    assert found[0] == pytest.approx([0.05, 0.5, -0.05])


def test_zeros_as_many_as_were_told_lack_nothing() -> None:
    quantiles = [-0.5, -0.5, 1.5]  # they pass 0 at a level of 0.6125
    chance = 0.5 + 0.45 * 0.25
    n_zeros = round(1000 * chance)
    actual = np.where(np.arange(1000) < n_zeros, 0.0, 1.0).astype(np.float32)
    found = lacking(actual, rows(quantiles, 1000), LEVELS, whole=False).mean(axis=0)
    assert np.abs(found[:2]).max() < 1e-3
    assert (lacking(np.zeros_like(actual), rows(quantiles, 1000), LEVELS, False)[:, 1] < 0).all()


def test_counts_lack_nothing_where_coverage_is_what_was_promised() -> None:
    quantiles = [0.4, 2.0, 4.6]
    actual = np.repeat(values(0, 1, 2, 3, 4), [100, 200, 400, 200, 100])
    said = rows(quantiles, len(actual))
    covered = inside(*stretch(actual, said, LEVELS, 0.5), 0.05, 0.95).mean()
    lack = lacking(actual, said, LEVELS, whole=True).mean(axis=0)
    assert covered == pytest.approx(0.9 - (lack[-1] - lack[0]))


def test_a_zero_that_was_certain_is_too_narrow_an_interval_for_a_one() -> None:
    actual = np.where(np.arange(100) < 97, 0.0, 1.0).astype(np.float32)
    certain, likely = rows([-0.1, -0.1, 0.0], 100), rows([-0.1, -0.1, 0.55], 100)
    found = [lacking(actual, said, LEVELS, whole=True)[:, -1].mean() for said in (certain, likely)]
    assert found[0] > 0.02  # 0.97 x 0.95 were below
    assert found[1] < 0.0


def test_inner_quantiles_of_counts_stay_whole() -> None:
    actual = values(0, 1, 1, 2)
    found = lacking(actual, rows([0.0, 1.0, 2.0], 4), LEVELS, whole=True)
    assert found[:, 1].tolist() == [-0.5, -0.5, -0.5, 0.5]


def test_a_count_far_from_every_outer_quantile_ranks_as_a_point() -> None:
    said = rows([10.0, 20.0, 30.0], 3)
    actual = values(5, 17, 35)
    points, counts = (lacking(actual, said, LEVELS, whole) for whole in (False, True))
    assert np.allclose(points, counts)


def test_the_chance_of_a_zero_is_where_quantiles_pass_it() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    quantiles = np.array([[-1.0, 1.0, 2.0], [-3.0, -2.0, -1.0], [-1.0, -1.0, 3.0]])
    assert np.allclose(chance_of_zero(quantiles, levels), [0.3, 0.95, 0.6])
