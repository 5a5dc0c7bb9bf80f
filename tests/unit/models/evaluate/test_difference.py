"""The test of Diebold and Mariano."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.difference import compare, diebold_mariano


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def test_with_no_lag_to_allow_for_it_is_the_mean_over_its_standard_error() -> None:
    excess = np.array([1.0, 3.0, 2.0, 0.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0])
    found = diebold_mariano(excess, 0)
    away = excess - 1.7
    # 4 (10 / 100)^(2/9) = 2.4: two lags by the rule of thumb, weighted 2/3 and 1/3
    variance = away @ away + 2 * (2 / 3 * away[1:] @ away[:-1] + 1 / 3 * away[2:] @ away[:-2])
    assert found is not None
    assert np.isclose(found.statistic, 17.0 / np.sqrt(variance))
    assert found.n == 10


def test_it_is_signed_and_symmetric() -> None:
    one, other = diebold_mariano(noise(200) + 0.3, 2), diebold_mariano(-noise(200) - 0.3, 2)
    assert one is not None
    assert other is not None
    assert one.statistic > 3
    assert np.isclose(one.statistic, -other.statistic)
    assert one.p == other.p < 0.01


@pytest.mark.parametrize("lead", [1, 12])
def test_equal_forecasters_are_told_apart_about_one_time_in_twenty(lead: int) -> None:
    kernel = np.ones(lead) / np.sqrt(lead)  # errors of lead h overlap over h - 1 origins
    found = [
        diebold_mariano(np.convolve(noise(600 + lead - 1, seed), kernel, "valid"), lead - 1)
        for seed in range(300)
    ]
    share = np.mean([test.p < 0.05 for test in found if test is not None])
    assert 0.01 < share < 0.11


def test_too_few_origins_and_no_difference_say_nothing() -> None:
    assert diebold_mariano(noise(9), 0) is None
    assert diebold_mariano(np.zeros(100), 3) is None
    assert diebold_mariano(np.full(100, np.nan), 3) is None


def test_what_was_not_scored_is_left_out() -> None:
    excess = noise(300) + 0.1
    excess[50:70] = np.nan
    found = diebold_mariano(excess, 0)
    assert found is not None
    assert found.n == 280


def test_leads_are_averaged_over_what_was_forecast_from_one_origin() -> None:
    origins = noise(100)
    excess = np.full((102, 3), np.nan)  # (bin, lead)
    for lead in range(3):
        excess[lead : lead + 100, lead] = origins + lead
    tests = compare(excess)
    expected = diebold_mariano(origins + 1, 2)
    assert set(tests) == {None, 1, 2, 3}
    assert expected is not None
    assert tests[None].n == 100
    assert np.isclose(tests[None].statistic, expected.statistic)
