"""The blend: experts combined so that their errors cancel, per series, size of cell and lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful

__all__ = ["N_SIZES", "Blend", "combine", "kept_by", "of_cells", "size_of"]

Stack = NDArray[np.float32]  # (expert, series, cell, lead)
Table = NDArray[np.float64]

MEMORY_ROWS = 1000.0
SHORTEST_MEMORY, LONGEST_MEMORY = 100.0, 500.0
"""Bins after which a third is left of what was learnt: as many as hold so many errors. Weights that
are learnt of few are noise; those of many may follow change."""

LARGEST_ERROR = 10.0
"""Errors beyond this many scales of their cell count as this: no burst decides the weights."""

SHARPNESS = 10.0
"""How the prior falls with the loss: an expert a tenth worse than the best gets 1/e of it."""

PRIOR_ROWS = 150.0
"""Errors of a place's own that weigh as much as the prior: experts who follow the same past err
alike, and of few errors nobody can tell which of them adds what."""

POOLED_BINS = 30.0
"""Bins that what is known of all leads counts for in each, and what is known of all sizes."""

FLOOR = 1e-3
"""The least loss that is told apart from none, of the worst expert's."""

N_SIZES = 5
ROUNDING = 1e-9
"""As good as on a bound between sizes is on it: a cell alone is always of one size."""

TINY = 1e-12


