"""Pending forecasts: what was said of bins that have not closed yet, or may be corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, runs
from tidecast.models.calibrate import quantiles_of

__all__ = ["Due", "Dues", "Pending", "together"]


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


@dataclass(frozen=True)
class Dues:
    """What was said of one bin, and of equally many cells, at several leads.

    As `Due`, with an axis of ``leads`` before the others.
    """

    leads: NDArray[np.int64]  # (lead,)
    means: NDArray[np.float32]  # (lead, 1 + expert, series, cell)
    scale: NDArray[np.float32]  # (lead, series, cell)
    shapes: NDArray[np.float32]  # (lead, series, group, level)

    @classmethod
    def of(cls, dues: Sequence[Due]) -> Dues:
        """Return these dues as one."""
        return cls(
            np.array([due.lead for due in dues]),
            np.stack([due.means for due in dues]),
            np.stack([due.scale for due in dues]),
            np.stack([due.shapes for due in dues]),
        )

    def quantiles(self) -> NDArray[np.float32]:
        """Return the blend's quantiles, (lead, series, cell, level)."""
        n_leads, n_series, n_cells = self.scale.shape
        n_rows, of_shapes = n_leads * n_series, self.shapes.shape[2:]
        flat = (n_rows, n_cells, 1)  # every lead of a series like a series of its own
        shapes = self.shapes.reshape(n_rows, 1, *of_shapes)
        found = quantiles_of(self.means[:, 0].reshape(flat), self.scale.reshape(flat), shapes)
        return found.reshape(n_leads, n_series, n_cells, of_shapes[-1])


def together(dues: Sequence[Due]) -> Iterator[slice]:
    """Yield `runs` of ``dues`` that are of equally many cells."""
    start = 0
    for n_cells, alike in groupby(due.scale.shape[-1] for due in dues):
        n_dues = sum(1 for _ in alike)
        for run in runs(n_dues, n_cells):
            yield slice(start + run.start, start + run.stop)
        start += n_dues


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

    def together(self, bin_: int) -> Iterator[Dues]:
        """Yield what was said of ``bin_``, many leads at once."""
        dues = self.about(bin_)
        return (Dues.of(dues[run]) for run in together(dues))

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
