"""Shut: hours or days of the week at which nothing is sold, though others are busy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates

__all__ = ["are_shut", "limit"]

Cells = NDArray[np.floating]  # (..., cell, series)
Flags = NDArray[np.bool_]

UNLIKELY = -math.log(1e-6)
"""A slot is shut where what it sold would be so rare if it were like others."""

HARDLY = 1e-3
"""The largest share of what others sell that is nothing."""

LEAST_WEEKS = 3.0
"""What four weeks weigh: fewer may be a strike, or holidays."""

TINY = 1e-12


def are_shut(sold: Cells, weeks: Cells, level: Cells, scale: Cells) -> Flags:
    """Tell in which cells slots of the week are shut, (slot, cell, series).

    ``sold`` are their means, of so many ``weeks``; ``level`` and ``scale``, (cell, series), are
    those of all slots together. A cell has proof of its own, or all cells of a series have it
    together.
    """
    level, square = np.fmax(level, 0.0), np.square(scale)
    own = _is_shut(weeks * sold, weeks, weeks * level, square / np.fmax(level, TINY))
    sums = [(weeks * part).sum(axis=1, keepdims=True) for part in (sold, level, square)]
    dispersion = sums[2] / np.fmax(sums[1], TINY)
    longest = weeks.max(axis=1, initial=0.0, keepdims=True)
    return np.asarray(own | _is_shut(sums[0], longest, sums[1], dispersion))


def _is_shut(sold: Cells, weeks: Cells, expected: Cells, dispersion: Cells) -> Flags:
    """Tell where hardly anything was sold of what was ``expected``, and not by chance.

    Chance is that of a negative binomial of zero, whose variance is ``dispersion`` times its mean.
    """
    more = np.fmax(dispersion - 1.0, 1e-9)
    surprise = expected * np.log1p(more) / more
    return np.asarray((sold <= HARDLY * expected) & (surprise > UNLIKELY) & (weeks >= LEAST_WEEKS))


def limit(covariates: Covariates) -> NDArray[np.float32]:
    """Return the most that is forecast, (series, cell, lead): of shut cells what is usual.

    It is infinite of all others, and may have axes of one.
    """
    shut = covariates.shut_ahead
    if not shut.any():
        return np.full((1, 1, 1), np.inf, np.float32)
    usual = np.fmax(covariates.usual_ahead, np.float32(0.0))
    return np.where(shut, usual, np.float32(np.inf)).transpose(2, 1, 0)
