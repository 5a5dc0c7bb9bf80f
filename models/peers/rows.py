"""Rows of values as peers take them: without gaps, and going on after a fit."""

from __future__ import annotations

import numpy as np

from tidecast.models.peers.peer import Floats

__all__ = ["filled", "joined"]


def joined(history: Floats, since: Floats) -> Floats:
    """Return both, (bin, row), one after the other; rows that came since were unknown before."""
    before = np.full((len(history), since.shape[1]), np.nan)
    before[:, : history.shape[1]] = history
    return np.concatenate([before, since])


def filled(row: Floats, season: int) -> Floats:
    """Return a row, (bin,), from its first known value on, its gaps filled from before them.

    A gap takes the value of one season earlier, or the last one where there is none.
    """
    known = np.flatnonzero(np.isfinite(row))
    if not len(known):
        return row[:0]
    values = row[known[0] :].copy()
    for place in np.flatnonzero(np.isnan(values)):
        values[place] = values[place - (season if place >= season else 1)]
    return values
