"""The expert `linear`: it begins as the usual week adapted to the level of late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.online.features import FEATURES
from tidecast.models.online.linear import LinearExpert
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import DAY, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

CELLS = [Cell("north", "tools"), Cell("south", "tools")]
PROFILE = ForecastProfile(("demand",), BinGrid(DAY), 7, (0.1, 0.5, 0.9), (7,), ("linear",))
WEEK = np.array([60.0, 100.0, 100.0, 100.0, 120.0, 140.0, 80.0])


class World:
    """An expert, and all that it is told of."""

    def __init__(self) -> None:
        self.expert = LinearExpert(PROFILE)
        self.window = Window(PROFILE.context_length, 1)
        self._surroundings = Surroundings(PROFILE)
        self.bin = 20_000

    def run(self, days: Sequence[float]) -> Covariates:
        """Let days pass, both cells alike; return what is known after the last."""
        for value in days:
            slab = Slab(self.bin, np.full((2, 1), value))
            admitted, covariates = self._surroundings.observe(slab, CELLS, {})
            self.window.append(self.bin, admitted.values)
            self.expert.learn(self.window, admitted, covariates)
            self.bin += 1
        return covariates

    def mean(self, covariates: Covariates) -> NDArray[np.float64]:
        """Return what is said of the week ahead, of one cell."""
        return self.expert.forecast(self.window, covariates)[0][0, 0].astype(np.float64)


def noisy(weeks: int, level: float = 1.0) -> NDArray[np.float64]:
    """Return so many weeks of days, a tenth of each noise."""
    noise = np.random.default_rng(weeks).normal(1.0, 0.1, 7 * weeks)
    return level * np.tile(WEEK, weeks) * noise


def test_a_shop_that_grows_or_dies_away_is_followed_within_a_week_or_two() -> None:
    for level in (0.5, 1.8):
        world = World()
        world.run(noisy(20))
        covariates = world.run(noisy(2, level))
        usual, said = covariates.usual_ahead[:, 0, 0], world.mean(covariates)
        coming = level * WEEK
        assert np.abs(said - coming).mean() < 0.5 * np.abs(usual - coming).mean()


def test_a_steady_shop_keeps_its_usual_week() -> None:
    world = World()
    covariates = world.run(noisy(30))
    assert np.allclose(world.mean(covariates), covariates.usual_ahead[:, 0, 0], rtol=0.1)


def test_what_the_level_of_late_adds_is_told_apart() -> None:
    world = World()
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    parts = world.expert.explain(world.window, covariates, 0)
    assert (parts["recent"] > 5.0).all()


def test_a_snapshot_from_before_its_week_was_adapted_says_what_it_said() -> None:
    world, other = World(), World()
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
