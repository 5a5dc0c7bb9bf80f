"""Reconciliation: cells are moved so that they agree as well as can be with what they add up to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy

__all__ = ["reconcile"]

Table = NDArray[np.float64]

FARTHEST = 5.0
"""A mean moves by no more than this factor: so none gets negative, and a zero stays one."""

LARGEST_WORTH = 0.95
"""No node is followed all the way: they may contradict each other."""

STEPS = 6
"""Steps of conjugate gradients: three levels that share their cells are solved to a hundredth of
the changes at worst, to a thousandth where half of a gap is closed."""

TINY = 1e-12


def reconcile(
    mean: Table, variance: Table, own: Table, worth: Table, hierarchy: Hierarchy
) -> Table:
    """Return means of cells, (cell, ...), that agree as well as can be with ``own``.

    ``own``, (node, ...), are means that were forecast of the nodes themselves; NaN says nothing.
    The result is of the least sum of squared changes, each in units of its variance (minimum trace
    with a diagonal covariance): ``variance``, (cell, ...), for cells; a node's is such that, were
    it alone, ``worth``, (node, ...), from 0 to 1, of its gap to the sum of its cells were closed.
    Nodes are given out with `Hierarchy.sums` of the result, so all adds up. The further axes,
    series and leads, are each on their own.

    References
    ----------
    Wickramasuriya, Athanasopoulos and Hyndman (2019), Optimal forecast reconciliation through
    trace minimization; Wickramasuriya, Turlach and Hyndman (2020), Optimal non-negative forecast
    reconciliation.
    """
    low, high = mean / FARTHEST, mean * FARTHEST
    free = np.where(mean > 0.0, variance, 0.0)
    worth = np.where(np.isfinite(own), np.clip(worth, 0.0, LARGEST_WORTH), 0.0)
    gap = np.where(worth > 0.0, own - hierarchy.sums(mean), 0.0)
    moved = mean + _changes(free, gap, worth, hierarchy)
    held = np.clip(moved, low, high)
    if np.array_equal(held, moved):
        return held
    # who would go too far is held there, and the others share what is left
    free = np.where(held == moved, free, 0.0)
    base = np.where(held == moved, mean, held)
    gap = np.where(worth > 0.0, own - hierarchy.sums(base), 0.0)
    return np.clip(base + _changes(free, gap, worth, hierarchy), low, high)


def _changes(free: Table, gap: Table, worth: Table, hierarchy: Hierarchy) -> Table:
    """Return V C' p, (cell, ...), where (C V C' + W) p = ``gap``.

    C sums cells into nodes, V = ``free`` are the cells' variances, W those of the nodes. Scaled by
    the roots of the diagonal, the system is solved by conjugate gradients; nothing of its size is
    ever made.
    """
    own = hierarchy.sums(free)
    noise = own * (1.0 / np.fmax(worth, TINY) - 1.0)
    root = np.where((worth > 0.0) & (own > 0.0), 1.0 / np.sqrt(np.fmax(own + noise, TINY)), 0.0)

    def apply(pull: Table) -> Table:
        scaled = root * pull
        return root * (noise * scaled + hierarchy.sums(free * hierarchy.spread(scaled)))

    rest = root * gap
    pull, direction = np.zeros_like(rest), rest
    size = (rest**2).sum(axis=0)
    for _ in range(STEPS):
        image = apply(direction)
        step = _ratio(size, (direction * image).sum(axis=0))
        pull = pull + step * direction
        rest = rest - step * image
        before, size = size, (rest**2).sum(axis=0)
        direction = rest + _ratio(size, before) * direction
    return np.asarray(free * hierarchy.spread(root * pull))


def _ratio(over: Table, under: Table) -> Table:
    """Return the quotient, 0 where nothing is left to be divided."""
    return np.where(under > 0.0, over / np.where(under > 0.0, under, 1.0), 0.0)
