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
        step = self._kin.shape(self._calendar.slot(bin_)) - self._phase
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
        slots = [self._calendar.slot(bin_) for bin_ in bins]
        means = {slot: self._mean(slot, level) for slot in dict.fromkeys(slots)}
        return np.stack([means[slot] for slot in slots])

    def shut(
        self, bins: range, level: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Tell in which of ``bins`` cells are shut, (bin, cell, series); ``level`` is fair."""
        slots = [self._calendar.slot(bin_) for bin_ in bins]
        shut = {slot: self._is_shut(slot, level, scale) for slot in dict.fromkeys(slots)}
        return np.stack([shut[slot] for slot in slots])

    def _is_shut(
        self, slot: int, level: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        mean, weight = (grown(each, len(level)) for each in self._means.own(slot))
        return are_shut(mean, weight / self._calendar.bins_per_slot, level, scale)

    def as_on(self, weekday: int, bin_: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what would be usual of ``bin_``, were it on that day of the week (Monday = 0)."""
        hour = self._calendar.slot(bin_) % self._per_day
        return self._mean(weekday * self._per_day + hour, level)

    def _mean(self, slot: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the mean of a slot, which leans on its hour and that on its kin's."""
        return self._means.mean(slot, level.astype(np.float32) * self._kin.shape(slot))

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**super().snapshot(), **self._means.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        """Become the week that ``snapshot`` was taken of."""
        super().restore(arrays)
        self._means.restore(arrays)

    def _members(self) -> dict[str, Part]:
        return {"kin": self._kin}
