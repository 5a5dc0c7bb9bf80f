"""Calibration: quantiles from what the blend's residuals lately were, kept honest online."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful
from tidecast.models.event_groups import GROUPS, event_sizes, group_of
from tidecast.models.histogram import N_BUCKETS, bucket_of, normal_shares, quantile
from tidecast.models.ranks import NOTHING, is_outer, lacking
from tidecast.models.tally import Tally

__all__ = ["Calibrate"]

Shapes = NDArray[np.float32]  # (series, lead, group, level)

KEPT_PER_BIN = 0.99
PRIOR_WEIGHT = 30.0
"""Residuals that the prior, a normal shape, counts for."""

POOL_WEIGHT = 10.0
"""Residuals that those of all groups together count for in each."""

NEIGHBOUR_WEIGHT = 60.0
"""Residuals, at most, that those of the next smaller and larger group count for: one burst does
not make the shape of a group that has few of its own."""

STEP = 0.05
"""How far a quantile moves for actuals that are all on one side of it, of lead 1: in scales, outer
levels in events where less than one is expected."""

FEW = 3.0
"""Actuals of a lead and group in a bin; fewer move a quantile by less, for one is all chance."""

SHIFT_KEPT = 0.99
"""What is left of a shift a bin later: histograms have learnt by then what lasts."""

OUTER_KEPT = 0.998
"""What is left of the shift of outer levels: histograms do not rank counts as coverage does."""

SHARED_STEP = 0.1
"""The step of outer levels in all leads and groups at once: a series of one cell has few residuals
of each, and what it misses at one lead it misses at most."""

IN_COMMON = 0.5
"""What every lead moves for what any other lacked; the rest is for those that are near it."""

LARGEST_SHIFTS = (-6.0, 6.0)

FURTHEST = 0.495
"""How far from the median the share of residuals below a quantile is at most."""


class Calibrate(Stateful):
    """Discounted histograms of standardised residuals, per series, lead and size of the forecast.

    Residuals are pooled over cells; memory is fixed. Before residuals are known, quantiles are
    those of a normal shape.

    Every quantile is shifted by what its coverage lately lacked: when more actuals of a bin were
    above it than should be, it moves up, by the share that was too much. So coverage holds where
    residuals are not those of last week. What was issued is judged, so that lead h is corrected h
    bins later, and by smaller steps: errors of lead h come h in a row. Outer quantiles are shifted
    in all groups and leads, too, by what they lacked together, near leads more; that does not fade,
    so that the coverage of every lead comes to what it should be, wherever levels and errors drift.
    A bin of which fewer actuals are known than lately were moves them by less: every actual counts
    alike.

    A quantile of n residuals covers less of the next one than of these: n residuals leave n + 1
    places for it. Levels are moved out by as much, and further at longer leads, where residuals
    tell of fewer shocks.

    References
    ----------
    Gibbs and Candes (2021), Adaptive conformal inference under distribution shift; Angelopoulos,
    Candes and Tibshirani (2023), Conformal PID control for time series prediction (the quantile
    tracker); Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World (n + 1
    places).
    """

    STATE = ("counts", "shift", "shared", "most", "whole")

    def __init__(self, n_series: int, horizon: int, levels: tuple[float, ...]) -> None:
        self._levels = np.array(levels)
        prior = PRIOR_WEIGHT * normal_shares()
        shape = (n_series, horizon, len(GROUPS) + 1, N_BUCKETS)
        self._counts = np.broadcast_to(prior, shape).copy()
        self._shift = np.zeros((*shape[:3], len(levels)))
        self._whole = np.ones(n_series, dtype=bool)
        self._shared = np.zeros((*shape[:2], len(levels)))  # what lacked at a lead adds to all
        self._most = np.zeros((*shape[:2], 1))  # actuals that a bin lately had
        self._outer = is_outer(self._levels)
        self._unit = np.where(self._outer, event_sizes()[:, None], 1.0)  # (group, level)
        self._kept = np.where(self._outer, OUTER_KEPT, SHIFT_KEPT)
        self._shocks = np.sqrt(np.arange(1.0, horizon + 1.0))  # residuals of one shock, (lead,)
        self._shared_step = SHARED_STEP / self._shocks / (1.0 / self._shocks).sum()  # (lead,)
        ratio = self._shocks[:, None] / self._shocks
        self._nearness = IN_COMMON + (1.0 - IN_COMMON) * np.fmin(ratio, ratio.T)  # (lead, lead)

    def learn(
        self,
        actual: NDArray[np.floating],
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
        said: NDArray[np.float32],
        leads: NDArray[np.int64],
    ) -> None:
        """Add actuals, and what was said of them at some leads, all (lead, series, cell).

        NaN = unknown; ``actual`` may be broadcast. ``said`` are the shapes issued then, (lead,
        series, group, level). Where nothing was forecast and nothing happened there is nothing to
        learn: hundreds of cells may never trade. The few of them that do are missed by the upper
        levels as others are, but tell nothing of cells that are forecast to trade hardly ever. A
        series of which all actuals so far were whole numbers is one of counts.
        """
        actual = np.broadcast_to(actual, mean.shape)
        known = np.isfinite(actual) & ((mean > NOTHING) | (np.abs(actual - mean) > NOTHING))
        self._whole &= ~(known & (actual != np.rint(actual))).any(axis=(0, 2))
        lead, series, _ = np.nonzero(known)
        found, mean, scale = actual[known].astype(np.float32), mean[known], scale[known]
        group = group_of(mean, scale)
        quantile = mean[:, None] + scale[:, None] * said[lead, series, group]  # (row, level)
        lack = lacking(found, quantile, self._levels, self._whole[series])
        told = mean > NOTHING
        lack[np.ix_(~told, self._levels < 0.5)] = 0.0  # they are above what they ought to be above
        of_bin = Tally((len(self._whole), len(leads)), (series, lead))
        lack *= self._fullness(of_bin.seen, leads)[series, lead]
        self._learn_shared(of_bin, lack, leads)
        places = series[told], lead[told], group[told]
        tally = Tally((len(self._whole), len(leads), len(GROUPS) + 1), places)
        self._learn_shapes(tally, ((found - mean) / scale)[told], leads)
        self._learn_shifts(tally, lack[told], leads)

    def _fullness(self, seen: NDArray[np.float64], leads: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return actuals ``seen`` of a bin, as a share of the most of late: (series, lead, 1)."""
        kept = np.where(seen > 0, KEPT_PER_BIN, 1.0)
        most = np.fmax(kept * self._most[:, leads - 1], seen)
        self._most[:, leads - 1] = most
        return np.asarray(seen / np.fmax(most, 1.0))

    def _learn_shapes(
        self, tally: Tally, standard: NDArray[np.float32], leads: NDArray[np.int64]
    ) -> None:
        """Add standardised residuals, (row,), to the histograms."""
        added = tally.counts(bucket_of(standard), N_BUCKETS)
        kept = np.where(tally.seen > 0, KEPT_PER_BIN, 1.0)
        self._counts[:, leads - 1] = kept * self._counts[:, leads - 1] + added

    def _learn_shifts(
        self, tally: Tally, lack: NDArray[np.float64], leads: NDArray[np.int64]
    ) -> None:
        """Move quantiles by what their coverage lacked, (row, level)."""
        total = np.stack([tally.sums(each) for each in lack.T], axis=-1)
        size = STEP * self._unit / self._shocks[leads - 1, None, None]  # (lead, group, level)
        shift = self._shift[:, leads - 1]
        moved = self._kept * shift + size * total / np.fmax(tally.seen, FEW)
        moved = np.clip(moved, *LARGEST_SHIFTS)
        self._shift[:, leads - 1] = np.where(tally.seen > 0, moved, shift)

    def _learn_shared(
        self, tally: Tally, lack: NDArray[np.float64], leads: NDArray[np.int64]
    ) -> None:
        """Move outer quantiles of all leads and groups by what they lacked together."""
        total = np.stack([tally.sums(each) for each in lack.T], axis=-1)  # (series, lead, level)
        lacked = self._outer * total / np.fmax(tally.seen, 1)
        shared = self._shared[:, leads - 1] + self._shared_step[leads - 1, None] * lacked
        self._shared[:, leads - 1] = np.clip(shared, *LARGEST_SHIFTS)

    def shapes(self) -> Shapes:
        """Return quantiles of standardised residuals: (series, lead, group, level)."""
        below = np.cumsum(self._counts + self._borrowed(), axis=-1)
        below /= below[..., -1:]
        shapes = np.stack([quantile(below, share) for share in self._shares()], axis=-1)
        shapes = shapes.astype(np.float32)
        shared = np.clip(self._nearness @ self._shared, *LARGEST_SHIFTS)  # (series, lead, level)
        shapes += self._shift + self._unit * shared[:, :, None]
        return np.sort(shapes, axis=-1)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Tell which quantiles are whole numbers, (series, level).

        They are the inner ones of series of which all actuals so far were.
        """
        return self._whole[:, None] & ~self._outer

    def _shares(self) -> Iterator[NDArray[np.float64]]:
        """Yield, by level, the share of residuals below that should hold for the next one as well.

        They are (series, lead, group, 1). Residuals that the prior counts for are sure.
        """
        n = self._counts.sum(axis=-1, keepdims=True)
        sampled = np.fmax(1.0 - PRIOR_WEIGHT / n, 0.0)
        wider = 1.0 + self._shocks[:, None, None] * sampled / n
        for level in self._levels:
            yield 0.5 + np.clip(wider * (level - 0.5), -FURTHEST, FURTHEST)

    def _borrowed(self) -> NDArray[np.float64]:
        """Return what each group takes from the others: (series, lead, group, bucket)."""
        pooled = self._counts.sum(axis=2, keepdims=True)
        pooled *= POOL_WEIGHT / pooled.sum(axis=-1, keepdims=True)
        beside = np.zeros_like(self._counts)
        beside[:, :, 1:] += self._counts[:, :, :-1]
        beside[:, :, :-1] += self._counts[:, :, 1:]
        share = NEIGHBOUR_WEIGHT / beside.sum(axis=-1, keepdims=True)
        borrowed: NDArray[np.float64] = pooled + np.minimum(share, 1.0) * beside
        return borrowed
