"""Methods fitted row by row, and what stands in where they cannot be."""

from __future__ import annotations

import numpy as np
from rivals import TASK

from tidecast.models.peers.peer import Floats
from tidecast.models.peers.stand_in import seasonal_naive
from tidecast.models.peers.univariate import Univariate


class Mean:
    """Says the mean of what it was fitted to; refuses rows above 1000, and breaks above 100."""

    def fit(self, values: Floats) -> None:
        if values.max() > 1000:
            raise Exception("no model able to be fitted")
        self.n_bins = len(values)
        self.mean = np.nan if values.max() > 100 else values.mean()

    def forecast(self, values: Floats) -> Floats:
        assert len(values) >= self.n_bins
        return np.full((3, 4), self.mean)


def history(*rows: Floats) -> Floats:
    return np.stack(rows, axis=1)


UP_AND_DOWN = np.resize([1.0, 3.0], 28)


def test_a_method_says_what_it_was_fitted_to() -> None:
    peer = Univariate(Mean, TASK)
    assert peer.fit(history(UP_AND_DOWN, 5 * UP_AND_DOWN)) == 0
    said = peer.forecast(np.array([[9.0, 9.0]]))
    assert said[:, :, 0].tolist() == [[2.0] * 3, [10.0] * 3]


def test_the_seasonal_naive_stands_in_where_a_method_fails() -> None:
    rows = (UP_AND_DOWN, 2000 * UP_AND_DOWN, 50 * UP_AND_DOWN, np.full(28, 4.0))
    young = np.where(np.arange(28) < 20, np.nan, UP_AND_DOWN)
    peer = Univariate(Mean, TASK)
    assert peer.fit(history(*rows, young)) == 2  # one refused, one young; constants need no fit
    said = peer.forecast(np.zeros((0, 5)))
    assert said[0, 0, 0] == 2.0
    for place, row in ((1, rows[1]), (2, rows[2]), (3, rows[3]), (4, young[20:])):
        assert said[place].tolist() == seasonal_naive(row, TASK).tolist()


def test_a_row_that_came_since_the_fit_is_answered() -> None:
    peer = Univariate(Mean, TASK)
    peer.fit(history(UP_AND_DOWN))
    said = peer.forecast(np.array([[1.0, 8.0]]))
    assert said.shape == (2, 3, 4)
    assert (said[1] == 8.0).all()
