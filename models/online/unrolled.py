"""Recursions unrolled: what forecasts that are made of earlier forecasts come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.parts import Parts

__all__ = ["unrolled"]

Floats = NDArray[np.float64]


def unrolled(weights: Floats, values: Floats, lags: Sequence[int], parts: Sequence[str]) -> Parts:
    """Return the parts, (series, lead), of forecasts of which each is weights x values.

    Parameters
    ----------
    weights
        (term, series).
    values
        What each term was at each lead: (lead, term, series).
    lags
        By how many bins a term looks back at the cell itself; 0 = at something else. One that looks
        back at a forecast has the parts of that forecast.
    parts
        The part of each term that looks back at what came.
    """
    names = tuple(dict.fromkeys(parts))
    found = np.zeros((len(values), len(names), values.shape[-1]))  # (lead, part, series)
    for ahead, terms in enumerate(values):
        for weight, value, lag, part in zip(weights, terms, lags, parts, strict=True):
            if 0 < lag <= ahead:
                found[ahead] += weight * found[ahead - lag]
            else:
                found[ahead, names.index(part)] += weight * value
    return dict(zip(names, found.transpose(1, 2, 0), strict=True))
