"""Coherence: means that add up over cells, regions, categories and the total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.state.cells import Cell

__all__ = ["Hierarchy", "NodeVariance", "follow", "reconcile"]

Table = NDArray[np.float64]

MEMORY = 100
"""Errors over which variances forget."""

PASSES = 3
"""Times that cells which would be negative are held at zero and the rest is solved again."""

IGNORED = 1e9
"""How much worse than its cells a node is taken to be that says nothing of its own."""

SOLVABLE = 1e-9
"""The least variance of a node, of that of its cells: regions and categories sum to the same."""

TINY = 1e-12


@dataclass(frozen=True)
class Hierarchy:
    """Which nodes each cell is counted in: its region, its category and the total, in this order.

    ``region`` and ``category`` are numbers (cell,) of ``regions`` and ``categories``, which are
    numbered as they appear, so that numbers stay when cells are added.
    """

    regions: tuple[str, ...]
    categories: tuple[str, ...]
    region: NDArray[np.int64]
    category: NDArray[np.int64]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Hierarchy:
        """Return the hierarchy over ``cells``."""
        regions = tuple(dict.fromkeys(cell.region for cell in cells))
        categories = tuple(dict.fromkeys(cell.category for cell in cells))
        by_region = {name: number for number, name in enumerate(regions)}
        by_category = {name: number for number, name in enumerate(categories)}
        return cls(
            regions,
            categories,
            np.array([by_region[cell.region] for cell in cells], np.int64),
            np.array([by_category[cell.category] for cell in cells], np.int64),
        )

    @property
    def n_nodes(self) -> int:
        """Regions, categories, and the total."""
        return len(self.regions) + len(self.categories) + 1

    @property
    def distinct(self) -> NDArray[np.bool_]:
        """Whether a node is more than one cell, and not the total again: (node,)."""
        regions = np.bincount(self.region, minlength=len(self.regions)) > 1
        categories = np.bincount(self.category, minlength=len(self.categories)) > 1
        return np.concatenate(
            [
                regions & (len(self.regions) > 1),
                categories & (len(self.categories) > 1),
                [len(self.region) > 1],
            ]
        )

    def sums(self, values: NDArray[np.floating]) -> Table:
        """Return the nodes' sums, (series, node, lead), of cells' values (series, cell, lead)."""
        regions = _grouped(values, self.region, len(self.regions))
        categories = _grouped(values, self.category, len(self.categories))
        return np.concatenate([regions, categories, regions.sum(axis=1, keepdims=True)], axis=1)


def reconcile(
    mean: NDArray[np.floating],
    variance: NDArray[np.floating],
    node_mean: NDArray[np.floating],
    node_variance: NDArray[np.floating],
    hierarchy: Hierarchy,
) -> NDArray[np.float32]:
    """Return means of cells, at least 0, that agree as well as can be with those of the nodes.

    Those are the least changes, each in units of its own variance, that make everything add up
    (minimum trace, with a diagonal covariance): the sums of the result, `Hierarchy.sums`, are the
    reconciled means of the nodes. Arrays are (series, cell, lead) and (series, node, lead); a node
    that is NaN says nothing. Cells that would be negative are held at zero.

    References
    ----------
    Wickramasuriya, Athanasopoulos and Hyndman (2019), Optimal forecast reconciliation through
    trace minimization; Wickramasuriya, Turlach and Hyndman (2020), Optimal non-negative forecast
    reconciliation.
    """
    base = np.fmax(mean.astype(np.float64), 0.0)
    free = np.fmax(variance.astype(np.float64), TINY)
    found = base
    for _ in range(PASSES):
        gap = node_mean - hierarchy.sums(base * (free > 0.0))
        pull = _solve(free, gap, node_variance, hierarchy)
        found = np.where(free > 0.0, base + free * _spread(pull, hierarchy), 0.0)
        if not (found < 0.0).any():
            break
        free = np.where(found < 0.0, 0.0, free)
    return np.fmax(found, 0.0).astype(np.float32)


def follow(
    quantiles: NDArray[np.float32], mean: NDArray[np.float32], reconciled: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return quantiles, (series, cell, lead, level), that follow their mean by its ratio.

    Where the mean was zero they stay.
    """
    ratio = np.where(mean > TINY, reconciled / np.fmax(mean, np.float32(TINY)), np.float32(1.0))
    return np.asarray(quantiles * ratio[..., None], np.float32)


