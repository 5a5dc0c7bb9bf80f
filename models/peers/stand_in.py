"""The seasonal naive, which stands in where a peer has no fit."""

from __future__ import annotations

import numpy as np

from tidecast.models.peers.peer import Floats, PeerTask

__all__ = ["around", "seasonal_naive"]


def seasonal_naive(row: Floats, task: PeerTask) -> Floats:
    """Return mean and quantiles, (lead, 1 + level), of a row without gaps.

    The mean is the last value of the season, and quantiles are those of its errors so far. Of a row
    that is empty, 0 is said.
    """
    if not len(row):
        return np.zeros((task.horizon, 1 + len(task.quantile_levels)))
    season = task.season if len(row) >= task.season else 1
    mean = np.resize(row[len(row) - season :], task.horizon)
    return around(mean, row[season:] - row[: len(row) - season], task)


def around(mean: Floats, errors: Floats, task: PeerTask) -> Floats:
    """Return mean and quantiles, (lead, 1 + level): ``mean``, (lead,), and its ``errors`` so far.

    Errors, (bin,), are actual less forecast.
    """
    shape = np.quantile(errors, task.quantile_levels) if len(errors) else np.zeros(1)
    quantiles = np.broadcast_to(mean[:, None] + shape, (len(mean), len(task.quantile_levels)))
    return np.maximum(np.column_stack([mean, quantiles]), 0.0)
