"""Pending forecasts: what was said of bins that have not closed yet, or may be corrected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.calibrate import quantiles_of

__all__ = ["Due", "Pending"]


@dataclass(frozen=True)
class Due:
    """What was said of one bin at one lead; as small as it can be kept.

    ``means`` (1 + expert, series, cell) has the blend first; ``scale`` (series, cell) is the
    blend's; ``shapes`` (series, group, level) turns both into its quantiles again.
    """

    lead: int
    means: NDArray[np.float32]
    scale: NDArray[np.float32]
    shapes: NDArray[np.float32]

    def quantiles(self) -> NDArray[np.float32]:
        """Return the blend's quantiles, (series, cell, level)."""
        mean, scale = self.means[0, :, :, None], self.scale[:, :, None]
        return quantiles_of(mean, scale, self.shapes[:, None])[:, :, 0]


class Pending:
    """Forecasts by the bin they are about, for at most ``horizon`` bins ahead; until forgotten."""

    def __init__(self) -> None:
        self._due: dict[int, list[Due]] = {}

    def add(
        self,
        origin_bin: int,
        means: NDArray[np.float32],
        scale: NDArray[np.float32],
        shapes: NDArray[np.float32],
    ) -> None:
        """Keep a forecast: means (1 + expert, series, cell, lead), scale (series, cell, lead),
        shapes (series, lead, group, level)."""
        for lead in range(1, means.shape[-1] + 1):
            due = Due(
                lead,
                np.ascontiguousarray(means[..., lead - 1]),
                np.ascontiguousarray(scale[..., lead - 1]),
                np.ascontiguousarray(shapes[:, lead - 1]),
            )
            self._due.setdefault(origin_bin + lead, []).append(due)

    def about(self, bin_: int) -> Sequence[Due]:
        """Return what was said of ``bin_``."""
        return self._due.get(bin_, ())

    def forget(self, is_done: Callable[[int], bool]) -> None:
        """Drop what was said of the bins that are done."""
        for bin_ in [bin_ for bin_ in self._due if is_done(bin_)]:
            del self._due[bin_]

    def snapshot(self) -> Arrays:
        """Return the state as arrays, named by bin and lead."""
        return {
            f"{target}/{due.lead}/{name}": array
            for target, dues in self._due.items()
            for due in dues
            for name, array in (
                ("means", due.means),
                ("scale", due.scale),
                ("shapes", due.shapes),
            )
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the store that ``snapshot`` was taken of."""
        self._due = {}
        for key in arrays:
            target, lead, name = key.split("/")
            if name == "means":
                parts = (arrays[f"{target}/{lead}/{part}"] for part in ("means", "scale", "shapes"))
                self._due.setdefault(int(target), []).append(Due(int(lead), *parts))
