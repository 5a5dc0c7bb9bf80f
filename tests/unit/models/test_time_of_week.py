"""The time-of-week mean: the usual week, adapted to the level of late."""

from __future__ import annotations

import numpy as np
import pytest
from daily_worlds import FIRST_DAY, WEEK, DailyWorld, noisy


def test_a_shop_that_grows_is_followed_within_a_week_or_two() -> None:
    world = DailyWorld("time_of_week")
    world.run(noisy(20))
    covariates = world.run(noisy(2, level=1.8))
    usual, said = covariates.usual_ahead[:, 0, 0], world.mean(covariates)
    coming = 1.8 * np.roll(WEEK, -((world.bin - FIRST_DAY) % 7))
    assert np.abs(usual - coming).mean() > 0.25 * coming.mean()
    assert np.abs(said - coming).mean() < 0.5 * np.abs(usual - coming).mean()


@pytest.mark.parametrize("level", [3.0, 0.4])
def test_a_shift_that_noise_does_not_explain_is_over_in_two_weeks(level: float) -> None:
    world = DailyWorld("time_of_week")
    world.run(noisy(20))
    covariates = world.run(noisy(2, level=level))
    coming = level * np.roll(WEEK, -((world.bin - FIRST_DAY) % 7))
    assert abs((world.mean(covariates) - coming).mean()) < 0.06 * coming.mean()


def test_a_steady_shop_keeps_its_usual_week() -> None:
    world = DailyWorld("time_of_week")
    covariates = world.run(noisy(30))
    assert np.allclose(world.mean(covariates), covariates.usual_ahead[:, 0, 0], rtol=0.1)


def test_bins_without_a_value_lead_it_back_to_the_usual() -> None:
    world = DailyWorld("time_of_week")
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    far = world.mean(covariates) / covariates.usual_ahead[:, 0, 0]
    covariates = world.run([np.nan] * 21)
    near = world.mean(covariates) / covariates.usual_ahead[:, 0, 0]
    assert (far > 1.1).all()
    assert (np.abs(near - 1.0) < 0.2 * np.abs(far - 1.0)).all()


def test_what_the_level_of_late_adds_is_told_apart() -> None:
    world = DailyWorld("time_of_week")
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    parts = world.expert.explain(world.window, covariates, 0)
    assert (parts["recent"] > 5.0).all()
    said = sum(parts.values())
    assert np.allclose(said, world.mean(covariates)[None], rtol=1e-5)
