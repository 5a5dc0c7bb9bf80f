"""Covariates of a live model: what was known of them, bin by bin, and in which units it is seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tidecast.models.arrays import Arrays
from tidecast.state.known import Known
from tidecast.state.settings.base import Frozen

__all__ = ["KnownBins", "Unit", "seen_in", "units_among"]

Floats = NDArray[np.float32]


class Unit(Frozen):
    """In what a network sees a covariate: its mean, and the largest departure from it."""

    name: str
    mean: float = Field(allow_inf_nan=False)
    largest: float = Field(gt=0, allow_inf_nan=False)


def units_among(names: Sequence[str], values: NDArray[np.floating]) -> tuple[Unit, ...]:
    """Return the units of covariates of which ``values`` (..., covariate) are known; NaN is not."""
    units = []
    for place, name in enumerate(names):
        some = values[..., place][np.isfinite(values[..., place])]
        mean = float(some.mean()) if len(some) else 0.0
        largest = float(np.abs(some - mean).max()) if len(some) else 0.0
        units.append(Unit(name=name, mean=mean, largest=largest or 1.0))
    return tuple(units)


def seen_in(units: Sequence[Unit], values: NDArray[np.floating]) -> Floats:
    """Return ``values`` (..., covariate) from -1 to 1: what is missing tells nothing."""
    mean = np.array([unit.mean for unit in units])
    largest = np.array([unit.largest for unit in units])
    seen = np.clip((values - mean) / largest, -1.0, 1.0)
    return np.asarray(np.nan_to_num(seen), np.float32)


class KnownBins:
    """What was known of covariates at the end of each of the last ``length`` bins."""

    def __init__(self, length: int) -> None:
        self._bins: deque[tuple[int, Mapping[str, Known]]] = deque(maxlen=length)

    def take(self, bin_: int, known: Sequence[Known]) -> None:
        """Take in what is known at the end of a bin later than those before."""
        self._bins.append((bin_, {each.name: each for each in known}))

    def future(self, names: Sequence[str], bins: range, n_cells: int) -> NDArray[np.float64]:
        """Return what is known of ``bins``, NaN = nothing: (bin, cell, covariate).

        Of a bin that has closed that is what was known at its end; of one ahead, at the last end.
        """
        found = np.full((len(bins), n_cells, len(names)), np.nan)
        for place, name in enumerate(names):
            told = [(bin_, known[name]) for bin_, known in self._bins if name in known]
            ends = [*(bin_ for bin_, _ in told), bins.stop][1:]  # later bins have the last say
            for (bin_, known), end in zip(told, ends, strict=True):
                first, end = max(bin_, bins.start), min(end, bins.stop)
                rows = known.values[max(first - bin_, 0) : max(end - bin_, 0)][:, known.columns]
                start = first - bins.start
                found[start : start + len(rows), : rows.shape[1], place] = rows
        return found

    def static(self, names: Sequence[str], n_cells: int) -> NDArray[np.float64]:
        """Return what never changes, as known last: (cell, covariate)."""
        found = np.full((n_cells, len(names)), np.nan)
        known = self._bins[-1][1] if self._bins else {}
        for place, name in enumerate(names):
            if name in known:
                row = known[name].of_cells[0]
                found[: len(row), place] = row
        return found

    def snapshot(self) -> Arrays:
        """Return the state as arrays, named by bin, kind and name."""
        return {
            f"{bin_}/{each.kind}/{each.name}/{part}": array
            for bin_, known in self._bins
            for each in known.values()
            for part, array in (("values", each.values), ("columns", each.columns))
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the bins that ``snapshot`` was taken of."""
        self._bins.clear()
        found: dict[int, list[Known]] = {}
        for key, values in arrays.items():
            place, _, part = key.rpartition("/")
            bin_, kind, name = place.split("/", 2)
            if part == "values":
                columns = arrays[f"{place}/columns"]
                known = Known(name, "static" if kind == "static" else "known", values, columns)
                found.setdefault(int(bin_), []).append(known)
        for number, told in found.items():
            self.take(number, told)
