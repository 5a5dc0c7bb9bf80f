"""Which cells the peers forecast: a fixed sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sample_cells"]


def sample_cells(n_cells: int, n_wanted: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the cells that are taken, rising; all when there are no more.

    One is drawn of every stretch of the cells in the order of their appearance, so that cells that
    sell from the first day and those that come late or sell rarely have their share.

    Examples
    --------
    >>> sample_cells(3, 5, seed=0).tolist()
    [0, 1, 2]
    >>> bool((sample_cells(1_000, 10, seed=1) // 100 == range(10)).all())
    True
    """
    if n_cells <= n_wanted:
        return np.arange(n_cells)
    edges = np.arange(n_wanted + 1) * n_cells // n_wanted
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:])
