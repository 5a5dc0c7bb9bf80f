"""Peers that forecast every row by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import zip_longest
from typing import Protocol

import numpy as np

from tidecast.models.peers.peer import Floats, PeerTask
from tidecast.models.peers.rows import filled, joined
from tidecast.models.peers.stand_in import seasonal_naive

__all__ = ["Method", "Univariate"]

logger = logging.getLogger(__name__)

SEASONS_NEEDED = 2
"""Shortest seasons that a row must know before it is fitted to."""


class Method(Protocol):
    """One model of one row."""

    def fit(self, values: Floats) -> None:
        """Fit to a row, (bin,), without gaps."""
        ...

    def forecast(self, values: Floats) -> Floats:
        """Return mean and quantiles, (lead, 1 + level), by the fit.

        ``values`` begin with those of the fit and go on after them.
        """
        ...


class Univariate:
    """A method fitted to every row apart; the seasonal naive stands in where it cannot be.

    That is where a row is too young or never changes, and where the method fails or says something
    that is no number.
    """

    def __init__(self, make: Callable[[], Method], task: PeerTask) -> None:
        self._make = make
        self._task = task
        self._history = np.zeros((0, 0))
        self._methods: list[Method | None] = []

    def fit(self, history: Floats) -> int:
        """See `Peer.fit`; rows that never change need no fit."""
        self._history = history
        rows = [filled(row, self._task.season) for row in history.T]
        self._methods = [self._fitted(row) for row in rows]
        unfit = [row for row, method in zip(rows, self._methods, strict=True) if method is None]
        return sum(not _is_constant(row) for row in unfit)

    def _fitted(self, row: Floats) -> Method | None:
        if len(row) < SEASONS_NEEDED * self._task.season or _is_constant(row):
            return None
        method = self._make()
        try:
            method.fit(row)
        except Exception:  # the edge: foreign methods raise bare ones
            logger.debug("no fit to %d bins", len(row), exc_info=True)
            return None
        return method

    def forecast(self, since: Floats) -> Floats:
        """See `Peer.forecast`."""
        rows = joined(self._history, since).T
        methods = zip_longest(rows, self._methods)  # rows that came since have none
        said = [self._said(row, method) for row, method in methods]
        shape = (len(rows), self._task.horizon, 1 + len(self._task.quantile_levels))
        return np.reshape(said, shape)

    def _said(self, row: Floats, method: Method | None) -> Floats:
        """Return mean and quantiles of one row, (lead, 1 + level)."""
        values = filled(row, self._task.season)
        if method is not None:
            try:
                said = np.maximum(method.forecast(values), 0.0)
            except Exception:  # the edge: foreign methods raise bare ones
                logger.debug("no forecast of %d bins", len(values), exc_info=True)
            else:
                if np.isfinite(said).all():
                    said[:, 1:] = np.maximum.accumulate(said[:, 1:], axis=1)
                    return said
        return seasonal_naive(values, self._task)


def _is_constant(row: Floats) -> bool:
    return not len(row) or bool(row.min() == row.max())
