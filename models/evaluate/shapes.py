"""Quantiles of single experts, who give means only: from shapes of their own residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.calibrate import Calibrate
from tidecast.models.evaluate.said import Said
from tidecast.models.pending import Due, Dues, together
from tidecast.models.profile import ForecastProfile
from tidecast.models.ranks import NOTHING

__all__ = ["ExpertShapes"]


class ExpertShapes:
    """A calibration for every expert, by which each is judged as if it forecast alone.

    Residuals are in the blend's scale, pooled by series, lead and size as the blend's are, and
    shapes are shifted online as the blend's are. A plain zero has no shape: it is zero at every
    level. Shapes are kept by origin: a forecast is given those of its origin.
    """

    def __init__(self, profile: ForecastProfile) -> None:
        self._profile = profile
        self._n = len(profile.experts)
        levels = profile.quantile_levels
        self._calibrate = Calibrate(self._n * profile.n_series, profile.horizon, levels)
        first = self._shapes()
        self._kept = np.broadcast_to(first, (profile.horizon, *first.shape)).copy()

    def learn(self, said: Said, actual: NDArray[np.float64]) -> None:
        """Learn from what was said of a bin; ``actual`` (series, cell), NaN = unknown."""
        for run in together(said.dues):
            dues, shapes = Dues.of(said.dues[run]), np.stack(said.shapes[run])
            means = dues.means[:, 1:]  # (lead, expert, series, cell)
            come = np.where(means > NOTHING, actual[:, : means.shape[-1]], np.nan)
            scale = np.broadcast_to(dues.scale[:, None], means.shape)
            flat = (len(means), self._n * means.shape[2], means.shape[-1])
            self._calibrate.learn(
                come.reshape(flat),
                np.nan_to_num(means).reshape(flat),
                scale.reshape(flat),
                shapes.reshape(*flat[:2], *shapes.shape[3:]),
                dues.leads,
            )

    def keep(self, origin_bin: int) -> None:
        """Keep today's shapes for the forecasts of an origin."""
        self._kept[origin_bin % self._profile.horizon] = self._shapes()

    def of(self, due: Due, origin_bin: int) -> NDArray[np.float32]:
        """Return the shapes of a forecast: (expert, series, group, level)."""
        kept = self._kept[origin_bin % self._profile.horizon]
        return np.array(kept[:, :, due.lead - 1])

    def _shapes(self) -> NDArray[np.float32]:
        """Return (expert, series, lead, group, level)."""
        shapes = self._calibrate.shapes()
        return shapes.reshape(self._n, self._profile.n_series, *shapes.shape[1:])

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._calibrate.snapshot(), "kept": self._kept.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the shapes that ``snapshot`` was taken of."""
        self._calibrate.restore(arrays)
        self._kept = arrays["kept"].copy()
