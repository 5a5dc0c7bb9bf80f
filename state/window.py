"""The window: the last slabs as one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window"]

Values = NDArray[np.float32]


class Window:
    """The last ``context_length`` slabs, (context, cell, series), newest last; NaN = missing.

    Kept as a doubled ring, so that ``values`` is a view, never a copy. Cells are appended as they
    appear: their past is NaN. Bins that were skipped (the feed slept) are NaN too.

    Examples
    --------
    >>> window = Window(context_length=3, n_series=1)
    >>> window.append(7, np.array([[1.0]]))
    >>> window.append(8, np.array([[2.0], [5.0]]))
    >>> window.lag(1)[:, 0].tolist()
    [1.0, nan]
    """

    def __init__(self, context_length: int, n_series: int) -> None:
        self.context_length = context_length
        self.n_series = n_series
        self.last_bin: int | None = None
        self._ring = np.full((2 * context_length, 0, n_series), np.nan, np.float32)
        self._head = 0  # slot of the newest slab, in [0, context_length)

    @property
    def n_cells(self) -> int:
        """Cells seen so far."""
        return int(self._ring.shape[1])

    @property
    def values(self) -> Values:
        """All slabs, oldest first: (context, cell, series), a read-only view."""
        view = self._ring[self._head + 1 : self._head + 1 + self.context_length]
        view.flags.writeable = False
        return view

    def lag(self, bins_back: int) -> Values:
        """Return the slab ``bins_back`` bins before the newest one (0): (cell, series)."""
        if bins_back >= self.context_length:
            return np.full((self.n_cells, self.n_series), np.nan, np.float32)
        slab: Values = self.values[self.context_length - 1 - bins_back]
        return slab

    def lags(self, bins_back: NDArray[np.integer], cells: slice = slice(None)) -> Values:
        """Return slabs as `lag` does, and NaN for bins after the newest: (*lags, cell, series).

        It is a copy, of some ``cells`` only.
        """
        newest = self.context_length - 1
        slabs: Values = self.values[:, cells][newest - np.clip(bins_back, 0, newest)]
        slabs[(bins_back < 0) | (bins_back > newest)] = np.nan
        return slabs

    def at(self, bin_: int) -> Values:
        """Return the slab of ``bin_``, (cell, series); NaN where the window does not reach."""
        back = -1 if self.last_bin is None else self.last_bin - bin_
        return self.lag(back if back >= 0 else self.context_length)

    def append(self, bin_: int, values: NDArray[np.floating]) -> None:
        """Add the slab of ``bin_``, (cell, series); skipped bins before it become NaN."""
        self._grow(len(values))
        skipped = 0 if self.last_bin is None else bin_ - self.last_bin - 1
        for _ in range(min(skipped, self.context_length)):
            self._push(np.nan)
        self._push(values)
        self.last_bin = bin_

    def correct(self, bin_: int, values: NDArray[np.floating]) -> None:
        """Replace the slab of an earlier ``bin_``; one that is not in the window is ignored."""
        if self.last_bin is None or not 0 <= self.last_bin - bin_ < self.context_length:
            return  # it has left, or the feed slept through it
        self._grow(len(values))
        slot = (self._head - (self.last_bin - bin_)) % self.context_length
        self._ring[slot, : len(values)] = values
        self._ring[slot + self.context_length, : len(values)] = values

    def _push(self, values: NDArray[np.floating] | float) -> None:
        self._head = (self._head + 1) % self.context_length
        self._ring[self._head] = values
        self._ring[self._head + self.context_length] = values

    def _grow(self, n_cells: int) -> None:
        if n_cells > self.n_cells:
            fresh = np.full(
                (2 * self.context_length, n_cells - self.n_cells, self.n_series),
                np.nan,
                np.float32,
            )
            self._ring = np.concatenate([self._ring, fresh], axis=1)

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return what ``restore`` needs, as arrays."""
        last = -1 if self.last_bin is None else self.last_bin
        return {"values": self.values.copy(), "last_bin": np.array(last, np.int64)}

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Become the window that ``snapshot`` was taken of."""
        values = arrays["values"]
        self.context_length, _, self.n_series = values.shape
        self._ring = np.concatenate([values, values]).astype(np.float32)
        self._head = self.context_length - 1
        last = int(arrays["last_bin"])
        self.last_bin = None if last < 0 else last
