"""Calibration: quantiles from what the blend's residuals lately were, kept honest online."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays

__all__ = ["Calibrate", "quantiles_of", "scale_at"]

Forecasts = NDArray[np.float32]  # (series, cell, lead)
Shapes = NDArray[np.float32]  # (series, lead, group, level)

KEPT_PER_BIN = 0.99
PRIOR_WEIGHT = 30.0
"""Residuals that the prior, a normal shape, counts for."""

POOL_WEIGHT = 150.0
"""Residuals that those of all groups together count for in each: one burst does not make the shape
of a group that has few of its own."""

NOTHING = 1e-6
"""Below this a forecast is 0. That a cell which never sells sells nothing again teaches no shape:
there may be hundreds of them for each that trades."""

N_BUCKETS = 160
FINEST = 0.05  # width of the buckets around 0, in scales; it grows in proportion further out
GROUPS = np.array([0.75, 1.5, 3.0])
"""Bounds of mean / scale between groups: below are sparse cells, whose residuals are skewed."""


STEP = 0.1
"""How far a quantile moves, in scales, for actuals that are all on one side of it; of lead 1."""

SHIFT_KEPT = 0.99
"""What is left of a shift a bin later: histograms have learnt by then what lasts."""

LARGEST_SHIFT = 3.0


class Calibrate:
    """Discounted histograms of standardised residuals, per series, lead and size of the forecast.

    Residuals are pooled over cells; memory is fixed. Before residuals are known, quantiles are
    those of a normal shape.

    Every quantile is shifted by what its coverage lately lacked: when more actuals of a bin were
    above it than should be, it moves up, by the share that was too much. So coverage holds where
    residuals are not those of last week. What was issued is judged, so that lead h is corrected h
    bins later, and by smaller steps: errors of lead h come h in a row.

    References
    ----------
    Gibbs and Candes (2021), Adaptive conformal inference under distribution shift; Angelopoulos,
    Candes and Tibshirani (2023), Conformal PID control for time series prediction (the quantile
    tracker).
    """

    def __init__(self, n_series: int, horizon: int, levels: tuple[float, ...]) -> None:
        self._levels = np.array(levels)
        self._edges = _to_standard(np.arange(N_BUCKETS + 1.0) - N_BUCKETS / 2)
        prior = PRIOR_WEIGHT * np.diff(_normal_cdf(self._edges))
        shape = (n_series, horizon, len(GROUPS) + 1, N_BUCKETS)
        self._counts = np.broadcast_to(prior, shape).copy()
        self._shift = np.zeros((*shape[:3], len(levels)))

    def learn(
        self,
        residuals: NDArray[np.float32],
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
        said: NDArray[np.float32],
        lead: int,
    ) -> None:
        """Add residuals of one lead, all (series, cell); NaN = unknown.

        ``said`` are the shapes issued then, (series, group, level). Where nothing was forecast and
        nothing happened there is nothing to learn.
        """
        known = np.isfinite(residuals) & ((mean > NOTHING) | (np.abs(residuals) > NOTHING))
        place = np.floor(_to_place(residuals / scale) + N_BUCKETS / 2)
        place = np.clip(np.where(known, place, 0), 0, N_BUCKETS - 1).astype(np.int64)
        n_series, n_groups = len(residuals), len(GROUPS) + 1
        group = group_of(mean, scale)
        row = np.arange(n_series)[:, None] * n_groups + group
        flat = (row * N_BUCKETS + place)[known]
        added = np.bincount(flat, minlength=n_series * n_groups * N_BUCKETS)
        added = added.reshape(n_series, n_groups, N_BUCKETS)
        kept = np.where(added.sum(axis=-1, keepdims=True) > 0, KEPT_PER_BIN, 1.0)
        self._counts[:, lead - 1] = kept * self._counts[:, lead - 1] + added
        lacking = self._lacking(residuals, mean, scale, said, group)
        rows, n_rows = row[known], n_series * n_groups
        n = np.bincount(rows, minlength=n_rows)
        for level in range(len(self._levels)):
            lack = np.bincount(rows, lacking[..., level][known], n_rows) / np.fmax(n, 1)
            self._move(lead, level, lack.reshape(n_series, n_groups), (n > 0).reshape(-1, n_groups))

    def _lacking(
        self,
        residuals: NDArray[np.float32],
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
        said: NDArray[np.float32],
        group: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return level - P(actual <= quantile), (series, cell, level).

        Where both are zero the actual's rank is anywhere up to the chance of a zero (a randomised
        probability integral transform, in expectation): zeros of sparse cells are no surprise.
        """
        shape = said[np.arange(len(said))[:, None], group]  # (series, cell, level)
        quantile = mean[..., None] + scale[..., None] * shape
        actual = mean + residuals
        lacking = self._levels - (actual[..., None] <= np.fmax(quantile, 0.0))
        sparse = (quantile[..., 0] < NOTHING) & (actual < NOTHING)  # (series, cell)
        below = quantile[sparse]  # (cell, level)
        chance = chance_of_zero(below, self._levels)[:, None]
        tied = self._levels * (1.0 - 1.0 / np.fmax(chance, self._levels))
        lacking[sparse] = np.where(below < NOTHING, tied, lacking[sparse])
        return lacking

    def _move(
        self, lead: int, level: int, lack: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> None:
        before = self._shift[:, lead - 1, :, level]
        after = SHIFT_KEPT * before + STEP / math.sqrt(lead) * lack
        after = np.clip(after, -LARGEST_SHIFT, LARGEST_SHIFT)
        self._shift[:, lead - 1, :, level] = np.where(known, after, before)

    def shapes(self) -> Shapes:
        """Return quantiles of standardised residuals: (series, lead, group, level)."""
        pooled = self._counts.sum(axis=2, keepdims=True)
        pooled *= POOL_WEIGHT / pooled.sum(axis=-1, keepdims=True)
        below = np.cumsum(self._counts + pooled, axis=-1)
        below /= below[..., -1:]
        shapes = np.empty((*below.shape[:-1], len(self._levels)), np.float32)
        for level, share in enumerate(self._levels):
            place = (below < share).sum(axis=-1)[..., None]
            low = np.where(place > 0, np.take_along_axis(below, np.maximum(place - 1, 0), -1), 0.0)
            high = np.take_along_axis(below, place, -1)
            inside = ((share - low) / np.fmax(high - low, 1e-12))[..., 0]
            edge = self._edges[place[..., 0]]
            shapes[..., level] = edge + inside * (self._edges[place[..., 0] + 1] - edge)
        shapes += self._shift
        return np.sort(shapes, axis=-1)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"counts": self._counts.copy(), "shift": self._shift.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the calibration that ``snapshot`` was taken of."""
        self._counts, self._shift = arrays["counts"].copy(), arrays["shift"].copy()


def scale_at(scale: Forecasts, mean: Forecasts, level: NDArray[np.float64]) -> Forecasts:
    """Return a cell's ``scale``, as usual at its ``level`` (series, cell), at this ``mean``.

    It grows with the root of the mean, as it does for counts; within a factor of five.
    """
    usual = np.fmax(level, 1e-9)[:, :, None].astype(np.float32)
    factor: Forecasts = np.sqrt(np.clip(mean / usual, np.float32(0.04), np.float32(25.0)))
    return scale * factor


def quantiles_of(mean: Forecasts, scale: Forecasts, shapes: Shapes) -> NDArray[np.float32]:
    """Return quantiles, (series, cell, lead, level): sorted, at least 0."""
    series = np.arange(mean.shape[0])[:, None, None]
    lead = np.arange(mean.shape[2])[None, None, :]
    shape = shapes[series, lead, group_of(mean, scale)]  # (series, cell, lead, level)
    shape *= scale[..., None]
    shape += mean[..., None]
    shape[shape < NOTHING] = 0.0
    return np.maximum.accumulate(shape, axis=-1, out=shape)


def chance_of_zero(
    quantiles: NDArray[np.floating], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the level at which quantiles, (row, level), not yet cut off at 0, pass it: (row,).

    The first is below 0; past the last level the chance is taken half way to 1.
    """
    last = (quantiles < NOTHING).sum(axis=-1) - 1
    ahead = np.minimum(last + 1, len(levels) - 1)
    rows = np.arange(len(quantiles))
    low, high = quantiles[rows, last], quantiles[rows, ahead]
    inside = np.where(high > low, -low / np.where(high > low, high - low, 1.0), 0.0)
    chance = levels[last] + np.clip(inside, 0.0, 1.0) * (levels[ahead] - levels[last])
    share = np.where(last == len(levels) - 1, (1.0 + levels[-1]) / 2, chance)
    return np.asarray(share, np.float64)


def group_of(mean: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the group of each forecast, by its mean in scales; free of units."""
    return np.searchsorted(GROUPS, mean / scale, side="right")


def _to_place(standard: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return places on the scale of buckets: even near 0, logarithmic far out."""
    return np.asarray(np.arcsinh(standard.astype(np.float64)) / FINEST)


def _to_standard(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sinh(place * FINEST)


def _normal_cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cumulative normal; a mean absolute error of 1 is a deviation of 1.25."""
    normal = NormalDist(sigma=math.sqrt(math.pi / 2))
    return np.array([normal.cdf(value) for value in values])
