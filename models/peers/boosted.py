"""The peer LightGBM: lags that are declared, one model for the mean and one for each quantile."""

from __future__ import annotations

import lightgbm
import numpy as np
from numpy.typing import NDArray

from tidecast.models.peers.peer import Floats, PeerTask
from tidecast.models.peers.rows import filled, joined
from tidecast.models.peers.stand_in import seasonal_naive

__all__ = ["Boosted"]

RECENT_LAGS = (0, 1, 2)
"""Bins before the origin whose values are features."""

SEASONS_BACK = 3
"""Values of the target's place in the last seasons that the origin knows: features, too."""

MAX_ROWS = 20_000
"""Examples that are fitted to, drawn at random (the same each time) where there are more."""

FEWEST = 100
"""Examples below which nothing is fitted."""

ROUNDS = 100
PARAMETERS = {
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbose": -1,
}


class Boosted:
    """LightGBM over all rows and leads, which are features; so is the place in each season.

    Rows are learnt in units of their own mean, and weigh as much as it: so the loss is that of the
    values themselves. A target's lags are those that its origin knows.
    """

    def __init__(self, task: PeerTask) -> None:
        self._task = task
        self._history = np.zeros((0, 0))
        self._models: list[lightgbm.Booster] = []

    def fit(self, history: Floats) -> int:
        """See `Peer.fit`."""
        self._history = history
        self._models = []
        table, target, weight = self._examples(history)
        if len(target) < FEWEST:
            return len(history.T)
        data = lightgbm.Dataset(table, target, weight=weight, params=PARAMETERS)
        losses: list[dict[str, object]] = [{"objective": "l2"}]
        losses += [{"objective": "quantile", "alpha": q} for q in self._task.quantile_levels]
        self._models = [lightgbm.train({**PARAMETERS, **loss}, data, ROUNDS) for loss in losses]
        return 0

    def _examples(self, history: Floats) -> tuple[Floats, Floats, Floats]:
        """Return features, (example, feature), targets and weights, (example,)."""
        n_bins, n_rows = history.shape
        n_origins = max(0, n_bins - 1)
        places = np.arange(n_origins * self._task.horizon * n_rows)
        if len(places) > MAX_ROWS:
            places = np.sort(np.random.default_rng(0).choice(places, MAX_ROWS, replace=False))
        origin, place = np.divmod(places, self._task.horizon * n_rows)
        lead, row = np.divmod(place, n_rows)
        lead += 1
        inside = origin + lead < n_bins
        origin, lead, row = origin[inside], lead[inside], row[inside]
        unit = _units(history)[row]
        target = history[origin + lead, row] / unit
        known = np.isfinite(target)
        table = self._features(history, origin, lead, row)
        return table[known], target[known], unit[known]

    def forecast(self, since: Floats) -> Floats:
        """See `Peer.forecast`."""
        n_rows, horizon = since.shape[1], self._task.horizon
        history = joined(self._history, since)
        if not self._models:
            said = [seasonal_naive(filled(row, self._task.season), self._task) for row in history.T]
            return np.reshape(said, (n_rows, horizon, 1 + len(self._task.quantile_levels)))
        row, lead = np.divmod(np.arange(n_rows * horizon), horizon)
        table = self._features(history, np.full(len(row), len(history) - 1), lead + 1, row)
        found = np.column_stack([np.asarray(model.predict(table)) for model in self._models])
        found *= np.nan_to_num(_units(history))[row, None]
        found[:, 1:] = np.sort(found[:, 1:], axis=1)
        return np.reshape(np.maximum(found, 0.0), (n_rows, horizon, -1))

    def _features(
        self,
        history: Floats,
        origin: NDArray[np.int64],
        lead: NDArray[np.int64],
        row: NDArray[np.int64],
    ) -> Floats:
        """Return features, (example, feature), each in units of its row; NaN where unknown."""
        unit = _units(history)[row]
        columns = [lead + 0.0, np.log(unit)]
        columns += [_at(history, origin - lag, row) / unit for lag in RECENT_LAGS]
        for season in self._task.season_lengths or (1,):
            mean = _running_mean(history, season)
            columns += [(origin + lead) % season + 0.0, _at(mean, origin, row) / unit]
            newest = origin + lead - season * -(-lead // season)
            back = range(SEASONS_BACK)
            columns += [_at(history, newest - k * season, row) / unit for k in back]
        return np.column_stack(columns)


def _at(values: Floats, bins: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """Return single values; NaN before the first bin."""
    return np.where(bins >= 0, values[np.maximum(bins, 0), rows], np.nan)


def _units(history: Floats) -> Floats:
    """Return the mean of each row, (row,); NaN where it is not above 0."""
    known = np.isfinite(history)
    mean = np.where(known, history, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(mean > 0, mean, np.nan)


def _running_mean(history: Floats, n_bins: int) -> Floats:
    """Return the mean of the known among the last bins, (bin, row); NaN where none is."""
    known = np.isfinite(history)
    sums, counts = (
        _over(np.cumsum(part, axis=0), n_bins) for part in (np.where(known, history, 0.0), known)
    )
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _over(total: Floats, n_bins: int) -> Floats:
    """Return sums over the last bins of running sums from the first one on."""
    sums = total.astype(float)
    sums[n_bins:] -= total[:-n_bins]
    return sums
