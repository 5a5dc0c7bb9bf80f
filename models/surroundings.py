"""Surroundings: what experts may know besides the window, kept up to date bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.actions import Actions
from tidecast.models.arrays import Part, Stateful, finite, grown
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.feed import Feed
from tidecast.models.guard import Guard
from tidecast.models.kin import LARGEST, Kin
from tidecast.models.neighbours import cell_neighbours
from tidecast.models.outlook import Moves, Outlook
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.silence import Silence
from tidecast.models.told import Told
from tidecast.models.usual import UsualWeek
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.slabs import Slab

__all__ = ["Surroundings"]


class Surroundings(Stateful):
    """Running level, scale and usual week of every cell, and its neighbours."""

    STATE = ("usual_now",)

    def __init__(self, profile: ForecastProfile, known: CovariateTable | None = None) -> None:
        self._calendar = Calendar(profile.grid)
        self._horizon = profile.horizon
        self._is_of_sums = profile.is_of_sums
        self._guard = Guard(profile.n_series, memory=profile.memory)
        longest, shortest = profile.longest_season, profile.shortest_season
        self._feed = Feed(profile.n_series, longest)
        self._silence = Silence(0, profile.n_series, longest, patience=shortest)
        self._usual = UsualWeek(self._calendar, profile.n_series, profile.memory, profile.has_kin)
        known = known or CovariateTable()
        self._outlook = Outlook(profile, self._calendar, known.of_kind("known"))
        self._told = Told(profile, known)
        self._actions = Actions(profile.n_series)
        self._known_places = (-1, -1)  # cells and positions that the neighbours are of
        self._neighbours = cell_neighbours((), {})
        self._usual_now = np.zeros((0, profile.n_series), np.float32)

    @property
    def level(self) -> NDArray[np.float64]:
        """Running mean of each cell, as of a whole week, (cell, series)."""
        return self._usual.fair(self._guard.level)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Running spread of each cell, (cell, series), > 0."""
        return self._guard.scale

    @property
    def ceiling(self) -> NDArray[np.float64]:
        """The largest forecast that is sane, (cell, series); a young cell may still show more."""
        level = np.fmax(self.level, 0.0)
        young = np.where(self._usual.is_young(len(level)), LARGEST * level, 0.0)
        return np.fmax(self._guard.ceiling, young)

    @property
    def actions(self) -> Mapping[str, NDArray[np.int64]]:
        """How many values were suspended, and shifts admitted: see `ACTIONS`; each (series,)."""
        return self._actions.totals()

    def count_bursts(self, bursts: NDArray[np.bool_]) -> None:
        """Count bursts, (cell, series), that were found afterwards."""
        self._actions.add(burst=bursts)

    def observe(
        self,
        slab: Slab,
        cells: Sequence[Cell],
        positions: Mapping[str, tuple[float, float]],
        moves: Moves | None = None,
    ) -> tuple[Slab, Covariates]:
        """Take in a closed bin; return it fit to learn from, and what is known after it.

        What was known ahead to move the bin is taken out of it, see `Outlook`, unless it is told
        what ``moves`` the values. Of the values that are learnt from, NaN are missing or suspended.
        """
        self._place(cells, positions)
        usual = self._usual_of(slab.bin).astype(np.float64)
        if moves is not None:
            self._outlook.hear(slab.bin, moves.now)
        elif self._outlook.names:
            self._learn_outlook(slab, cells, usual)
        admitted = self._admit(slab, usual)
        self._usual.note(slab.bin, np.isfinite(admitted))
        self._usual_now = self._usual_of(slab.bin)
        self._usual.learn(slab.bin, admitted, self.level)
        told = self._told.at(slab.bin, cells)
        return Slab(slab.bin, admitted), replace(self._covariates(slab.bin, moves), told=told)

    def _place(self, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]) -> None:
        """Find neighbours and kin of cells anew, if there are more, or more is known of where."""
        if self._known_places != (len(cells), len(positions)):
            self._known_places = (len(cells), len(positions))
            self._neighbours = cell_neighbours(cells, positions)
            self._usual.relate(Kin.of(cells, positions))
            self._guard.grow(len(cells))
            self._silence.grow(len(cells))

    def _learn_outlook(self, slab: Slab, cells: Sequence[Cell], usual: NDArray[np.float64]) -> None:
        """Let the outlook learn from a bin as it came; what is ``usual`` of the bin is told."""
        demand = finite(slab.demand)
        down = self._feed.is_down(slab.bin, demand, usual)
        out = down | self._silence.would_be(slab.bin, demand, usual)
        believed = self.level, self.ceiling, out
        self._outlook.learn(Slab(slab.bin, demand), cells, self._usual, *believed)

    def _usual_of(self, bin_: int) -> NDArray[np.float32]:
        """Return what is usual of a bin, (cell, series)."""
        return np.asarray(self._usual.of(range(bin_, bin_ + 1), self.level)[0])

    def _covariates(self, bin_: int, moves: Moves | None = None) -> Covariates:
        """Return what is known after a bin, the last one that was observed."""
        ahead, level = range(bin_ + 1, bin_ + 1 + self._horizon), self.level
        return Covariates(
            bin=bin_,
            calendar=self._calendar,
            neighbours=self._neighbours,
            level=level,
            scale=self._guard.scale,
            usual_now=self._usual_now,
            usual_ahead=self._usual.of(ahead, level),
            shut_ahead=self._usual.shut(ahead, level, self._guard.scale),
            factor_now=self._outlook.now,
            factor_ahead=(
                self._outlook.ahead(bin_, self._usual, level) if moves is None else moves.ahead
            ),
        )

    def known_after(
        self, bin_: int, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> Covariates:
        """Return again what `observe` did of the last bin, also when restored since.

        Without what covariates told of the bin: who wanted to know it has learnt it then.
        """
        self._place(cells, positions)
        self._outlook.meet(cells)
        return self._covariates(bin_)

    def explain_factor(self, bin_: int, cell: int) -> Parts:
        """Return what moves ``factor_ahead`` of a cell from 1, as `known_after` gave it."""
        return self._outlook.explain(bin_, self._usual, self.level, cell)

    def _admit(self, slab: Slab, usual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values that may be learnt from, (cell, series), NaN = none.

        Level and scale have learnt from them then. Sums are of values that were judged before.
        ``usual`` is what is usual of the bin.
        """
        values = self._outlook.without(slab.bin, finite(slab.values))
        values = _least(values, slab.censored, usual)
        if not self._is_of_sums:
            return self._judged(slab.bin, values, usual)
        self._guard.judge(values)
        self._guard.learn(values)
        return values

    def _judged(
        self, bin_: int, values: NDArray[np.float64], usual: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the values that no guard suspends; what is ``usual`` of the bin is told."""
        guard, known = self._guard, np.isfinite(values)
        down, shared = self._feed.judge(bin_, values, guard.reach, usual)
        out = down | self._silence.judge(bin_, values, usual)
        bursts, shifts = guard.judge(np.where(out, np.nan, values))
        heard = guard.within(np.where(out | shared, np.nan, values))
        guard.learn(heard)
        admitted = np.where(bursts, np.nan, heard)
        self._silence.learn(admitted, usual)
        self._actions.add(
            burst=bursts & ~shared, shared_burst=known & shared, outage=known & out, shift=shifts
        )
        return admitted

    def fit(
        self, bin_: int, corrected: NDArray[np.float64], held: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the ``corrected`` values of an earlier bin, NaN where they still are suspended.

        They are without what was known ahead to move the bin. ``held`` is what the window holds of
        it, NaN where missing or suspended.
        """
        corrected = self._outlook.without(bin_, corrected)
        guard, unheard = self._guard, np.isnan(grown(held, len(corrected), fill=np.nan))
        guard.grow(len(corrected))
        suspected = guard.bursts(corrected) | (corrected == 0.0)
        return np.where((unheard & suspected) | (corrected < 0.0), np.nan, corrected)

    def _members(self) -> dict[str, Part]:
        return {
            "guard": self._guard,
            "feed": self._feed,
            "silence": self._silence,
            "usual": self._usual,
            "outlook": self._outlook,
            "told": self._told,
            "actions": self._actions,
        }


def _least(
    values: NDArray[np.float64], censored: NDArray[np.bool_] | None, usual: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the values, (cell, series), without those that say less than is known anyway.

    That demand was at least a censored value is news where that is more than what is usual.
    """
    if censored is None:
        return values
    return np.where(censored & ~(values > usual), np.nan, values)
