"""Fans: whole forecasts of a few telling cells, kept to be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy
from tidecast.models.arrays import Arrays, grown
from tidecast.models.evaluate.evaluator import Evaluator
from tidecast.models.evaluate.said import Said
from tidecast.models.evaluate.worst import worst_cells
from tidecast.models.pending import Due
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import ALL, Cell

__all__ = ["FanStrip", "Fans", "fans_origin"]

LONGEST = 168
"""Bins that are kept, unless one fan is longer."""

MOST = 24
"""Fans side by side that can still be told apart."""

NOTES = (
    "the largest cell",
    "a cell of median size",
    "the sparsest cell",
    "the worst forecast until then",
)
NOBODY = -1
EVERYTHING = Cell(ALL, ALL)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FanStrip:
    """Fans of one cell, or of the sum of all cells (None), one after another.

    All are (bin,), ``quantiles`` (bin, level), NaN = unknown; those of the sum are where all of its
    cells are known. The first bin is the first fan's origin, of which nothing is forecast; fans are
    as long as the horizon.
    """

    cell: int | None
    note: str
    actual: Floats
    mean: Floats
    quantiles: Floats


def fans_origin(first_bin: int, last_bin: int, horizon: int) -> int:
    """Return the origin of the first fan, so that the last fan ends with the last bin.

    Examples
    --------
    >>> fans_origin(first_bin=0, last_bin=999, horizon=24)
    831
    """
    shown = min(LONGEST, (last_bin + 1 - first_bin) // 2)
    return max(first_bin, last_bin - horizon * min(max(shown // horizon, 1), MOST))


class Fans:
    """Forecasts from one origin at all leads, then from the bin where those end, and so on.

    Kept are the fans, from the bin ``origin`` on, of four cells of each series and of the sum of
    all: see ``NOTES``. Which cells, is decided when ``origin`` is scored, by what was known then;
    of the others nothing is kept but how much they had.
    """

    def __init__(self, profile: ForecastProfile, origin: int) -> None:
        self._horizon = profile.horizon
        self._summed = list(profile.summed)
        self._hierarchy = Hierarchy()
        self._n_levels = len(profile.quantile_levels)
        self._origin = origin
        self._had = np.zeros((2, profile.n_series, 0))  # sum of |actual|, and of how many
        self._chosen: NDArray[np.int64] | None = None  # (series, note)
        self._bins: dict[int, Floats] = {}

    def add(
        self,
        bin_: int,
        actual: Floats,
        cells: Sequence[Cell],
        said: Said,
        evaluator: Evaluator,
    ) -> None:
        """Take in a bin whose ``actual``, (series, cell), is final, and what was said of it."""
        if bin_ < self._origin:
            self._had = grown(self._had, actual.shape[1], axis=2)
            had = self._had[..., : actual.shape[1]]
            had += [np.nan_to_num(np.abs(actual)), np.isfinite(actual)]
            return
        if self._chosen is None:
            self._chosen = self._choose(evaluator)
        self._hierarchy.see(cells)
        self._bins[bin_] = self._entry(bin_, actual, said)

    def _choose(self, evaluator: Evaluator) -> NDArray[np.int64]:
        """Return the cells that are shown, (series, note)."""
        total, n = self._had
        size = np.where(total > 0, total / np.fmax(n, 1), 0.0)  # (series, cell)
        chosen = np.full((len(size), len(NOTES)), NOBODY, np.int64)
        for series, sizes in enumerate(size):
            ranked = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
            if len(ranked):
                chosen[series, :3] = ranked[[0, len(ranked) // 2, -1]]
            for worst in worst_cells(evaluator, series, 1):
                chosen[series, 3] = worst.cell
        return chosen

    def _entry(self, bin_: int, actual: Floats, said: Said) -> Floats:
        """Return actual, mean and quantiles, (series, note + 1, 2 + level): the sum comes last."""
        cells = np.asarray(self._chosen)
        forecast = self._forecast(bin_, said, len(cells))
        n_cells = max(self._had.shape[2], actual.shape[1], forecast.shape[1], 1)
        forecast = grown(forecast, n_cells, axis=1, fill=np.nan)
        actual = grown(actual, n_cells, axis=1, fill=np.nan)
        both = np.concatenate([actual[..., None], forecast], axis=-1)  # (series, cell, 2 + level)
        entry = np.full((len(cells), len(NOTES) + 1, both.shape[-1]), np.nan)
        entry[:, :-1] = both[np.arange(len(cells))[:, None], cells]
        entry[:, :-1][cells == NOBODY] = np.nan
        known = np.isfinite(both[..., :2])  # (series, cell, actual and mean)
        if known[..., 1].any():
            known[:] = known.all(axis=-1, keepdims=True)
        entry[:, -1, :2] = _sum(both[..., :2], known)
        is_whole = known.all(axis=(1, 2))  # (series,)
        entry[is_whole, -1, 2:] = self._quantiles_of_sum(bin_, said)[is_whole]
        return entry

    def _forecast(self, bin_: int, said: Said, n_series: int) -> NDArray[np.float32]:
        """Return mean and quantiles, (series, cell, 1 + level), by the fan that spans a bin.

        There are none of the first fan's origin, nor where a feed had a gap.
        """
        due = self._spanning(bin_, said.dues)
        if due is None:
            return np.zeros((n_series, 0, 1 + self._n_levels), np.float32)
        return np.concatenate([due.means[0][..., None], due.quantiles()], axis=-1)

    def _quantiles_of_sum(self, bin_: int, said: Said) -> Floats:
        """Return the quantiles of the sum of all cells by the fan that spans a bin.

        They are (series, level), NaN where none were given out.
        """
        found = np.full((self._had.shape[1], self._n_levels), np.nan)
        due = self._spanning(bin_, said.sums)
        nodes = self._hierarchy.nodes
        if due is not None and EVERYTHING in nodes[: due.scale.shape[-1]]:
            found[self._summed] = due.quantiles()[:, nodes.index(EVERYTHING)]
        return found

    def _spanning(self, bin_: int, dues: Sequence[Due]) -> Due | None:
        """Return what the fan that spans a bin says of it."""
        lead = (bin_ - self._origin - 1) % self._horizon + 1
        dues = dues if bin_ > self._origin else ()
        return next((due for due in dues if due.lead == lead), None)

    @property
    def bins(self) -> range:
        """Return the bins of a strip, from the first fan's origin on."""
        return range(self._origin, max(self._bins, default=self._origin - 1) + 1)

    def strips(self, series: int) -> Iterator[FanStrip]:
        """Yield the strips of a series: the sum of all cells, if there is one; each cell once."""
        if self._chosen is None:
            return
        nothing = np.full((len(NOTES) + 1, 2 + self._n_levels), np.nan)
        kept = np.stack([self._bins[b][series] if b in self._bins else nothing for b in self.bins])
        chosen = self._chosen[series].tolist()
        if self._had.shape[2] > 1 and series in self._summed:
            yield _strip(None, "the sum of the means", kept[:, -1])
        for cell in dict.fromkeys(cell for cell in chosen if cell != NOBODY):
            notes = [note for note, other in zip(NOTES, chosen, strict=True) if other == cell]
            note = ", ".join(notes) if self._had.shape[2] > 1 else "the only cell"
            yield _strip(cell, note, kept[:, chosen.index(cell)])

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        chosen = {} if self._chosen is None else {"chosen": self._chosen.copy()}
        bins = {f"bin/{bin_}": entry for bin_, entry in self._bins.items()}
        return {"had": self._had.copy(), **chosen, **bins}

    def restore(self, arrays: Arrays) -> None:
        """Become the fans that ``snapshot`` was taken of."""
        self._had = arrays["had"].copy()
        self._chosen = arrays["chosen"].copy() if "chosen" in arrays else None
        self._bins = {
            int(name.removeprefix("bin/")): entry
            for name, entry in arrays.items()
            if name.startswith("bin/")
        }


def _strip(cell: int | None, note: str, kept: Floats) -> FanStrip:
    return FanStrip(cell, note, kept[:, 0], kept[:, 1], kept[:, 2:])


def _sum(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return sums over the cells that are ``known``, of (series, cell, ...); NaN where none is."""
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total, np.nan)
