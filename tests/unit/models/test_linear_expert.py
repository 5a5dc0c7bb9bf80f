"""The expert `linear`: it begins as the usual week adapted to the level of late."""

from __future__ import annotations

import numpy as np
from daily_worlds import WEEK, DailyWorld, noisy

from tidecast.models.online.features import FEATURES


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


def test_a_snapshot_from_before_its_week_was_adapted_says_what_it_said() -> None:
    world, other = DailyWorld("linear"), DailyWorld("linear")
    covariates = world.run(noisy(10, level=1.5))
    place = FEATURES.index("recently")
    early = {
        name: np.delete(array, place, axis=-1) if name == "weights" else array
        for name, array in world.expert.snapshot().items()
        if not name.startswith(("week/", "lasting/"))
    }
    other.expert.restore(early)
    found = other.expert.snapshot()["weights"]
    assert not found[..., place].any()
    assert np.array_equal(np.delete(found, place, axis=-1), early["weights"])
    said = other.expert.forecast(world.window, covariates)[0]
    assert np.isfinite(said).all()
