"""Ranks of actuals among the quantiles issued: what the coverage of each quantile lacked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.losses import stretch

__all__ = ["HALF", "NOTHING", "chance_of_zero", "is_outer", "lacking"]

Levels = NDArray[np.float64]
Values = NDArray[np.float32]
Flags = NDArray[np.bool_]

NOTHING = 1e-6
"""Below this a forecast is 0."""

OUTER = 0.4
"""How far from the median levels are outer ones: those that bound intervals of 80 % and more."""

HALF = 0.5
"""How far a count stands for what is forecast around it."""

LEAST = 1e-6
"""The narrowest stretch of probability that is divided by."""


def lacking(actual: Values, quantile: Values, levels: Levels, whole: Flags | bool) -> Levels:
    """Return level - P(actual <= quantile), (row, level), of finite actuals, (row,).

    ``quantile`` (row, level) are not yet cut off at 0. Where they and the actual are zero the
    actual's rank is anywhere up to the chance of a zero (a randomised probability integral
    transform, in expectation): zeros of sparse cells are no surprise.

    Of ``whole`` numbers, (row,), the outer levels rank as
    `tidecast.models.evaluate.losses.stretch` does: a count of y stands for all that is forecast
    from y - 0.5 to y + 0.5. Inner ones do not, for their sharpest quantiles are whole numbers
    themselves.
    """
    issued = np.ascontiguousarray(quantile.T)  # (level, row): rows are many, levels few
    column = levels[:, None]
    short = column - (actual <= np.fmax(issued, 0.0))
    sparse = np.flatnonzero((issued[0] < NOTHING) & (actual < NOTHING))
    below = issued.take(sparse, axis=1)
    tied = column * (1.0 - 1.0 / np.fmax(chance_of_zero(below.T, levels), column))
    short[:, sparse] = np.where(below < NOTHING, tied, short.take(sparse, axis=1))
    _rank_outer(short, actual, issued, levels, whole)
    return short.T


def is_outer(levels: Levels) -> NDArray[np.bool_]:
    """Tell which levels are outer ones."""
    return np.abs(levels - 0.5) >= OUTER - 1e-9


def _rank_outer(
    short: Levels, actual: Values, quantile: Values, levels: Levels, whole: Flags | bool
) -> None:
    """Rank counts among outer levels, in place, as the half around them lies.

    A count that is half or more from every outer quantile ranks as a point does. ``short`` and
    ``quantile`` are (level, row).
    """
    outer = is_outer(levels)
    column = levels[outer, None]
    issued = np.where(quantile < NOTHING, np.float32(0.0), quantile)
    is_near = (np.abs(actual - issued[outer]) <= HALF).any(axis=0) | (actual < NOTHING)
    near = np.flatnonzero(is_near & whole)
    start, end = stretch(actual[near], issued.take(near, axis=1).T, levels, HALF)
    width = end - start
    within = np.clip((column - start) / np.fmax(width, LEAST), 0.0, 1.0)
    share = np.where(width > LEAST, within, start <= column + LEAST)
    short[np.ix_(outer, near)] = column - share


def chance_of_zero(quantiles: NDArray[np.floating], levels: Levels) -> Levels:
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
