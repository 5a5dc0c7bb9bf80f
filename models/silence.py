"""Silence: zeros that are too many for chance, of a whole series or of one of its cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown

__all__ = ["Silence"]

Rows = NDArray[np.float64]  # (row, series)
Flags = NDArray[np.bool_]  # (row, series)

UNLIKELY = math.log(1e-6)
"""Zeros that are less likely than this are an outage."""

LONGEST_SEASON = 2016
"""Bins; of a longer season the last 2016 are remembered."""

LEAST_PATIENCE = 24
"""Bins of zeros that are no closing down yet, however short the seasons are."""

NAMES = ("dispersion", "seen", "surprise", "zeros")


class Silence:
    """Which rows are out: zero, for bins that together would be so with a probability below 1e-6.

    A value is taken for negative binomial, with the variance that values of its row lately had
    about what was usual of them. Zeros that came a longest season ago as well are no outage, nor
    are those that have lasted for ``patience`` bins: closed on Sundays, or for good. A row is
    watched for one season before it is judged. What is below zero never comes of trade: -1 stands
    for something else, and always is an outage.

    Parameters
    ----------
    season
        The longest season, in bins.
    patience
        Bins of an outage at most; 24 at least.
    """

    def __init__(self, n_rows: int, n_series: int, season: int, patience: int) -> None:
        self._season = min(max(season, 1), LONGEST_SEASON)
        self._patience = max(patience, LEAST_PATIENCE)
        self._state: dict[str, Rows] = {name: np.zeros((n_rows, n_series)) for name in NAMES}
        self._was_zero = np.zeros((self._season, n_rows, n_series), dtype=bool)

    @property
    def dispersion(self) -> Rows:
        """The variance of values about what was usual, over their mean, (row, series)."""
        return self._state["dispersion"]

    @property
    def is_known(self) -> Flags:
        """Which rows were watched for a season, (row, series)."""
        return self._state["seen"] >= self._season

    def grow(self, n_rows: int) -> None:
        """Make room for new rows."""
        self._state = {name: grown(array, n_rows) for name, array in self._state.items()}
        self._was_zero = grown(self._was_zero, n_rows, axis=1)

    def judge(self, bin_: int, values: Rows, usual: Rows) -> Flags:
        """Return which rows are out in a bin, and remember it; NaN is no zero, and no news.

        ``values`` and what was ``usual`` of the bin are (row, series).
        """
        zero, surprise, zeros = self._runs(bin_, values, usual)
        was_zero = self._was_zero[bin_ % self._season]
        was_zero[:] = np.where(np.isnan(values), was_zero, zero)
        self._state |= {"surprise": surprise, "zeros": zeros}
        return self._are_out(zero, surprise, zeros) | (values < 0.0)

    def would_be(self, bin_: int, values: Rows, usual: Rows) -> Flags:
        """Return what `judge` would, and remember nothing."""
        return self._are_out(*self._runs(bin_, values, usual)) | (values < 0.0)

    def learn(self, values: Rows, usual: Rows) -> None:
        """Let the variance, in units of the mean, follow the last season; NaN = nothing known."""
        state, known = self._state, np.isfinite(values)
        state["seen"] = state["seen"] + known
        relative = (values - usual) ** 2 / np.fmax(usual, 1e-9)
        rate = 1.0 / np.clip(state["seen"], 1.0, self._season)
        step = np.where(known & (usual > 0), relative - state["dispersion"], 0.0)
        state["dispersion"] = state["dispersion"] + rate * step

    def _runs(self, bin_: int, values: Rows, usual: Rows) -> tuple[Flags, Rows, Rows]:
        """Return which rows are zero in a bin, how surprising that is by now, and for how long."""
        state, known = self._state, np.isfinite(values)
        zero = known & ~(np.nan_to_num(values) > 0.0)
        expected = self._was_zero[bin_ % self._season]
        chance = np.where(expected, 0.0, self._chance_of_zero(usual))
        surprise, zeros = (
            np.where(zero, state[name] + more, np.where(known, 0.0, state[name]))
            for name, more in (("surprise", chance), ("zeros", 1.0))
        )
        return zero, surprise, zeros

    def _are_out(self, zero: Flags, surprise: Rows, zeros: Rows) -> Flags:
        unlikely = (surprise < UNLIKELY) & (zeros <= self._patience)
        return np.asarray(zero & unlikely & self.is_known)

    def _chance_of_zero(self, usual: Rows) -> Rows:
        """Return the logarithm of the chance that a value of this mean is 0."""
        more = np.fmax(self._state["dispersion"] - 1.0, 1e-9)
        chance: Rows = -usual * np.log1p(more) / more
        return chance

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._state, "was_zero": np.packbits(self._was_zero, axis=0)}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        self._state = {name: arrays[name].copy() for name in NAMES}
        unpacked = np.unpackbits(arrays["was_zero"], axis=0, count=self._season)
        self._was_zero = unpacked.astype(bool)
