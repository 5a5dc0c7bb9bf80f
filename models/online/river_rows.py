"""River regressors that are object graphs, kept as the rows they learnt from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays

__all__ = ["ReplayedRegressor"]

Rows = NDArray[np.float64]  # (row, feature)


class ReplayedRegressor:
    """A River regressor whose state is the rows it learnt from, in their order.

    River's trees and forests cannot be laid out as arrays, and what is not arrays is not read from
    a checkpoint: pickles run code. But the same rows make the same model. So the rows are kept, and
    a restored model learns them again. That they stay few, a younger model learns beside the elder
    and takes over from time to time.

    Parameters
    ----------
    make
        Returns a River regressor that has learnt nothing; each like the other, its seed too.
    most_rows
        Rows that are kept: the most that are learnt until the younger model has taken over twice.
    """

    def __init__(self, make: Callable[[], Any], n_features: int, most_rows: int) -> None:
        self._make = make
        self._rows = np.zeros((most_rows, n_features + 1))  # of the elder; targets last
        self._begin(0, 0)

    def _begin(self, elder: int, younger: int) -> None:
        """Learn the first ``elder`` rows that are kept, the last ``younger`` of them twice."""
        self._models = [self._make(), self._make()]
        self._learnt = [0, 0]  # rows, of elder and younger
        for place, n_rows in enumerate((elder, younger)):
            self._learn(place, self._rows[elder - n_rows : elder])

    def learn(self, features: Rows, target: NDArray[np.float64]) -> None:
        """Learn rows one by one: features (row, feature), targets (row,), all finite."""
        rows = np.column_stack([features, target])
        self._rows[self._learnt[0] : self._learnt[0] + len(rows)] = rows
        for place in (0, 1):
            self._learn(place, rows)

    def _learn(self, place: int, rows: Rows) -> None:
        for row in rows:
            self._models[place].learn_one(_named(row[:-1]), float(row[-1]))
        self._learnt[place] += len(rows)

    def predict(self, features: Rows) -> NDArray[np.float64]:
        """Return predictions, (row,), of features (row, feature); 0 before the first row."""
        if not self._learnt[0]:
            return np.zeros(len(features))
        elder = self._models[0]
        said = np.array([elder.predict_one(_named(row)) for row in features], np.float64)
        return np.nan_to_num(said)

    def take_over(self) -> None:
        """Let the younger model be the elder, and begin another."""
        elder, younger = self._learnt
        self._rows = np.roll(self._rows, younger - elder, axis=0)
        self._rows[younger:] = 0.0
        self._models = [self._models[1], self._make()]
        self._learnt = [younger, 0]

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"rows": self._rows.copy(), "learnt": np.array(self._learnt, np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of: learn its rows again."""
        self._rows = arrays["rows"].copy()
        self._begin(*arrays["learnt"].tolist())


def _named(row: NDArray[np.float64]) -> dict[int, float]:
    """Return a row as River takes it."""
    return dict(enumerate(row.tolist()))
