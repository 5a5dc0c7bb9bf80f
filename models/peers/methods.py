"""Methods of Nixtla's statsforecast, by their own names; they need the extra "peers"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tidecast.models.peers.peer import Floats, PeerTask
from tidecast.models.peers.stand_in import around
from tidecast.models.peers.univariate import Method

__all__ = ["METHODS"]

LONG = 150
"""Bins from which AutoARIMA compares orders by approximate likelihoods, as in R's forecast."""


class Forwarded:
    """A model whose parameters are fitted once and then applied to longer rows.

    Intervals are the model's own; mean and median are the same.
    """

    def __init__(self, make: Callable[[int], Any], task: PeerTask) -> None:
        self._make = make
        self._task = task
        self._shares = [_share_of(level) for level in task.quantile_levels]

    def fit(self, values: Floats) -> None:
        """See `Method.fit`."""
        self._model = self._make(len(values))
        self._model.fit(values)

    def forecast(self, values: Floats) -> Floats:
        """See `Method.forecast`."""
        shares = sorted({share for _, share in self._shares if share})
        said = self._model.forward(y=values, h=self._task.horizon, level=shares)
        names = [f"{side}-{share}" if share else "mean" for side, share in self._shares]
        return np.column_stack([np.asarray(said[name]) for name in ("mean", *names)])


class Croston:
    """Croston's method with the correction of Syntetos and Boylan (2005); it fits nothing.

    Its smoothing is fixed, so what is fitted are quantiles: those of its errors one bin ahead.
    """

    def __init__(self, task: PeerTask) -> None:
        from statsforecast.models import CrostonSBA

        self._task = task
        self._model = CrostonSBA()

    def fit(self, values: Floats) -> None:
        """See `Method.fit`."""
        errors = values - self._model.forecast(y=values, h=1, fitted=True)["fitted"]
        self._errors = errors[np.isfinite(errors)]

    def forecast(self, values: Floats) -> Floats:
        """See `Method.forecast`."""
        mean = self._model.forecast(y=values, h=self._task.horizon)["mean"]
        return around(np.asarray(mean), self._errors, self._task)


def _share_of(level: float) -> tuple[str, float]:
    """Return the side and per cent of the central interval that ends at a quantile level."""
    share = round(200 * abs(level - 0.5), 6)
    return ("lo" if level < 0.5 else "hi"), int(share) if share == int(share) else share


def _auto_ets(task: PeerTask) -> Method:
    from statsforecast.models import AutoETS

    return Forwarded(lambda _: AutoETS(season_length=task.season), task)


def _auto_arima(task: PeerTask) -> Method:
    from statsforecast.models import AutoARIMA

    return Forwarded(lambda n: AutoARIMA(season_length=task.season, approximation=n > LONG), task)


def _mstl(task: PeerTask) -> Method:
    from statsforecast.models import MSTL

    def make(n_bins: int) -> Any:
        whole = [season for season in task.season_lengths if 2 * season < n_bins]
        return MSTL(season_length=whole or [task.season])

    return Forwarded(make, task)


METHODS: dict[str, Callable[[PeerTask], Method]] = {
    "AutoETS": _auto_ets,
    "AutoARIMA": _auto_arima,
    "MSTL": _mstl,
    "Croston": Croston,
}
