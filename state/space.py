"""Space: positions on the globe to their nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest"]

_CHUNK = 128  # points that are searched for together

Floats = NDArray[np.float64]


def nearest(positions: Floats, k: int) -> NDArray[np.int64]:
    """Return the ``k`` nearest other points of every point, nearest first: (point, k).

    ``positions`` is (point, 2): latitude and longitude in degrees. A point whose position is NaN
    has no neighbours and is nobody's; -1 fills the places that no point can take. Ties go to the
    lower number.

    Examples
    --------
    >>> nearest(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 5.0]]), k=2).tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    found = np.full((len(positions), k), -1, np.int64)
    known = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if len(known) < 2:
        return found
    latitude, longitude = np.radians(positions[known]).T
    points = _on_sphere(latitude, longitude)
    southern_first = np.argsort(latitude, kind="stable")
    for start in range(0, len(known), _CHUNK):
        rows = southern_first[start : start + _CHUNK]
        places = _search(rows, points, latitude, southern_first, k)
        found[known[rows]] = np.where(places >= 0, known[places], -1)
    return found


def _search(
    rows: NDArray[np.int64],
    points: Floats,
    latitude: Floats,
    southern_first: NDArray[np.int64],
    k: int,
) -> NDArray[np.int64]:
    """Return the nearest of ``rows``, looking only as far north and south as it takes."""
    ordered = latitude[southern_first]
    margin = 2.0 * (ordered[-1] - ordered[0]) * np.sqrt(k / len(points)) + 1e-9
    while True:
        south, north = latitude[rows[0]] - margin, latitude[rows[-1]] + margin
        first, end = np.searchsorted(ordered, [south, north])
        candidates = np.sort(southern_first[first:end])
        distances = _squared_distances(points[rows], points[candidates])
        distances[rows[:, None] == candidates] = np.inf
        places, furthest = _take_nearest(distances, k)
        beyond = 2.0 - 2.0 * np.cos(min(margin, np.pi))  # no point left out is nearer than this
        if len(candidates) == len(points) or (furthest <= beyond).all():
            return np.where(places >= 0, candidates[places], -1)
        margin *= 2.0


def _take_nearest(distances: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the places of the ``k`` smallest in each row, and the largest of them."""
    places = np.full((len(distances), k), -1, np.int64)
    last = min(k, distances.shape[1]) - 1
    limit = np.partition(distances, last, axis=1)[:, last]
    row, point = np.nonzero((distances <= limit[:, None]) & np.isfinite(distances))
    order = np.lexsort((point, distances[row, point], row))
    row, point = row[order], point[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    taken = place < k  # what is beyond is a tie with the last
    places[row[taken], place[taken]] = point[taken]
    return places, np.where(last == k - 1, limit, np.inf)


def _squared_distances(rows: Floats, points: Floats) -> Floats:
    distances = np.zeros((len(rows), len(points)))
    for axis in range(points.shape[1]):
        distances += (rows[:, axis, None] - points[None, :, axis]) ** 2
    return distances  # (row, point)


def _on_sphere(latitude: Floats, longitude: Floats) -> Floats:
    """Return unit vectors: their chords rank as great-circle distances do, also over the poles."""
    ring = np.cos(latitude)
    return np.stack(
        [ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)], axis=1
    )  # (point, 3)
