"""Leading streams: clicks lead orders, orders lead deliveries, by lags that the data tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.lag_choice import LagChoice
from tidecast.models.online.lagged_squares import LaggedSquares
from tidecast.models.online.leading_columns import Columns
from tidecast.models.online.leading_rows import LeadingRows
from tidecast.models.parts import Parts, added, scaled, usual_parts, within
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["LeadingExpert"]

MOST_ROWS = 1000
"""Cells learnt from in a bin; of more, another part in every bin."""

REVIEW = 6
"""Bins from one choice of lags to the next."""

Values = NDArray[np.float32]
Table = NDArray[np.float64]  # (series, lead, column)


class LeadingExpert(Stateful):
    """Linear models of a series on what other series did before, shared by all cells.

    There is one per series and lead h, of the departure from the usual week (`LeadingRows`), on the
    own past and on the few departures of other series, h bins before the target or more, that tell
    what the own past does not (`LagChoice`). A series that none leads, as the only one there is,
    is not spoken of: the expert sleeps. What leads is chosen anew every few bins, from a week on.
    """

    name = "leading"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._series = profile.series
        self._horizon = profile.horizon
        calendar = Calendar(profile.grid)
        self._young = calendar.n_slots * calendar.bins_per_slot  # a week
        self._columns = Columns.of(profile)
        self._rows = LeadingRows(profile)
        self._squares = LaggedSquares(self._columns, calendar.bins_per_slot)
        self._choice = LagChoice(self._columns)
        self._spread = Spread(profile.n_series)
        self._learnt = 0

    @property
    def lags(self) -> dict[str, tuple[frozenset[tuple[str, int]], ...]]:
        """Of each series, by lead: the streams that lead it, and by how many bins before it."""
        n_lags = self._columns.n_lags
        return {
            name: tuple(
                frozenset(
                    (self._series[place // n_lags], place % n_lags + 1)
                    for place in np.flatnonzero(chosen).tolist()
                )
                for chosen in of_series
            )
            for name, of_series in zip(self._series, self._choice.chosen, strict=True)
        }

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Add the rows of the bin to the sums, and now and then choose the lags."""
        if len(self._series) < 2:
            return
        self._spread.learn(self._rows.learn(slab.bin, slab.values, covariates))
        stride = max(1, -(-len(slab.values) // MOST_ROWS))
        part = slice((slab.bin + slab.bin // 24) % stride, None, stride)
        rows = self._rows.of_newest(window, covariates, part, self._young)
        self._choice.learn(rows, self._squares)
        self._squares.learn(rows)
        self._learnt += 1
        if self._learnt % REVIEW == 0:
            self._choice.choose(self._squares)

    def forecast(self, window: Window, covariates: Covariates) -> tuple[Values, Values]:
        """Return mean and scale, each (series, cell, lead); scale > 0; NaN where none leads."""
        mean = np.full((*covariates.level.T.shape, self._horizon), np.nan, np.float32)
        led = np.flatnonzero(self._choice.chosen.any(axis=(1, 2)))
        if len(led) and len(covariates.level):
            mean[led] = np.maximum(self._mean(led, self._coefficients(), window, covariates), 0.0)
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def _coefficients(self) -> Table:
        """Return the coefficients of all columns, of lags not chosen 0."""
        places = np.concatenate([self._columns.own, self._choice.places()], axis=2)
        return self._columns.dense(places, self._squares.solve(places))

    def _mean(
        self, led: NDArray[np.int64], table: Table, window: Window, covariates: Covariates
    ) -> Values:
        """Return what coefficients say of some series, ``led``: (series, cell, lead)."""
        columns, rows = self._columns, self._rows
        departs = rows.ratio.T[led, :, None] * np.ones(self._horizon, np.float32)
        ratio, total = (
            np.diagonal(table[led][:, :, block], axis1=1, axis2=2).astype(np.float32)[:, None]
            for block in (columns.ratio, columns.total)
        )  # (series, 1, lead)
        modelled = departs[:, :, : columns.n_leads]
        modelled *= ratio
        modelled += rows.total[led, None, None] * total
        known = rows.departures.reshape(len(covariates.level), -1)
        modelled += known @ self._since_origin(table[led]).transpose(0, 2, 1)
        mean = covariates.usual_ahead.transpose(2, 1, 0)[led] * (1.0 + departs)
        for place, season in enumerate(columns.seasons, columns.season.start):
            for lead in range(1, min(columns.n_leads, season) + 1):
                usual = covariates.usual_ahead[lead - 1]
                before = np.nan_to_num(window.lag(season - lead) - usual).T[led]
                mean[:, :, lead - 1] += table[led, lead - 1, place, None] * before
        return np.asarray(mean, np.float32)

    def _since_origin(self, table: Table) -> Values:
        """Return the coefficients of departures by how long before the origin they were.

        They are (series, lead, column), of the series and lags of `LeadingRows.departures`.
        """
        columns = self._columns
        by_lag = table[..., columns.lags].reshape(*table.shape[:2], -1, columns.n_lags)
        shifted = np.zeros(by_lag.shape, np.float32)
        for place in range(columns.n_leads):
            shifted[:, place, :, : columns.n_lags - place] = by_lag[:, place, :, place:]
        return shifted.reshape(*table.shape[:2], -1)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week, and what its departure owes to whom."""
        usual = usual_parts(covariates, cell)
        led = self._choice.chosen.any(axis=(1, 2))
        if not led.any():
            return scaled(usual, np.nan)
        table = self._coefficients()
        departure = scaled(self._departs(table, cell), usual["level"] + usual["season"])
        before = {"season": self._seasonal(table, window, covariates, cell)}
        told = within(added(usual, departure, before), 0.0, np.inf)
        return scaled(told, np.where(led, 1.0, np.nan)[:, None])

    def _departs(self, table: Table, cell: int) -> Parts:
        """Return the parts of a cell's departure, over what is usual: (series, lead) each."""
        columns, rows, n = self._columns, self._rows, self._columns.n_leads
        recent = np.repeat(rows.ratio[cell][:, None].astype(np.float64), self._horizon, axis=1)
        others, leading = np.zeros((2, *recent.shape))
        recent[:, :n] *= np.diagonal(table[:, :, columns.ratio], axis1=1, axis2=2)
        others[:, :n] = np.diagonal(table[:, :, columns.total], axis1=1, axis2=2)
        others *= rows.total[:, None]
        terms = self._since_origin(table) * rows.departures[cell].ravel()
        by_series = terms.reshape(*terms.shape[:2], len(recent), -1).sum(axis=-1)
        own = np.einsum("sls->sl", by_series)
        recent[:, :n] += own
        leading[:, :n] = by_series.sum(axis=-1) - own
        return {"recent": recent, "neighbours": others, "leading_stream": leading}

    def _seasonal(
        self, table: Table, window: Window, covariates: Covariates, cell: int
    ) -> NDArray[np.float64]:
        """Return what came seasons before adds to the forecast of a cell, (series, lead)."""
        found = np.zeros((len(table), self._horizon))
        for place, season in enumerate(self._columns.seasons, self._columns.season.start):
            for lead in range(1, min(self._columns.n_leads, season) + 1):
                away = window.lag(season - lead)[cell] - covariates.usual_ahead[lead - 1, cell]
                found[:, lead - 1] += table[:, lead - 1, place] * np.nan_to_num(away)
        return found

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        own = {"learnt": np.array(self._learnt, np.int64)}
        return {**super().snapshot(), **own, "resets": np.array(self.resets, np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        super().restore(arrays)
        self._learnt, self.resets = int(arrays["learnt"]), int(arrays["resets"])

    def _members(self) -> dict[str, Part]:
        return {
            "rows": self._rows,
            "squares": self._squares,
            "choice": self._choice,
            "spread": self._spread,
        }
