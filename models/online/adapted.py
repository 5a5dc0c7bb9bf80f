"""The adapted week: the usual week, times how the last season went against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Covariates
from tidecast.models.parts import Parts, usual_parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.slots import KEPT_PER_WEEK

__all__ = ["AdaptedWeek", "weight_level"]

Cells = NDArray[np.float64]  # (cell, series)

CLIP = 6.0
"""Departures of more deviations than this are taken for this."""

PRIOR = 15.0
"""What the ratio of 1 counts for, in units of noise over level: of counts, so many events. A
level that varies by a quarter from week to week makes it 16 by Bayes' rule."""

SURE = 3.0
"""Deviations of noise beyond which a season has departed for a reason."""

PRIOR_RECENT = 2.0
SMALLEST_RATIO, LARGEST_RATIO = 0.1, 5.0
RECENT = 4.0
DRIFT = 12.0
"""Bins that the recent ratio and the drift average."""

YOUNG = 4.0
"""Departures that a cell's running scale counts for, until it has departures of its own."""

ROUNDING = 1e-6
"""Departures of a smaller share of what is expected are none: the usual is in single precision."""

NAMES = ("gap", "usual", "recent_gap", "recent_usual", "drift", "variance", "seen", "last", "noise")


class AdaptedWeek:
    """The usual week of every cell, scaled by a ratio that follows the level within a season.

    A week that is remembered for weeks is wrong for weeks after a shift of level (a lockdown, a
    campaign); its shape still holds. The ratio is that of what came to what was usual, both
    forgotten over a season and shrunk towards 1 by as much as the cell is noisy, so that bins
    without a value, which say nothing, lead it back to 1 in the end. A departure is a value less
    what the ratio before it made of the usual, clipped. Noise is told from how departures differ
    from one to the next: a shift departs for long, and is none.

    Parameters
    ----------
    season
        Length, in bins, of the season over which the ratio follows.
    memory
        Bins over which the variance of departures forgets.

    References
    ----------
    von Neumann, Kent, Bellinson and Hart (1941), The mean square successive difference.
    """

    def __init__(self, n_series: int, season: int, memory: int) -> None:
        self._kept = max(1.0 - 2.0 / season, 0.5)
        self._memory = memory
        self._state: dict[str, Cells] = dict.fromkeys(NAMES, np.zeros((0, n_series)))
        self._level = np.zeros((0, n_series))
        self._scale = np.ones((0, n_series))

    @classmethod
    def of_longest_season(cls, profile: ForecastProfile) -> AdaptedWeek:
        """Return one whose ratio follows over the longest season: see `lasting`."""
        return cls(profile.n_series, profile.longest_season or 1, profile.memory)

    @property
    def deviation(self) -> Cells:
        """Standard deviation of departures, (cell, series), > 0."""
        return np.sqrt(self._leaning("variance"))

    @property
    def seen(self) -> Cells:
        """Departures known so far, (cell, series)."""
        return self._state["seen"]

    @property
    def ratio(self) -> Cells:
        """What the next bins' usual is to be multiplied by, (cell, series)."""
        return self._ratio(PRIOR)

    @property
    def lasting(self) -> Cells:
        """What of the ratio less 1, over the longest season, holds for a week ahead.

        What noise does not explain is a shift, and believed however far it goes; of a cell of few
        events, chance explains more than its variance tells. Of what that season departed by, the
        usual week itself will have learnt a part by then.
        """
        usual = np.fmax(self._state["usual"], ROUNDING * self._level)
        noise = self._leaning("noise") / self._level / usual
        evident = (self._state["gap"] / usual) ** 2 - SURE**2 * (noise + noise**2)
        departed = self._ratio(1.0 / np.fmax(evident, 1.0 / PRIOR)) - 1.0
        lasting: Cells = KEPT_PER_WEEK * departed / (1.0 + (1.0 - KEPT_PER_WEEK) * departed)
        return lasting

    def _ratio(self, prior: Cells | float) -> Cells:
        """Return the ratio; 1 counts for ``prior`` in it, in units of noise over level."""
        known, counted = self._state, prior * self._leaning("noise") / self._level
        ratio = 1.0 + known["gap"] / (known["usual"] + counted)
        return np.clip(ratio, SMALLEST_RATIO, LARGEST_RATIO)

    def lasting_ratio(self, n_cells: int) -> NDArray[np.float32]:
        """Return what lasts as a ratio: that of each of ``n_cells``, (cell, series)."""
        return grown(1.0 + self.lasting, n_cells, fill=1.0).astype(np.float32)

    def lasting_parts(self, covariates: Covariates, cell: int) -> Parts:
        """Return what the usual week ahead of a cell, times what lasts, is made of."""
        parts = usual_parts(covariates, cell)
        ratio = self.lasting_ratio(len(covariates.level))[cell].astype(np.float64)
        usual = parts["level"] + parts["season"]
        return {**parts, "recent": usual * (ratio[:, None] - 1.0)}

    @property
    def recent(self) -> Cells:
        """How the last few bins went against the adapted week, as a ratio less 1."""
        known, prior = self._state, PRIOR_RECENT * self._leaning("variance") / self._level
        return np.clip(known["recent_gap"] / (known["recent_usual"] + prior), -0.8, 3.0)

    @property
    def drift(self) -> Cells:
        """The running mean of departures, (cell, series)."""
        return self._state["drift"]

    def _leaning(self, name: str) -> Cells:
        """Return a variance of departures, which leans on the cell's scale while it is young."""
        seen = np.minimum(self._state["seen"], self._memory)
        variance: Cells = YOUNG * self._scale**2 + seen * self._state[name]
        return variance / (YOUNG + seen)

    def learn(self, values: Cells, covariates: Covariates) -> tuple[Cells, Cells]:
        """Take in a bin; return what was expected of it and the departures, NaN = unknown."""
        self._state = {name: grown(array, len(values)) for name, array in self._state.items()}
        self._level, self._scale = weight_level(covariates.level), covariates.scale
        known, usual = self._state, covariates.usual_now.astype(np.float64)
        expected = usual * self.ratio
        reach = CLIP * self.deviation
        departure = _without_rounding(np.clip(values - expected, -reach, reach), expected)
        is_known = np.isfinite(departure)
        gap = _without_rounding(values - usual, usual)
        self._forget("gap", np.nan_to_num(gap), self._kept)
        self._forget("usual", np.where(is_known, np.abs(usual), 0.0), self._kept)
        self._forget("recent_gap", np.nan_to_num(departure), 1.0 - 2.0 / RECENT)
        self._forget("recent_usual", np.where(is_known, np.abs(expected), 0.0), 1.0 - 2.0 / RECENT)
        step = np.where(is_known, departure - known["drift"], 0.0)
        known["drift"] = known["drift"] + step * (2.0 / DRIFT)
        known["seen"] = known["seen"] + is_known
        rate = np.maximum(1.0 / self._memory, 1.0 / np.fmax(known["seen"], 1.0))
        for name, square in (
            ("variance", departure**2),
            ("noise", 0.5 * (departure - known["last"]) ** 2),
        ):
            step = np.where(is_known, square - known[name], 0.0)
            known[name] = known[name] + rate * step
        known["last"] = np.where(is_known, departure, known["last"])
        return expected, departure

    def _forget(self, name: str, added: Cells, kept: float) -> None:
        self._state[name] = kept * self._state[name] + added

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._state, "level": self._level, "scale": self._scale}

    def restore(self, arrays: Arrays) -> None:
        """Become the adapted week that ``snapshot`` was taken of."""
        self._state = {name: arrays[name].copy() for name in NAMES}
        self._level, self._scale = arrays["level"].copy(), arrays["scale"].copy()


def _without_rounding(departure: Cells, expected: Cells) -> Cells:
    return np.where(np.abs(departure) < ROUNDING * np.abs(expected), 0.0, departure)


def weight_level(level: Cells) -> Cells:
    """Return levels fit to divide by: at least a fiftieth of the series' mean level, > 0."""
    level = np.abs(level)
    floor = 0.02 * level.mean(axis=0) if len(level) else 0.0
    return np.maximum(level, floor) + 1e-9
