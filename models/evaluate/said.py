"""What was said of one bin by the blend and by each expert, at all leads at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.pending import Due
from tidecast.models.quantiles import quantiles_of
from tidecast.models.ranks import NOTHING

__all__ = ["Said", "quantiles_of_blend", "stacked"]


@dataclass(frozen=True)
class Said:
    """Forecasts of one bin, the blend first, then the experts.

    ``dues`` are one a lead; ``shapes``, a due each, are (expert, series, group, level): those by
    which an expert's mean is turned into its quantiles. ``sums`` are dues of what cells add up to.
    """

    dues: tuple[Due, ...]
    shapes: tuple[NDArray[np.float32], ...]
    sums: tuple[Due, ...] = field(default=(), kw_only=True)

    @property
    def places(self) -> list[int]:
        """Where the leads stand on a lead axis."""
        return [due.lead - 1 for due in self.dues]

    def means(self, n_cells: int) -> NDArray[np.float32]:
        """Return means, (1 + expert, series, cell, due); NaN where nothing was said."""
        return stacked([due.means for due in self.dues], n_cells, np.nan)

    def quantiles(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return quantiles, (1 + expert, series, cell, due, level); NaN where nothing was said.

        ``means`` are those of `means`. An expert that expects nothing does so at every level.
        """
        n_experts, n_series, n_cells, n_dues = means.shape
        of_blend = quantiles_of_blend(self.dues, n_cells)
        found = np.empty((*means.shape, of_blend.shape[-1]), np.float32)
        found[0] = of_blend
        flat = means[1:].reshape((n_experts - 1) * n_series, n_cells, n_dues)
        scale = stacked([due.scale for due in self.dues], n_cells, 1.0)
        scale = np.broadcast_to(scale, means[1:].shape).reshape(flat.shape)
        shapes = np.stack(self.shapes, axis=2)  # (expert, series, due, group, level)
        shapes = shapes.reshape(flat.shape[0], *shapes.shape[2:])
        whole = np.tile(np.all([due.whole for due in self.dues], axis=0), (n_experts - 1, 1))
        drawn = quantiles_of(np.where(np.isfinite(flat), flat, 0.0), scale, shapes, whole)
        found[1:] = drawn.reshape(found[1:].shape)
        found[1:][means[1:] <= NOTHING] = 0.0
        found[~np.isfinite(means)] = np.nan
        return found

    def of_cells(self, cells: NDArray[np.int64]) -> Said:
        """Return what was said of these cells alone, given by number and rising."""
        dues = []
        for due in self.dues:
            known = cells[: np.searchsorted(cells, due.means.shape[-1])]
            chosen = replace(due, means=due.means[..., known], scale=due.scale[..., known])
            dues.append(chosen)
        return Said(tuple(dues), self.shapes)

    def parts(self, n_entries: int) -> Iterator[Said]:
        """Yield the dues a few at a time, for at most so many quantiles at once, or one due."""
        per_due = max(due.means.size for due in self.dues) * self.shapes[0].shape[-1]
        n = max(1, n_entries // max(1, per_due))
        for start in range(0, len(self.dues), n):
            yield Said(self.dues[start : start + n], self.shapes[start : start + n])


def quantiles_of_blend(dues: Sequence[Due], n_cells: int) -> NDArray[np.float32]:
    """Return the blend's quantiles, (series, cell, due, level); NaN where nothing was said."""
    said = [np.moveaxis(due.quantiles(), 1, -1) for due in dues]  # (series, level, cell)
    return np.moveaxis(stacked(said, n_cells, np.nan), 1, -1)


def stacked(parts: Sequence[NDArray[np.float32]], n_cells: int, fill: float) -> NDArray[np.float32]:
    """Return ``parts``, each (..., cell), as (..., cell, due): cells that came later = ``fill``."""
    stacked = np.full((*parts[0].shape[:-1], n_cells, len(parts)), fill, np.float32)
    for place, part in enumerate(parts):
        stacked[..., : part.shape[-1], place] = part
    return stacked
