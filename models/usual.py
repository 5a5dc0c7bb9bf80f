"""The usual week of every cell: what is to be expected of each local hour of the week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful, grown
from tidecast.models.covariates import Calendar
from tidecast.models.kin import Kin, KinWeek
from tidecast.models.shut import are_shut
from tidecast.models.slots import SlotMeans

__all__ = ["UsualWeek"]


class UsualWeek(Stateful):
    """What is usual of every cell in every slot of the local week, which is at least an hour.

    A young slot leans on the same hour of the other days, and that on the cell's level in the shape
    that the week has in its kin (`tidecast.models.kin`). Without kin all weeks are flat.

    Parameters
    ----------
    memory
        Bins over which the level of a cell forgets.
    """

    STATE = ("phase", "seen")

    def __init__(
        self, calendar: Calendar, n_series: int, memory: int, has_kin: bool = True
    ) -> None:
        self._calendar = calendar
        self._per_day = calendar.n_slots // 7
        self._means = SlotMeans(calendar, n_series)
        self._memory = memory
        self._has_kin = has_kin
        self._kin = KinWeek(calendar.n_slots, n_series)
        self._phase = np.zeros((0, n_series))
        self._seen = np.zeros((0, n_series))

    def relate(self, kin: Kin) -> None:
        """Take the cells for such kin from now on; call it whenever there are new ones."""
        self._kin.relate(kin)
        self._phase, self._seen = (grown(a, len(kin.region)) for a in (self._phase, self._seen))

    def is_young(self, n_cells: int) -> NDArray[np.bool_]:
        """Tell which cells have fewer values than a level remembers, (cell, series)."""
        return grown(self._seen, n_cells) < self._memory

    def fair(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return levels, running means (cell, series), as they would be of a whole week.

        A cell that has only been seen by night is larger than that, if its kin wake by day.
        """
        seen, phase = (grown(array, len(level)) for array in (self._seen, self._phase))
        return level / np.where(seen > 0, phase, 1.0)

    def note(self, bin_: int, known: NDArray[np.bool_]) -> None:
        """Let a bin pass, of which the values of some cells are ``known``, (cell, series)."""
        self._seen = self._seen + known
        rate = np.maximum(1.0 / self._memory, 1.0 / np.fmax(self._seen, 1.0))
        step = self._kin.shape(np.array([self._calendar.slot(bin_)]))[0] - self._phase
        self._phase = self._phase + np.where(known, rate * step, 0.0)

    def learn(self, bin_: int, values: NDArray[np.float64], level: NDArray[np.float64]) -> None:
        """Move the mean of the slot that ``bin_`` lies in; values (cell, series), NaN = none.

        ``level`` (cell, series) are fair levels.
        """
        self._means.learn(bin_, values)
        if self._has_kin:
            slot = self._calendar.slot(bin_)
            self._kin.learn(slot, *self._means.own(slot), level.astype(np.float32))

    def of(self, bins: range, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what is usual of ``bins``, finite: (bin, cell, series); ``level`` is fair."""
        found: NDArray[np.float32] = self._calendar.each_slot(
            bins, len(level), lambda slots: self._mean(slots, level)
        )
        return found

    def shut(
        self, bins: range, level: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell in which of ``bins`` cells are shut, (bin, cell, series); ``level`` is fair."""

        def of_slots(slots: NDArray[np.int64]) -> NDArray[np.bool_]:
            mean, weight = (grown(each, len(level), axis=1) for each in self._means.own(slots))
            return are_shut(mean, weight / self._calendar.bins_per_slot, level, scale)

        return self._calendar.each_slot(bins, len(level), of_slots)

    def as_on(self, weekday: int, bin_: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what would be usual of ``bin_``, were it on that day of the week (Monday = 0)."""
        hour = self._calendar.slot(bin_) % self._per_day
        return np.asarray(self._mean(np.array([weekday * self._per_day + hour]), level)[0])

    def _mean(self, slots: NDArray[np.int64], level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the means of ``slots``, which lean on their hours and these on their kin's."""
        return self._means.mean(slots, level.astype(np.float32) * self._kin.shape(slots))

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**super().snapshot(), **self._means.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        """Become the week that ``snapshot`` was taken of."""
        super().restore(arrays)
        self._means.restore(arrays)

    def _members(self) -> dict[str, Part]:
        return {"kin": self._kin}
