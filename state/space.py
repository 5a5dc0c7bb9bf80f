"""Space: positions on the globe to their nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest"]

_CHUNK = 512  # rows of the distance table that are in memory at once


def nearest(positions: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the ``k`` nearest other points of every point, nearest first: (point, k).

    ``positions`` is (point, 2): latitude and longitude in degrees. A point whose position is NaN
    has no neighbours and is nobody's; -1 fills the places that no point can take. Ties go to the
    lower number.

    Examples
    --------
    >>> nearest(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 5.0]]), k=2).tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    points = _on_sphere(positions)
    n = len(points)
    found = np.full((n, k), -1, np.int64)
    for start in range(0, n, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, n))
        distances = _squared_distances(points[rows], points)
        distances[np.arange(len(rows)), rows] = np.inf
        _take_nearest(distances, found[rows[0] : rows[-1] + 1])
    return found


def _take_nearest(distances: NDArray[np.float64], out: NDArray[np.int64]) -> None:
    k = min(out.shape[1], distances.shape[1])
    if k < distances.shape[1]:
        limit = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
        distances = np.where(distances <= limit, distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    reachable = np.isfinite(np.take_along_axis(distances, order, axis=1))
    out[:, :k] = np.where(reachable, order, -1)


def _squared_distances(
    rows: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    distances = np.zeros((len(rows), len(points)))
    for axis in range(points.shape[1]):
        distances += (rows[:, axis, None] - points[None, :, axis]) ** 2
    return np.where(np.isnan(distances), np.inf, distances)  # (row, point)


def _on_sphere(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors: their chords rank as great-circle distances do, also over the poles."""
    latitude, longitude = np.radians(positions).T
    ring = np.cos(latitude)
    return np.stack(
        [ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)], axis=1
    )  # (point, 3)
