"""Covariates: what an expert may know besides the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import HOUR, BinGrid

__all__ = ["N_WAVES", "Calendar", "Covariates"]


@dataclass(frozen=True)
class Calendar:
    """The local calendar of bins, known for any bin ahead.

    A slot is a local hour of the week, or a local day of the week where bins are days.
    """

    grid: BinGrid

    @property
    def n_slots(self) -> int:
        """Slots of a week."""
        return 7 if self.grid.width == "day" else 168

    @property
    def bins_per_slot(self) -> int:
        """Bins that share one occurrence of a slot."""
        return 1 if self.grid.width == "day" else max(1, HOUR // self.grid.width)

    def slot(self, bin_: int) -> int:
        """Return the slot that ``bin_`` starts in."""
        local = self.grid.local(bin_)
        return local.weekday() if self.grid.width == "day" else 24 * local.weekday() + local.hour

    def waves(self, bin_: int) -> tuple[float, ...]:
        """Return smooth functions of the time of day and week at which ``bin_`` starts.

        They are small, a fifth of other features: they are the same for all cells, and so are the
        shocks of a bin, which must not pass for a habit of its hour.
        """
        return _waves(self.grid, bin_)


@lru_cache(maxsize=4096)
def _waves(grid: BinGrid, bin_: int) -> tuple[float, ...]:
    local = grid.local(bin_)
    day = (local.hour + local.minute / 60) / 24
    week = (local.weekday() + day) / 7
    angles = 2 * np.pi * np.array([day, 2 * day, week, 2 * week])
    waves = [*np.sin(angles), *np.cos(angles), local.weekday() >= 5]
    return tuple(0.2 * float(wave) for wave in waves)


N_WAVES = 9


@dataclass(frozen=True)
class Covariates:
    """What is known at the end of ``bin`` besides the window.

    ``neighbours`` (cell, k) are numbers of near cells, -1 where there are fewer. ``level`` and
    ``scale`` (cell, series) are the robust running mean and spread of each cell, finite, with
    ``scale`` > 0. ``usual_now`` (cell, series) is what was usual of ``bin`` before its value was
    known, ``usual_ahead`` (lead, cell, series) what is usual of the bins ahead, of which
    ``shut_ahead``, likewise or broadcast to it, are those at which a cell is shut: see
    `tidecast.models.shut`. All of these, and the window, are without what is known ahead to move
    demand: by ``factor_now``, (cell, series) or broadcast to it, ``bin`` was divided, and by
    ``factor_ahead``, (lead, cell, series) or broadcast to it, the forecaster multiplies what
    experts say. ``told``, (covariate, cell), is what past and static covariates tell: see
    `tidecast.models.told`.
    """

    bin: int
    calendar: Calendar
    neighbours: NDArray[np.int64]
    level: NDArray[np.float64]
    scale: NDArray[np.float64]
    usual_now: NDArray[np.float32]
    usual_ahead: NDArray[np.float32]
    factor_now: NDArray[np.float32] = field(default_factory=lambda: np.ones((1, 1), np.float32))
    factor_ahead: NDArray[np.float32] = field(
        default_factory=lambda: np.ones((1, 1, 1), np.float32)
    )
    told: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    shut_ahead: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((1, 1, 1), dtype=bool))