class Blend(Stateful):
    """Weights, positive with sum one, of the least discounted squared loss of the combination.

    What is kept are mean products of the experts' errors: their diagonal says how good an expert
    is, the rest whose errors cancel. Weights follow the regularised leader: they are the least of
    loss + ridge towards a prior, which is the softmax of minus the experts' own losses and fades
    with the number of errors. Without forgetting, and of bounded squared losses known at once,
    the leader's regret grows with the logarithm of time; what is done here to follow change, and
    to learn from few errors, is outside that theory, and measured only.

    An error is in units of its cell's scale, times the root of the scale in units of all cells'
    mean: between relative errors, where sparse cells would decide, and sums, where one large cell
    would. Products are pooled over the cells of a size, and each table of products leans on those
    of all leads and of all sizes while it is young. The errors of lead h come h bins after the
    forecast, with the blend's as it was issued. Who slept is given the blend's error; who sleeps
    now is not weighed.

    References
    ----------
    Bates and Granger (1969), The combination of forecasts; Hazan, Agarwal and Kale (2007),
    Logarithmic regret algorithms for online convex optimization; Devaine, Gaillard, Goude and
    Stoltz (2013), Forecasting electricity consumption by aggregating specialized experts, for
    sleepers.
    """

    STATE = ("products", "seen", "rows")

    def __init__(self, n_experts: int, n_series: int, horizon: int) -> None:
        shape = (n_series, N_SIZES, horizon)
        self._products = np.zeros((*shape, n_experts, n_experts))
        self._seen = np.zeros(shape)  # bins
        self._rows = np.zeros(shape)  # errors in them

    def learn(
        self,
        errors: NDArray[np.float32],
        scale: NDArray[np.float64],
        sizes: NDArray[np.int64],
        leads: NDArray[np.int64],
    ) -> None:
        """Add errors of some leads, (lead, 1 + expert, series, cell), the blend's first.

        ``scale`` and ``sizes`` (of `size_of`) are (series, cell). NaN = unknown.
        """
        units = _units(errors, scale)
        known: NDArray[np.bool_] = np.any(np.isfinite(units[:, 0]), axis=0)  # (series, cell)
        for series, of_series in enumerate(units.transpose(2, 0, 1, 3)):
            for size in range(N_SIZES):
                cells = np.flatnonzero(known[series] & (sizes[series] == size))
                if len(cells):
                    self._learn_some((series, size, leads - 1), of_series[..., cells])

    def _learn_some(self, place: tuple[int, int, NDArray[np.int64]], units: Table) -> None:
        """Move one table of products of every lead; units (lead, 1 + expert, cell)."""
        blend, experts = units[:, :1], units[:, 1:]
        known = np.isfinite(blend)
        n = known.sum(axis=-1, keepdims=True)  # (lead, 1, 1)
        said = np.where(known, np.where(np.isfinite(experts), experts, blend), 0.0)
        products = said @ said.transpose(0, 2, 1) / np.fmax(n, 1)
        kept = np.where(n > 0, kept_by(n), 1.0)
        self._products[place] = kept * self._products[place] + products
        self._seen[place] = kept[:, 0, 0] * self._seen[place] + (n > 0)[:, 0, 0]
        self._rows[place] = kept[:, 0, 0] * self._rows[place] + n[:, 0, 0]

    def weights(self, awake: NDArray[np.bool_] | None = None) -> Table:
        """Return the weights, (expert, series, size, lead), that add up to 1 over experts.

        Those who are not ``awake``, (expert, series), have none; None = all are.
        """
        is_used = self._used(awake)
        products = self._pooled(is_used)
        loss = np.diagonal(products, axis1=-2, axis2=-1)
        least = np.fmax(_unit(loss, is_used)[..., None], TINY)
        prior = np.exp(-np.minimum(SHARPNESS * np.fmax(loss / least - 1.0, 0.0), 20.0))
        prior = np.where(is_used, prior, 0.0)
        prior /= prior.sum(axis=-1, keepdims=True)
        ridge = least * (PRIOR_ROWS / np.fmax(self._rows, 1.0))[..., None]
        return np.ascontiguousarray(np.moveaxis(_least(products, ridge, prior, is_used), -1, 0))

    def _used(self, awake: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return who is weighed, (series, 1, 1, expert): all, where nobody is awake."""
        if awake is None:
            return np.ones((1, 1, 1, self._products.shape[-1]), dtype=bool)
        used = awake | ~awake.any(axis=0)
        return used.T[:, None, None]

    def _pooled(self, is_used: NDArray[np.bool_]) -> Table:
        """Return relative mean products of each place, leaning on all leads' and all sizes'."""
        total = self._products
        unit = _unit(np.diagonal(total, axis1=-2, axis2=-1), is_used)
        unit = np.fmax(unit / np.fmax(self._seen, TINY), TINY)
        relative = total / unit[..., None, None]  # sums, (series, size, lead, expert, expert)
        seen = self._seen[..., None, None]
        pooled, count = relative, seen
        for axes in ((2,), (1, 2)):  # leads; leads and sizes
            over = relative.sum(axis=axes, keepdims=True)
            n = np.fmax(seen.sum(axis=axes, keepdims=True), TINY)
            pooled = pooled + POOLED_BINS * over / n
            count = count + POOLED_BINS
        return np.asarray(pooled / count)


def kept_by(n_cells: NDArray[np.integer]) -> Table:
    """Return the share that is kept of what was learnt when a bin of so many cells joins it."""
    memory = np.clip(MEMORY_ROWS / np.fmax(n_cells, 1), SHORTEST_MEMORY, LONGEST_MEMORY)
    return np.asarray(1.0 - 1.0 / memory)


def size_of(level: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the size of each cell, (series, cell), 0 = largest; free of units.

    Sizes are powers of four from the level of the cell that the average unit is sold in, so that
    neither many cells which never trade nor one that is most of the series move the others.
    """
    level = np.abs(level)
    usual = (level**2).sum(axis=-1, keepdims=True) / np.fmax(
        level.sum(axis=-1, keepdims=True), TINY
    )
    fours = np.log(np.fmax(usual, TINY) / np.fmax(level, TINY)) / np.log(4.0)
    steps = np.floor(fours + ROUNDING) + 1.0
    return np.asarray(np.clip(steps, 0, N_SIZES - 1), np.int64)


def of_cells(weights: Table, sizes: NDArray[np.int64]) -> Stack:
    """Return each cell's weights, (expert, series, cell, lead), of those of its size."""
    series = np.arange(len(sizes))[:, None]
    return weights.astype(np.float32)[:, series, sizes]


def combine(values: Stack, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weighted mean of experts, (series, cell, lead); who is not finite sleeps.

    ``weights`` are (expert, series, cell, lead). NaN is returned where all experts sleep.
    """
    awake = np.isfinite(values)
    if awake.all():
        mixed: NDArray[np.float32] = (values * weights).sum(axis=0)
        return mixed
    speaks = np.any(awake, axis=(1, 2, 3)) | np.any(weights, axis=(1, 2, 3))
    if not speaks.all():  # who neither speaks nor weighs is not there
        return combine(values[speaks], weights[speaks])
    # an expert that sleeps may have had all the weight: who is awake shares it then
    shares = np.where(awake, weights + np.float32(1e-6), np.float32(0.0))
    total = shares.sum(axis=0)
    mixed = (np.where(awake, values, np.float32(0.0)) * shares).sum(axis=0)
    return np.where(total > 0, mixed / np.where(total > 0, total, 1), np.float32(np.nan))


def _units(errors: NDArray[np.float32], scale: Table) -> Table:
    """Return errors in units of their cell, those of larger cells a little larger."""
    relative = np.clip(errors / scale, -LARGEST_ERROR, LARGEST_ERROR)
    mean = np.fmax(scale.sum(axis=-1, keepdims=True) / max(scale.shape[-1], 1), TINY)
    units: Table = relative * np.sqrt(scale / mean)
    return units


def _unit(loss: Table, is_used: NDArray[np.bool_]) -> Table:
    """Return the least loss of those used, on the last axis, no less than is told apart."""
    least = np.where(is_used, loss, np.inf).min(axis=-1)
    return np.asarray(np.fmax(least, FLOOR * np.where(is_used, loss, 0.0).max(axis=-1)))


def _least(products: Table, ridge: Table, prior: Table, is_used: NDArray[np.bool_]) -> Table:
    """Return the w >= 0, sum 1, of least w'Pw + ridge |w - prior|^2; the last axis is w.

    Only those used have weight.
    The equality is solved exactly; experts of negative weight are left out, until there are none.
    """
    n_experts = prior.shape[-1]
    identity = np.eye(n_experts)
    system = products + ridge[..., None] * identity
    used = np.broadcast_to(is_used, prior.shape)
    weights = prior
    for _ in range(n_experts):
        both = used[..., :, None] & used[..., None, :]
        sides = np.stack([ridge * prior, np.ones(prior.shape)], axis=-1) * used[..., None]
        pulled, even = np.moveaxis(np.linalg.solve(np.where(both, system, identity), sides), -1, 0)
        rest = 1.0 - pulled.sum(axis=-1, keepdims=True)
        weights = pulled + even * rest / even.sum(axis=-1, keepdims=True)
        negative = weights < 0.0
        if not negative.any():
            break
        used = used & ~negative
    weights = np.fmax(weights, 0.0)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
