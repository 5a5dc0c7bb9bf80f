"""Groups of forecasts by how many events they expect: few give errors a shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUPS", "event_sizes", "group_of"]

GROUPS = np.array([0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
"""Bounds of the events expected, (mean / scale)^2, between groups. The fewer are expected, the more
the shape depends on how few; many are alike, and fewer groups follow change sooner."""


def group_of(mean: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the group of each forecast, by the events it expects; free of units."""
    return np.searchsorted(np.sqrt(GROUPS).astype(np.float32), mean / scale, side="right")


def event_sizes() -> NDArray[np.float64]:
    """Return the size of one event in scales where that is more than 1, by group: (group,)."""
    inner = np.sqrt(GROUPS[1:] * GROUPS[:-1])
    expected = np.concatenate([GROUPS[:1] ** 1.5 / GROUPS[1:2] ** 0.5, inner, GROUPS[-1:]])
    return np.asarray(np.fmax(1.0, 1.0 / np.sqrt(expected)))
