"""Scores: what was said at one origin, beside what came, by group of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Score", "score_of", "size_groups"]

Floats = NDArray[np.float64]

SIZES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Usual values of a bin between groups of cells."""


@dataclass(frozen=True)
class Score:
    """Sums over the known values of an origin; ``inside`` lay between the outermost quantiles."""

    loss: Floats  # (group,)
    n: Floats  # (group,)
    inside: float


def size_groups(level: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the group of every cell by its usual level (cell, series), mean of series: (cell,)."""
    return np.asarray(np.digitize(level.mean(axis=1), SIZES), np.int64)


def score_of(
    quantiles: NDArray[np.float32],
    actual: NDArray[np.float32],
    levels: Sequence[float],
    scale: NDArray[np.float32],
    groups: NDArray[np.int64],
) -> Score:
    """Return the score of ``quantiles`` (series, cell, lead, level) at one origin.

    ``actual`` is (series, cell, lead), NaN where it is not known; ``scale`` (cell, series) the
    usual spread of cells, ``groups`` (cell,) their groups, all below six. The loss is twice the
    mean pinball loss over levels, in units of the root of the cell's scale times that of all.
    """
    known = np.isfinite(actual)
    over = np.where(known, actual, 0.0)[..., None] - quantiles  # (series, cell, lead, level)
    of_levels = np.asarray(levels)
    pinball = 2.0 * np.maximum(of_levels * over, (of_levels - 1.0) * over).mean(axis=-1)
    spread = scale.T[:, :, None].astype(np.float64)  # (series, cell, 1)
    unit = np.sqrt(spread * spread.mean(axis=1, keepdims=True))
    loss = np.where(known, pinball / unit, 0.0).sum(axis=(0, 2))  # (cell,)
    n = known.sum(axis=(0, 2)).astype(np.float64)
    inside = known & (over[..., 0] >= 0) & (over[..., -1] <= 0)
    return Score(_by_group(loss, groups), _by_group(n, groups), float(inside.sum()))


def _by_group(values: Floats, groups: NDArray[np.int64]) -> Floats:
    return np.asarray(np.bincount(groups, values, minlength=len(SIZES) + 1), np.float64)
