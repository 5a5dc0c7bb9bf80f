"""The beginning of a feed: its first week of days, in which bursts are known afterwards only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, finite, grown
from tidecast.models.guard import DEVIATIONS, PATIENCE, SIZES, YOUNG
from tidecast.models.profile import ForecastProfile
from tidecast.state.settings.base import DAY
from tidecast.state.slabs import Slab

__all__ = ["Anew", "Beginning", "bursts_among"]

Values = NDArray[np.float64]  # (bin, cell, series)
Flags = NDArray[np.bool_]  # (bin, cell, series)

DAYS = 7
LEAST_KNOWN = 5
"""Values of a cell, at least, that one among them can be odd beside."""

OF_NORMAL = 1.4826
"""Standard deviations of a normal distribution in one median deviation."""

FILLS = {"values": np.nan, "censored": 0.0, "counts": np.nan}


@dataclass(frozen=True)
class Anew:
    """A beginning to be learnt anew: its ``slabs`` without the ``bursts``, (bin, cell, series)."""

    slabs: tuple[Slab, ...]
    bursts: Flags


class Beginning:
    """Keeps the first seven bins, where bins are days, until they can be judged together.

    The first values of a feed say what is usual: beside them nothing is a burst, and of seven days
    one that is makes all weeks wrong for long. When the seventh is there it stands out from the
    others (`bursts_among`), and all of them are learnt anew without it. Where bins are shorter, a
    day's peak is no burst, and the first of many values are soon forgotten: nothing is kept.

    Forecasts that were given out before stay as they are, to be scored; only those of origins from
    ``since`` on are learnt from.
    """

    def __init__(self, profile: ForecastProfile) -> None:
        self.since = 0
        self._left = DAYS if profile.grid.nominal_width >= DAY else 0
        self._bins = np.zeros(0, np.int64)
        empty = np.zeros((0, 0, profile.n_series))
        self._kept: dict[str, Values] = dict.fromkeys(FILLS, empty)

    def keep(self, slab: Slab) -> Anew | None:
        """Keep a slab, before it is learnt; return what there is to be learnt anew before it.

        That comes with the last slab of the beginning, if there was a burst.
        """
        if not self._left:
            return None
        for name, row in _rows(slab).items():
            kept = grown(self._kept[name], len(row), axis=1, fill=FILLS[name])
            self._kept[name] = np.concatenate([kept, row[None]])
        self._bins = np.append(self._bins, slab.bin)
        self._left -= 1
        return None if self._left else self._ended()

    def correct(self, slab: Slab) -> None:
        """Replace what is kept of a bin, where it is."""
        for place in np.flatnonzero(self._bins == slab.bin):
            for name, row in _rows(slab).items():
                kept = self._kept[name][place]
                kept[: len(row)] = row[: len(kept)]

    def _ended(self) -> Anew | None:
        """Forget all; return what there is to be learnt anew of all bins but the newest."""
        values, censored, counts = self._kept.values()
        bursts = bursts_among(values)
        has_counts = bool(np.isfinite(counts).any())
        slabs = tuple(
            Slab(
                int(bin_),
                np.where(bursts[place], np.nan, values[place]),
                censored=censored[place] > 0,
                counts=counts[place] if has_counts else None,
            )
            for place, bin_ in enumerate(self._bins[:-1])
        )
        self._bins = self._bins[:0]
        self._kept = {name: kept[:0, :0] for name, kept in self._kept.items()}
        return Anew(slabs, bursts) if bursts.any() else None

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        numbers = np.array([self.since, self._left], np.int64)
        kept = {name: part.copy() for name, part in self._kept.items()}
        return {"numbers": numbers, "bins": self._bins.copy(), **kept}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of; without arrays, a beginning that is over."""
        self._left = 0
        if arrays:
            self.since, self._left = (int(number) for number in arrays["numbers"])
            self._bins = arrays["bins"].copy()
            self._kept = {name: arrays[name].copy() for name in FILLS}


def bursts_among(values: Values) -> Flags:
    """Return which of the first ``values`` are bursts, beside the others; NaN is none.

    They are further above the median than the guard would let a value be that knew as many. What
    has not passed is no burst: as many other values come after the last as there are bursts.

    References
    ----------
    Hampel (1974), The influence curve and its role in robust estimation (the median deviation).
    """
    known = np.isfinite(values)
    n_known = known.sum(axis=0)
    middle = _median(values)
    deviation = OF_NORMAL * _median(np.abs(values - middle))
    size = np.nan_to_num(_median(np.where(values == 0.0, np.nan, np.abs(values))))
    reach = np.fmax(DEVIATIONS * deviation, SIZES * size) * (1.0 + YOUNG / np.fmax(n_known, 1.0))
    high = values - middle > reach
    n_high = high.sum(axis=0)
    later = np.cumsum(high[::-1], axis=0)[::-1]
    passed = (known & (later == 0)).sum(axis=0) >= n_high
    return np.asarray(high & passed & (n_high <= PATIENCE) & (n_known >= LEAST_KNOWN))


def _median(values: Values) -> NDArray[np.float64]:
    """Return the lower median of what is known on the first axis, NaN where nothing is."""
    n_known = np.isfinite(values).sum(axis=0)
    place = np.fmax(n_known - 1, 0) // 2
    middle: NDArray[np.float64] = np.take_along_axis(np.sort(values, axis=0), place[None], 0)[0]
    return middle


def _rows(slab: Slab) -> dict[str, NDArray[np.float64]]:
    """Return what is to be kept of a slab, (cell, series) each."""
    parts = {"values": finite(slab.values), "censored": slab.censored, "counts": slab.counts}
    return {
        name: np.full(slab.values.shape, FILLS[name]) if part is None else part.astype(np.float64)
        for name, part in parts.items()
    }
