"""The combination: what experts say made one mean, scale and shape, as their errors teach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.amiss import Amiss
from tidecast.models.arrays import Part
from tidecast.models.blend import Blend, combine, of_cells, size_of
from tidecast.models.calibrate import Calibrate
from tidecast.models.counts import Counts
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.dispersion import Dispersion
from tidecast.models.pending import Dues
from tidecast.models.profile import ForecastProfile

__all__ = ["Combination", "shares"]

Cells = NDArray[np.float64]  # (cell, series)
Values = NDArray[np.float32]


class Combination:
    """Weights of experts, what they miss together, its dispersion, and the shapes of quantiles."""

    def __init__(self, profile: ForecastProfile) -> None:
        n_series, self._horizon = profile.n_series, profile.horizon
        self._blend = Blend(len(profile.experts), n_series, self._horizon)
        self._amiss = Amiss(n_series, profile.longest_season)
        self._dispersion = Dispersion(n_series)
        self._counts = Counts(Calendar(profile.grid), n_series)
        self._calibrate = Calibrate(n_series, self._horizon, profile.quantile_levels)

    def learn(
        self, dues: Dues, values: Cells, scales: Cells, levels: Cells, counts: Cells | None
    ) -> None:
        """Learn from what was said of a bin, by its ``values``, (cell, series); NaN = unknown.

        ``scales`` and ``levels`` are those of cells before the bin: its own values must not choose
        the units of their errors. ``counts`` is what its means are of, None where all are sums.
        """
        n_cells = dues.scale.shape[-1]
        actual = values[:n_cells].T  # (series, cell)
        errors = dues.means - actual.astype(np.float32)  # (lead, 1 + expert, series, cell)
        mean, scale = dues.means[:, 0], dues.scale
        self._blend.learn(errors, scales[:n_cells].T, size_of(levels[:n_cells].T), dues.leads)
        for next_ in np.flatnonzero(dues.leads == 1):
            self._amiss.learn(actual)
            self._disperse(errors[next_, 0].T, mean[next_].T, scale[next_].T, counts)
        self._calibrate.learn(actual, mean, scale, dues.shapes, dues.leads)

    def _disperse(self, errors: Values, mean: Values, scale: Values, counts: Cells | None) -> None:
        """Let dispersion learn errors of lead 1, (cell, series), as if all means were of many."""
        if counts is not None:
            self._dispersion.restate(self._counts.judge(errors, counts[: len(errors)]))
            spread = self._counts.spread(counts[: len(errors)])
            errors, scale = errors / spread, scale / spread
        self._dispersion.learn(errors, mean, scale)

    def count(self, bin_: int, counts: Cells) -> None:
        """Take how many values the means of a closed bin are of, (cell, series); NaN of sums."""
        self._counts.learn(bin_, counts)

    def weights(self, awake: NDArray[np.bool_], level: Cells) -> Values:
        """Return the weights of cells, (expert, series, cell, lead), by their ``level``.

        Who is not ``awake``, (expert, series), has none.
        """
        return of_cells(self._blend.weights(awake), size_of(level.T))

    def combine(
        self, means: Values, scales: Values, weights: Values, covariates: Covariates
    ) -> tuple[Values, Values]:
        """Return mean and scale, (series, cell, lead), of those of experts.

        What they are all off by is made good; a cell of which nobody spoke gets its level.
        """
        level = covariates.level.T[:, :, None].astype(np.float32)
        mean, scale = combine(means, weights), combine(scales, weights)
        self._amiss.say(mean[:, :, 0])
        mean = mean * self.factor()[:, None, None]
        mean = np.where(np.isfinite(mean), mean, np.maximum(level, np.float32(0.0)))
        scale = np.where(np.isfinite(scale), scale, np.abs(level) + np.float32(1e-6))
        ahead = range(covariates.bin + 1, covariates.bin + 1 + self._horizon)
        spread = self._counts.ahead(ahead, mean.shape[1])
        shut = covariates.shut_ahead.transpose(2, 1, 0)
        return mean, self._dispersion.scale(mean, scale, covariates.level.T, spread, shut)

    def factor(self) -> Values:
        """Return what the mean of experts is multiplied by, (series,): see `Amiss`."""
        return self._amiss.factor()

    def shapes(self) -> Values:
        """Return what turns means and scales into quantiles, (series, lead, group, level)."""
        return self._calibrate.shapes()

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Tell which quantiles are whole numbers, (series, level)."""
        return self._calibrate.whole

    def parts(self) -> dict[str, Part]:
        """Return everything that has a state, by the name that it has in a snapshot."""
        return {
            "blend": self._blend,
            "amiss": self._amiss,
            "dispersion": self._dispersion,
            "counts": self._counts,
            "calibrate": self._calibrate,
        }


def shares(weights: Values, level: Cells, awake: NDArray[np.bool_]) -> Values:
    """Return the experts' shares of a series' forecast, (expert, series, lead), sum 1.

    ``weights`` are those of cells, (expert, series, cell, lead), whose ``level`` is their share in
    it. Who is not ``awake``, (expert,), has none.
    """
    part = np.abs(level.T) + 1e-12  # (series, cell)
    mean = np.einsum("esch,sc->esh", weights, part) / np.fmax(part.sum(axis=-1), 1e-12)[:, None]
    mean[~awake] = 0.0
    return np.asarray(mean / np.fmax(mean.sum(axis=0), 1e-12), np.float32)
