"""Experts that expect a bin of the departures before it, in the cell and around it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful
from tidecast.models.covariates import Covariates
from tidecast.models.online.space_time import Cells, Near, SpaceTime, Terms
from tidecast.models.online.standard import CLIP, departures, means_of
from tidecast.models.online.unrolled import unrolled
from tidecast.models.parts import Parts, added, scaled, usual_parts, within
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Autoregression", "Coefficients"]


class Coefficients(Protocol):
    """What terms weigh, learnt bin by bin."""

    def expect(self, terms: Terms) -> Cells:
        """Return the departures, (cell, series), that terms lead to."""

    def of_cell(self, cell: int) -> NDArray[np.float64]:
        """Return the coefficients of a cell, (series, term)."""

    def learn(self, terms: Terms, came: Cells, near: Near) -> int:
        """Learn that these ``terms`` led to what ``came``, NaN = unknown; return new resets."""

    def grow(self, n_cells: int) -> None:
        """Take in new cells."""

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""


class Autoregression(Stateful):
    """Departures from the usual week, each expected from those before it by `SpaceTime` terms.

    One bin ahead is learnt; farther ones are reached step by step, each from those expected before
    it. Departures are in scales of the cell and clipped, so that a burst teaches little.
    """

    name: str

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._space = SpaceTime(profile.n_series, profile.short_season)
        self._coefficients = self._make_coefficients(profile.n_series, len(self._space.names))
        self._last_bin = -1
        self._spread = Spread(profile.n_series)

    def _make_coefficients(self, n_series: int, n_terms: int) -> Coefficients:
        """Return coefficients that have learnt nothing."""
        raise NotImplementedError

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn from what came after the terms of the bin before."""
        self._grow(len(slab.values))
        self._space.skip(slab.bin - self._last_bin - 1 if self._last_bin >= 0 else 0)
        self._last_bin = slab.bin
        terms = self._space.terms(covariates.neighbours)
        expected = self._coefficients.expect(terms)
        came = departures(slab, covariates)
        self._spread.learn((came - expected) * covariates.scale)
        self.resets += self._coefficients.learn(terms, came, covariates.neighbours)
        self._space.learn(came, expected)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        expect = self._coefficients.expect
        ahead = self._space.ahead(self._horizon, covariates.neighbours, expect)
        scale = self._spread.over_leads(covariates.scale, self._horizon)
        return means_of(ahead, covariates), scale

    def _grow(self, n_cells: int) -> None:
        self._space.grow(n_cells)
        self._coefficients.grow(n_cells)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week, and the terms of the departure from it."""
        usual, near = usual_parts(covariates, cell), covariates.neighbours
        if cell >= self._space.n_cells:  # nothing was learnt yet
            return usual
        met: list[Cells] = []  # the terms of the cell at each lead, (term, series)

        def expect(terms: Terms) -> Cells:
            met.append(terms[:, cell])
            return self._coefficients.expect(terms)

        self._space.ahead(self._horizon, near, expect)
        weights = self._coefficients.of_cell(cell).T  # (term, series)
        lags, parts = self._space.lags, self._space.parts
        departure = unrolled(weights, np.stack(met), lags, parts)
        scale = covariates.scale[cell][:, None]
        return added(usual, scaled(within(departure, -CLIP, CLIP), scale))

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        own = {"last_bin": np.array(self._last_bin, np.int64)}
        return {**super().snapshot(), **own, "resets": np.array(self.resets, np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        super().restore(arrays)
        self._last_bin = int(arrays["last_bin"])
        self.resets = int(arrays["resets"])

    def _members(self) -> dict[str, Part]:
        return {
            "space": self._space,
            "coefficients": self._coefficients,
            "spread": self._spread,
        }
