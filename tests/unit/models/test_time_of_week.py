"""The time-of-week mean: the usual week, adapted to the level of late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.online.time_of_week import TimeOfWeek
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import DAY, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

CELLS = [Cell("north", "tools"), Cell("south", "tools")]
PROFILE = ForecastProfile(("demand",), BinGrid(DAY), 7, (0.1, 0.5, 0.9), (7,), ("time_of_week",))
WEEK = np.array([60.0, 100.0, 100.0, 100.0, 120.0, 140.0, 80.0])


class World:
    """An expert, and all that it is told of."""

    def __init__(self) -> None:
        self.expert = TimeOfWeek(PROFILE)
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


def test_a_shop_that_grows_is_followed_within_a_week_or_two() -> None:
    world = World()
    world.run(noisy(20))
    covariates = world.run(noisy(2, level=1.8))
    usual, said = covariates.usual_ahead[:, 0, 0], world.mean(covariates)
    coming = 1.8 * np.roll(WEEK, -((world.bin - 20_000) % 7))
    assert np.abs(usual - coming).mean() > 0.25 * coming.mean()
    assert np.abs(said - coming).mean() < 0.5 * np.abs(usual - coming).mean()


def test_a_steady_shop_keeps_its_usual_week() -> None:
    world = World()
    covariates = world.run(noisy(30))
    assert np.allclose(world.mean(covariates), covariates.usual_ahead[:, 0, 0], rtol=0.1)


def test_bins_without_a_value_lead_it_back_to_the_usual() -> None:
    world = World()
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    far = world.mean(covariates) / covariates.usual_ahead[:, 0, 0]
    covariates = world.run([np.nan] * 21)
    near = world.mean(covariates) / covariates.usual_ahead[:, 0, 0]
    assert (far > 1.1).all()
    assert (np.abs(near - 1.0) < 0.2 * np.abs(far - 1.0)).all()


def test_what_the_level_of_late_adds_is_told_apart() -> None:
    world = World()
    world.run(noisy(20))
    covariates = world.run(noisy(1, level=1.5))
    parts = world.expert.explain(world.window, covariates, 0)
    assert (parts["recent"] > 5.0).all()
    said = sum(parts.values())
    assert np.allclose(said, world.mean(covariates)[None], rtol=1e-5)


def test_a_snapshot_from_before_weeks_were_adapted_is_taken() -> None:
    world, other = World(), World()
    covariates = world.run(noisy(10, level=1.5))
    early = {n: a for n, a in world.expert.snapshot().items() if not n.startswith("week/")}
    other.expert.restore(early)
    said = other.expert.forecast(world.window, covariates)[0]
    assert np.array_equal(said, covariates.usual_ahead.transpose(2, 1, 0))
