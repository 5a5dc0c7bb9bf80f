"""Quantiles of forecasts: their means and scales, in the shape of late residuals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidecast.models.event_groups import group_of
from tidecast.models.ranks import HALF, NOTHING

__all__ = ["quantiles_of"]

Forecasts = NDArray[np.float32]  # (series, cell, lead)
Shapes = NDArray[np.float32]  # (series, lead, group, level)


def quantiles_of(
    mean: Forecasts, scale: Forecasts, shapes: Shapes, whole: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return quantiles, (series, cell, lead, level): sorted, at least 0.

    Those that are ``whole``, (series, level), are whole numbers: see `_round`.
    """
    n_leads, n_groups, n_levels = shapes.shape[1:]
    series, lead = np.arange(len(mean))[:, None, None], np.arange(n_leads)
    row = (series * n_leads + lead) * n_groups + group_of(mean, scale)  # (series, cell, lead)
    quantiles: NDArray[np.float32] = np.take(shapes.reshape(-1, n_levels), row, axis=0)
    quantiles *= scale[..., None]
    quantiles += mean[..., None]
    for number in np.flatnonzero(whole.any(axis=1)):
        _round(quantiles[number], whole[number])
    quantiles[quantiles < NOTHING] = 0.0
    for lower, upper in pairwise(_by_level(quantiles)):
        np.maximum(lower, upper, out=upper)
    return quantiles


def _round(quantiles: NDArray[np.float32], whole: NDArray[np.bool_]) -> None:
    """Round quantiles of a series, (cell, lead, level), in place, at levels that are ``whole``.

    The pinball loss of a count is straight between two whole numbers, so that one of them is at
    least as good. Of those farther out, which are bounds of intervals, upper ones below a half are
    zero: no count lies between. Lower ones give way to what is rounded. Levels that are whole lie
    beside each other, as inner ones do.
    """
    first, past = int(whole.argmax()), int(whole.argmax() + whole.sum())
    levels = _by_level(quantiles)
    for inner in levels[first:past]:
        np.rint(inner, out=inner)
    for upper in levels[past:]:
        upper *= upper > HALF
    for lower in levels[:first]:
        np.minimum(lower, levels[first], out=lower)


def _by_level(quantiles: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return views of each level: a level at a time is several times faster than all at once."""
    return [quantiles[..., level] for level in range(quantiles.shape[-1])]