class NodeVariance:
    """Running mean squared errors of forecasts, per series, node (or cell) and lead."""

    def __init__(self, n_series: int, horizon: int) -> None:
        self._mean = np.zeros((n_series, 0, horizon))
        self._seen = np.zeros((n_series, 0, horizon))

    def learn(self, errors: NDArray[np.floating], lead: int) -> None:
        """Add errors of one lead, (series, node); NaN is no error.

        An error beyond five of its usual size counts as five: a burst is no habit.
        """
        self._grow(errors.shape[1])
        mean, seen = self._mean[:, :, lead - 1], self._seen[:, :, lead - 1]
        known = np.isfinite(errors)
        most = np.where(seen >= 5, 25.0 * np.fmax(mean, TINY), np.inf)
        square = np.fmin(np.where(known, errors, 0.0).astype(np.float64) ** 2, most)
        seen = np.fmin(seen + known, MEMORY)
        step = np.where(known, (square - mean) / np.fmax(seen, 1.0), 0.0)
        self._mean[:, :, lead - 1], self._seen[:, :, lead - 1] = mean + step, seen

    def of(self, n_nodes: int) -> Table:
        """Return variances, (series, node, lead), infinite where there was no error yet."""
        self._grow(n_nodes)
        return np.where(self._seen > 0, np.fmax(self._mean, TINY), np.inf)

    def _grow(self, n_nodes: int) -> None:
        self._mean, self._seen = (grown(a, n_nodes, axis=1) for a in (self._mean, self._seen))

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"mean": self._mean.copy(), "seen": self._seen.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the variances that ``snapshot`` was taken of."""
        self._mean, self._seen = arrays["mean"].copy(), arrays["seen"].copy()


def _solve(free: Table, gap: Table, node_variance: NDArray[np.floating], h: Hierarchy) -> Table:
    """Return the pull of each node, (series, node, lead): (CVC' + W) pull = gap.

    C sums cells into nodes. Its largest part, regions, is diagonal: it is eliminated, and what is
    left is as large as the categories.
    """
    own = h.sums(free)  # (series, node, lead), the variance that its cells give a node
    speaks = np.isfinite(gap) & np.isfinite(node_variance) & h.distinct[:, None]
    gap = np.where(speaks, gap, 0.0)
    noise = np.where(speaks, node_variance, IGNORED * (own + 1.0))
    diagonal = own + np.fmax(noise, SOLVABLE * own + TINY)
    n_regions, n_categories = len(h.regions), len(h.categories)
    pairs = _grouped(free, h.region * n_categories + h.category, n_regions * n_categories)
    cross = pairs.reshape(len(free), n_regions, n_categories, free.shape[2])
    cross = np.concatenate([cross, cross.sum(axis=2, keepdims=True)], axis=2)
    scaled = cross / diagonal[:, :n_regions, None]  # (series, region, category + 1, lead)
    inner = np.zeros((len(free), gap.shape[2], n_categories + 1, n_categories + 1))
    each = np.arange(n_categories + 1)
    inner[:, :, each, each] = diagonal[:, n_regions:].transpose(0, 2, 1)
    inner[:, :, -1, :-1] = inner[:, :, :-1, -1] = own[:, n_regions:-1].transpose(0, 2, 1)
    inner -= np.einsum("srah,srbh->shab", cross, scaled)
    rest = gap[:, n_regions:] - np.einsum("srah,srh->sah", scaled, gap[:, :n_regions])
    right = np.linalg.solve(inner, rest.transpose(0, 2, 1)[..., None])[..., 0].transpose(0, 2, 1)
    left = gap[:, :n_regions] / diagonal[:, :n_regions] - np.einsum("srah,sah->srh", scaled, right)
    return np.concatenate([left, right], axis=1)


def _spread(pull: Table, h: Hierarchy) -> Table:
    """Return what its three nodes pull each cell by, together: (series, cell, lead)."""
    n_regions = len(h.regions)
    return pull[:, h.region] + pull[:, n_regions + h.category] + pull[:, -1:]


def _grouped(values: NDArray[np.floating], group: NDArray[np.int64], n_groups: int) -> Table:
    """Return sums over cells of a group, (series, group, lead)."""
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    sums = np.zeros((values.shape[0], n_groups, values.shape[2]))
    if len(present):
        ordered = values[:, order].astype(np.float64)
        sums[:, present] = np.add.reduceat(ordered, starts, axis=1)
    return sums
