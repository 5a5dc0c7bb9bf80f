"""The expert `linear`: it begins as the usual week adapted to the level of late."""

from __future__ import annotations

import numpy as np
from daily_worlds import WEEK, DailyWorld, noisy


def test_a_shop_that_grows_or_dies_away_is_followed_within_a_week_or_two() -> None:
    for level in (0.5, 1.8):
        world = DailyWorld("linear")
        world.run(noisy(20))
        covariates = world.run(noisy(2, level))
        usual, said = covariates.usual_ahead[:, 0, 0], world.mean(covariates)
        coming = level * WEEK
        assert np.abs(said - coming).mean() < 0.5 * np.abs(usual - coming).mean()


def test_a_steady_shop_keeps_its_usual_week() -> None:
    world = DailyWorld("linear")
    covariates = world.run(noisy(30))
    assert np.allclose(world.mean(covariates), covariates.usual_ahead[:, 0, 0], rtol=0.1)


def test_what_the_level_of_late_adds_is_told_apart() -> None:
    world = DailyWorld("linear")
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    parts = world.expert.explain(world.window, covariates, 0)
    assert (parts["recent"] > 5.0).all()
