"""Losses of single forecasts, entry by entry: pinball, CRPS, and who is inside an interval.

Arrays end in their level axis where they are quantiles; NaN actuals give NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["crps", "inside", "pinball", "stretch"]

Floats = NDArray[np.floating]
LEAST = 1e-6
"""A narrower stretch of probability is a point."""


def pinball(actual: Floats, quantiles: Floats, levels: NDArray[np.float64]) -> Floats:
    """Return the pinball loss at each level: (..., level)."""
    short = actual[..., None] - quantiles
    above = levels.astype(quantiles.dtype)
    return np.maximum(above * short, (above - 1) * short)


def crps(actual: Floats, quantiles: Floats, losses: Floats, levels: NDArray[np.float64]) -> Floats:
    """Return the continuous ranked probability score of quantiles, from their pinball ``losses``.

    It is twice the integral of the pinball loss over the levels from 0 to 1 (Gneiting and
    Ranjan, 2011): the trapezoid between the levels; beyond the outermost, as if nothing lay there.
    """
    edges = np.concatenate([[0.0], levels, [1.0]])
    weights = (edges[2:] - edges[:-2]).astype(losses.dtype)
    below = np.maximum(quantiles[..., 0] - actual, 0.0) * levels[0]
    above = np.maximum(actual - quantiles[..., -1], 0.0) * (1.0 - levels[-1])
    return np.asarray(losses @ weights + below + above)


def stretch(
    actual: Floats,
    quantiles: Floats,
    levels: NDArray[np.float64],
    half: Floats | float = 0.0,
) -> tuple[Floats, Floats]:
    """Return where each actual stands among the levels: from where to where.

    That is its probability integral transform (PIT). It is a point for a continuous actual; a
    count, or a zero that has a probability of its own, has a stretch. Counts are whole: give 0.5
    for ``half``, for a count of y stands for all that is forecast between y - 0.5 and y + 0.5.
    """
    start = np.where(actual <= 0, 0.0, _below(actual - half, quantiles, levels, False))
    return start, _below(actual + half, quantiles, levels, True)


def inside(start: Floats, end: Floats, low: float, high: float) -> Floats:
    """Return the share of each `stretch` that lies between two levels: 0 or 1 for a point.

    A randomised PIT (Czado, Gneiting and Held, 2009) draws a point of the stretch; this is the
    mean over all draws, so it needs no seed.
    """
    width = end - start
    overlap = np.clip(np.minimum(end, high) - np.maximum(start, low), 0.0, None)
    point = (low - LEAST <= start) & (start <= high + LEAST)
    return np.where(width > LEAST, overlap / np.fmax(width, LEAST), point)


def _below(
    at: Floats, quantiles: Floats, levels: NDArray[np.float64], with_ties: bool
) -> NDArray[np.float64]:
    """Return the probability below ``at``, straight between levels; 0 and 1 beyond the outermost.

    ``with_ties`` adds what lies at ``at`` itself, where several quantiles are the same. There may
    be one level only.
    """
    at = at[..., None]
    low, width = quantiles[..., :-1], np.diff(quantiles, axis=-1)
    passed = at >= quantiles if with_ties else at > quantiles
    within = np.clip((at - low) / np.where(width > 0, width, 1.0), 0.0, 1.0)
    shares = np.where(width > 0, within, passed[..., 1:])
    # laid out by rows: the sum of a row is of the same bits however the quantiles lie in memory
    steps = np.ascontiguousarray(shares * np.diff(levels).astype(quantiles.dtype)).sum(axis=-1)
    tied = at == quantiles
    above_first = passed[..., 0] | (tied[..., 0] & (width[..., :1] > 0).any(axis=-1))
    above_last = passed[..., -1] & ~(tied[..., -1] & (width[..., -1:] > 0).any(axis=-1))
    return np.asarray(steps + levels[0] * above_first + (1 - levels[-1]) * above_last, np.float64)
