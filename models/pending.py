"""Pending forecasts: what was said of bins that have not closed yet, or may be corrected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, runs
from tidecast.models.quantiles import quantiles_of
from tidecast.models.short import Short, are_short

__all__ = ["Due", "Dues", "Kept", "Pending", "together"]

SAID = ("means", "scale", "shapes", "whole")
"""The arrays of what was said of a bin at a lead."""


@dataclass(frozen=True)
class Due:
    """What was said of one bin at one lead.

    ``means`` (1 + expert, series, cell) has the blend first; ``scale`` (series, cell) is the
    blend's; ``shapes`` (series, group, level) turns both into its quantiles again, of which those
    that are ``whole``, (series, level), are rounded.
    """

    lead: int
    means: NDArray[np.float32]
    scale: NDArray[np.float32]
    shapes: NDArray[np.float32]
    whole: NDArray[np.bool_]

    def quantiles(self) -> NDArray[np.float32]:
        """Return the blend's quantiles, (series, cell, level)."""
        mean, scale = self.means[0, :, :, None], self.scale[:, :, None]
        return quantiles_of(mean, scale, self.shapes[:, None], self.whole)[:, :, 0]


@dataclass(frozen=True)
class Kept:
    """A due without the experts that slept; ``spoke``, (1 + expert,), tells who did not.

    Of those the blend is in ``means``, (row, series, cell), and the others are in ``short``, or in
    ``means`` too where their numbers are not short.
    """

    spoke: NDArray[np.bool_]
    lead: int
    means: NDArray[np.float32]
    short: Short
    scale: NDArray[np.float32]
    shapes: NDArray[np.float32]
    whole: NDArray[np.bool_]

    @classmethod
    def of(cls, spoke: NDArray[np.bool_], said: Due) -> Kept:
        """Return a due whose ``means`` are of those who ``spoke``."""
        n_whole = 1 if are_short(said.means[1:]) else len(said.means)
        whole, short = said.means[:n_whole].copy(), Short.of(said.means[n_whole:])
        return cls(spoke, said.lead, whole, short, said.scale, said.shapes, said.whole)

    def said(self) -> Due:
        """Return the due with the ``means`` of those who spoke."""
        means = np.concatenate([self.means, self.short.opened()])
        return Due(self.lead, means, self.scale, self.shapes, self.whole)

    def opened(self) -> Due:
        """Return the due, those who slept with NaN."""
        said = self.said()
        if self.spoke.all():
            return said
        means = np.full((len(self.spoke), *self.scale.shape), np.nan, np.float32)
        means[self.spoke] = said.means
        return replace(said, means=means)


@dataclass(frozen=True)
class Dues:
    """What was said of one bin, and of equally many cells, at several leads.

    As `Due`, with an axis of ``leads`` before the others.
    """

    leads: NDArray[np.int64]  # (lead,)
    means: NDArray[np.float32]  # (lead, 1 + expert, series, cell)
    scale: NDArray[np.float32]  # (lead, series, cell)
    shapes: NDArray[np.float32]  # (lead, series, group, level)
    whole: NDArray[np.bool_]  # (lead, series, level)

    @classmethod
    def of(cls, dues: Sequence[Due]) -> Dues:
        """Return these dues as one."""
        return cls(
            np.array([due.lead for due in dues]),
            np.stack([due.means for due in dues]),
            np.stack([due.scale for due in dues]),
            np.stack([due.shapes for due in dues]),
            np.stack([due.whole for due in dues]),
        )

    def quantiles(self) -> NDArray[np.float32]:
        """Return the blend's quantiles, (lead, series, cell, level)."""
        n_leads, n_series, n_cells = self.scale.shape
        n_rows, of_shapes = n_leads * n_series, self.shapes.shape[2:]
        flat = (n_rows, n_cells, 1)  # every lead of a series like a series of its own
        shapes = self.shapes.reshape(n_rows, 1, *of_shapes)
        mean, scale = self.means[:, 0].reshape(flat), self.scale.reshape(flat)
        found = quantiles_of(mean, scale, shapes, self.whole.reshape(n_rows, -1))
        return found.reshape(n_leads, n_series, n_cells, of_shapes[-1])


def together(dues: Sequence[Due | Kept]) -> Iterator[slice]:
    """Yield `runs` of ``dues`` that are of equally many cells."""
    start = 0
    for n_cells, alike in groupby(due.scale.shape[-1] for due in dues):
        n_dues = sum(1 for _ in alike)
        for run in runs(n_dues, n_cells):
            yield slice(start + run.start, start + run.stop)
        start += n_dues


class Pending:
    """Forecasts by the bin they are about, for at most ``horizon`` bins ahead; until forgotten.

    Nothing is kept of experts that slept at an origin, and three bytes of a number of the others
    where all of theirs are short.
    """

    def __init__(self) -> None:
        self._due: dict[int, list[Kept]] = {}

    def add(
        self,
        origin_bin: int,
        means: NDArray[np.float32],
        scale: NDArray[np.float32],
        shapes: NDArray[np.float32],
        whole: NDArray[np.bool_],
    ) -> None:
        """Keep a forecast: means (1 + expert, series, cell, lead), scale (series, cell, lead),
        shapes (series, lead, group, level), whole (series, level)."""
        spoke: NDArray[np.bool_] = np.any(~np.isnan(means), axis=(1, 2, 3))
        spoke[0] = True
        for lead in range(1, means.shape[-1] + 1):
            said = Due(
                lead,
                np.ascontiguousarray(means[..., lead - 1][spoke]),
                np.ascontiguousarray(scale[..., lead - 1]),
                np.ascontiguousarray(shapes[:, lead - 1]),
                whole,
            )
            self._due.setdefault(origin_bin + lead, []).append(Kept.of(spoke, said))

    def __contains__(self, bin_: int) -> bool:
        return bin_ in self._due

    def about(self, bin_: int) -> Sequence[Due]:
        """Return what was said of ``bin_``."""
        return [due.opened() for due in self._due.get(bin_, ())]

    def newest(self, bin_: int) -> NDArray[np.float32] | None:
        """Return the blend's mean of ``bin_`` at the last origin, (series, cell); None = none."""
        dues = self._due.get(bin_)
        return min(dues, key=lambda due: due.lead).means[0] if dues else None

    def together(self, bin_: int, since: int = 0) -> Iterator[Dues]:
        """Yield what was said of ``bin_`` at origins from ``since`` on, many leads at once."""
        dues = [due for due in self._due.get(bin_, ()) if bin_ - due.lead >= since]
        return (Dues.of([due.opened() for due in dues[run]]) for run in together(dues))

    def forget(self, is_done: Callable[[int], bool]) -> None:
        """Drop what was said of the bins that are done."""
        for bin_ in [bin_ for bin_ in self._due if is_done(bin_)]:
            del self._due[bin_]

    def snapshot(self) -> Arrays:
        """Return the state as arrays, named by bin and lead."""
        result: Arrays = {}
        for target, dues in self._due.items():
            for due in dues:
                scope, said = f"{target}/{due.lead}", due.said()
                result[f"{scope}/spoke"] = due.spoke
                result |= {f"{scope}/{name}": getattr(said, name) for name in SAID}
        return result

    def restore(self, arrays: Arrays) -> None:
        """Become the store that ``snapshot`` was taken of."""
        self._due = {}
        for key in arrays:
            scope, name = key.rsplit("/", 1)
            if name == "means":
                target, lead = map(int, scope.split("/"))
                said = Due(lead, *(arrays[f"{scope}/{name}"] for name in SAID))
                self._due.setdefault(target, []).append(Kept.of(arrays[f"{scope}/spoke"], said))
