"""Terms of space and time: lags of a cell and of its neighbours, and the bins ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.neighbours import over_neighbours
from tidecast.models.online.standard import CLIP

__all__ = ["Cells", "Near", "SpaceTime", "Terms"]

Cells = NDArray[np.float64]  # (cell, series)
Terms = NDArray[np.float64]  # (term, cell, series)
Near = NDArray[np.int64]  # (cell, k)

LAGS = 3


class SpaceTime:
    """The last departures of all cells, and the terms that the next bin's are made of.

    Terms are, in the order of ``names``: own lags; the neighbours' mean, one and two bins ago; the
    mean of the neighbours' own neighbours; own and neighbours' departure one season ago; own and
    neighbours' last error. What is unknown is 0, the usual.

    Parameters
    ----------
    season
        Bins of a season; 0 = none.
    """

    def __init__(self, n_series: int, season: int) -> None:
        self._season = season
        self._past = deque([np.zeros((0, n_series))] * max(LAGS, season))  # newest first
        self._error = np.zeros((0, n_series))
        seasonal = ("season", "near_season") if season else ()
        lags = (f"lag_{lag}" for lag in range(1, LAGS + 1))
        self.names = (*lags, "near_1", "near_2", "far_1", *seasonal, "error", "near_error")

    @property
    def n_cells(self) -> int:
        """Cells taken in so far."""
        return len(self._error)

    @property
    def lags(self) -> tuple[int, ...]:
        """By how many bins each term looks back at the cell itself; 0 = at something else."""
        own = {"season": self._season, **{f"lag_{lag}": lag for lag in range(1, LAGS + 1)}}
        return tuple(own.get(name, 0) for name in self.names)

    @property
    def parts(self) -> tuple[str, ...]:
        """The part of a forecast that each term makes of what came."""
        others = dict.fromkeys(("near_1", "near_2", "far_1", "near_season", "near_error"))
        own = {"season": "season"}
        return tuple("neighbours" if n in others else own.get(n, "recent") for n in self.names)

    def terms(self, near: Near) -> Terms:
        """Return the terms of the next bin."""
        return self._terms(self._past, self._error, near)

    def learn(self, departure: Cells, expected: Cells) -> None:
        """Take in a bin's departures; NaN = unknown, taken to be as expected."""
        came = np.where(np.isfinite(departure), departure, expected)
        self._error = came - expected
        self._push(came)

    def skip(self, n_bins: int) -> None:
        """Let bins pass of which nothing is known, taken to be as usual."""
        for _ in range(min(n_bins, len(self._past))):
            self._error = np.zeros_like(self._error)
            self._push(self._error)

    def ahead(self, horizon: int, near: Near, expect: Callable[[Terms], Cells]) -> Terms:
        """Return departures of the bins ahead, each expected from those before it.

        They are (lead, cell, series); ``expect`` makes a bin's departures of its terms.
        """
        past, error = deque(self._past), self._error
        found = []
        for _ in range(horizon):
            found.append(np.clip(expect(self._terms(past, error, near)), -CLIP, CLIP))
            past.appendleft(found[-1])
            error = np.zeros_like(error)
        return np.stack(found)

    def _terms(self, past: Sequence[Cells], error: Cells, near: Near) -> Terms:
        near_1, near_2 = (over_neighbours(past[lag], near) for lag in (0, 1))
        terms = [past[lag] for lag in range(LAGS)]
        terms += [near_1, near_2, over_neighbours(near_1, near)]
        if self._season:
            before = past[self._season - 1]
            terms += [before, over_neighbours(before, near)]
        return np.stack([*terms, error, over_neighbours(error, near)])

    def _push(self, departure: Cells) -> None:
        self._past.pop()
        self._past.appendleft(departure)

    def grow(self, n_cells: int) -> None:
        """Take in new cells: as usual so far."""
        if n_cells > len(self._error):
            self._past = deque(grown(past, n_cells) for past in self._past)
            self._error = grown(self._error, n_cells)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"past": np.stack(self._past), "error": self._error.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        self._past = deque(arrays["past"].copy())
        self._error = arrays["error"].copy()
