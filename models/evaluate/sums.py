"""Sums of losses over a run: per row (a cell, a region ...), expert, series and lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import grown
from tidecast.models.evaluate.losses import crps, inside, pinball, stretch
from tidecast.models.profile import ForecastProfile

__all__ = ["PLAIN", "Losses", "Sums"]

PLAIN = ("n", "actual", "absolute", "squared")
"""Sums that need no quantiles."""

REPORTED = (0.8, 0.9)
Floats = NDArray[np.floating]


class Losses:
    """Which losses are added up, and how they are computed from forecasts of one bin.

    ``counts`` tells of each series whether its values are whole numbers.
    """

    def __init__(self, profile: ForecastProfile, counts: Sequence[bool]) -> None:
        half = np.where(counts, np.float32(0.5), np.float32(0.0))
        self._half = half[:, None, None]  # (series, cell, due)
        self._levels = np.array(profile.quantile_levels)
        self._median = profile.quantile_levels.index(0.5)
        bounds = dict(zip(profile.intervals, profile.interval_levels, strict=True))
        self._bounds = {share: bounds[share] for share in REPORTED if share in bounds}
        shares = tuple(f"{100 * share:.0f}" for share in self._bounds)
        self.names = (
            *PLAIN,
            "pinball",
            "crps",
            *(f"{what}_{share}" for share in shares for what in ("coverage", "width")),
        )

    def of_means(self, actual: Floats, mean: Floats, kept: NDArray[np.bool_]) -> Floats:
        """Return the plain losses, (stat, ...), 0 where not ``kept``; the mean is the median."""
        error = mean - actual
        parts = [np.ones_like(error), np.abs(actual), np.abs(error), error**2]
        return np.where(kept & np.isfinite(error), np.stack(np.broadcast_arrays(*parts)), 0.0)

    def of_quantiles(
        self, actual: Floats, mean: Floats, quantiles: Floats, kept: NDArray[np.bool_]
    ) -> Floats:
        """Return all losses, (stat, expert, series, cell, due), 0 where not ``kept``.

        ``quantiles`` have a further axis, level.
        """
        plain = self.of_means(actual, mean, kept)
        actual = actual.astype(quantiles.dtype)  # single precision takes half the time
        each = pinball(actual, quantiles, self._levels)
        parts = [each.mean(axis=-1), crps(actual, quantiles, each, self._levels)]
        start, end = stretch(actual, quantiles, self._levels, self._half)
        for low, high in self._bounds.values():
            parts.append(inside(start, end, self._levels[low], self._levels[high]))
            parts.append(quantiles[..., high] - quantiles[..., low])
        kept = plain[0] > 0
        plain[2] = np.where(kept, np.abs(quantiles[..., self._median] - actual), 0.0)
        return np.concatenate([plain, np.where(kept, np.stack(parts), 0.0)])


@dataclass
class Sums:
    """Named sums, ``total`` (stat, expert, series, row, lead), that grow with rows."""

    names: tuple[str, ...]
    total: NDArray[np.float64]

    @classmethod
    def empty(cls, names: tuple[str, ...], profile: ForecastProfile) -> Sums:
        """Return sums of no row."""
        n_experts = 1 + len(profile.experts)
        shape = (len(names), n_experts, profile.n_series, 0, profile.horizon)
        return cls(names, np.zeros(shape))

    def add(self, places: list[int], losses: Floats) -> None:
        """Add losses of one bin, (stat, expert, series, row, due), ``places`` on the leads."""
        n_rows = losses.shape[3]
        self.total = grown(self.total, n_rows, axis=3)
        self.total[:, :, :, :n_rows, places] += losses

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one sum, (expert, series, row, lead)."""
        return np.asarray(self.total[self.names.index(name)])
