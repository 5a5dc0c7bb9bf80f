"""Outlook: what is known of the bins ahead that moves demand, and by how much it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful, grown
from tidecast.models.covariates import Calendar
from tidecast.models.deviations import Deviations
from tidecast.models.effects import LARGEST, TELLING, Effects
from tidecast.models.holiday_terms import HolidayTerms
from tidecast.models.parts import Parts, grouped, over_leads, within
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Moves", "Outlook"]

Cells = NDArray[np.float64]  # (cell, series)

OF_COVARIATE = 4.0
"""Precision of a covariate's effect before any is known: nothing, give or take a half."""


@dataclass(frozen=True)
class Moves:
    """What moves values, as is known ahead: factors of a bin, and of those ahead.

    ``now`` is (cell, series), ``ahead`` (lead, cell, series).
    """

    now: NDArray[np.float32]
    ahead: NDArray[np.float32]


class Outlook(Stateful):
    """Factors on demand by what is known ahead: holidays, the days around them, and covariates.

    Values are divided by the factor of their bin before anything is learnt from them, and
    forecasts are multiplied by that of their target: so every expert lives in a world without
    holidays and promotions, and bursts, levels and lags are told from what was to be expected.
    Without anything known ahead all factors are exactly 1.
    """

    def __init__(self, profile: ForecastProfile, calendar: Calendar, known: CovariateTable) -> None:
        self._calendar = calendar
        self._horizon = profile.horizon
        self._holidays = HolidayTerms(profile, calendar)
        self._known = known
        self.names = (*self._holidays.prior, *self._known.names)
        prior = (*self._holidays.prior.values(), *[OF_COVARIATE] * len(self._known.names))
        self._columns = self._known.columns(())
        self._columns_of: object = None  # covariates and how many cells
        self._deviations = Deviations(len(self._known.names), profile.grid.nominal_width)
        self._effects = Effects(profile, prior)
        n_bins = profile.context_length if self.names or profile.is_of_sums else 1
        self._factors = Window(n_bins, profile.n_series)

    def learn(
        self,
        slab: Slab,
        cells: Sequence[Cell],
        usual: UsualWeek,
        level: Cells,
        reach: Cells,
        out: NDArray[np.bool_],
    ) -> None:
        """Learn from a bin, as it came, what moved it.

        ``usual`` has not learnt from the bin, nor has ``level``, (cell, series). Nothing beyond
        ``reach`` is believed, nor what comes of those that are ``out``, (cell, series): but on a
        holiday it is the shop that is shut.
        """
        if not self.names:
            return
        n_cells, bins = len(slab.values), range(slab.bin, slab.bin + 1)
        level, reach = grown(level, n_cells), grown(reach, n_cells, fill=np.inf)
        self.meet(cells)
        known = self._known_of(bins, slab.bin)[:, 0]
        fixed = np.ones(len(self._holidays.prior))
        self._effects.rescale(np.concatenate([fixed, self._deviations.widen(known)]))
        expected = usual.of(bins, level)[0].astype(np.float64)
        terms = self._terms(slab.bin, known, usual, level)
        heard = np.where(out & ~self._holidays.are_kept(terms), np.nan, slab.values)
        self._effects.learn(np.minimum(heard, reach), expected, terms)
        self._factors.append(slab.bin, self._effects.factors(terms))
        self._deviations.learn(known)

    def hear(self, bin_: int, factors: NDArray[np.float32]) -> None:
        """Take the factors of a bin, (cell, series), from somebody who knows; learn nothing."""
        self._factors.append(bin_, factors)

    @property
    def now(self) -> NDArray[np.float32]:
        """The factors of the last bin, (cell, series), or broadcast to it."""
        if self._factors.last_bin is None:
            return np.ones((1, 1), np.float32)
        return self._factors.lag(0)

    def meet(self, cells: Sequence[Cell]) -> None:
        """Find out what is known of ``cells``, if there is more than before, or are more."""
        if self._columns_of != (self._known.covariates, len(cells)):
            self._columns_of = self._known.covariates, len(cells)
            self._columns = self._known.columns(cells)
            self._holidays.meet(cells)

    def without(self, bin_: int, values: Cells) -> Cells:
        """Return the values of a bin as they would have come without what moved it.

        NaN where hardly anything was to be expected: that tells nothing.
        """
        last = self._factors.last_bin
        if last is None or last < bin_:
            return values
        factors = grown(self._factors.lag(last - bin_), len(values), fill=np.nan)[: len(values)]
        factors = factors.astype(np.float64)
        factors[np.isnan(factors)] = 1.0
        return np.where(factors < TELLING, np.nan, values / np.fmax(factors, TELLING))

    def ahead(self, origin: int, usual: UsualWeek, level: Cells) -> NDArray[np.float32]:
        """Return the factors of the bins after ``origin``, by what is known then.

        They are (lead, cell, series), or broadcast to it.
        """
        if not self.names:
            return np.ones((self._horizon, 1, 1), np.float32)
        bins = range(origin + 1, origin + 1 + self._horizon)
        known = self._known_of(bins, origin)
        factors = [
            self._effects.factors(self._terms(bin_, known[:, lead], usual, level))
            for lead, bin_ in enumerate(bins)
        ]
        return np.stack(factors).astype(np.float32)

    def explain(self, origin: int, usual: UsualWeek, level: Cells, cell: int) -> Parts:
        """Return what moves the factors of a cell, as `ahead` gives them, from 1."""
        if not self.names:
            return {}
        bins = range(origin + 1, origin + 1 + self._horizon)
        known = self._known_of(bins, origin)
        parts = ["calendar"] * len(self._holidays.prior) + ["covariate"] * len(known)
        leads = []
        for lead, bin_ in enumerate(bins):
            terms = self._terms(bin_, known[:, lead], usual, level)[:, cell]
            leads.append(grouped(self._effects.moves(terms), parts))
        return within(over_leads(leads), -1.0, LARGEST - 1.0)

    def _known_of(self, bins: range, origin: int) -> NDArray[np.float64]:
        """Return the covariates of bins as known at an origin: (covariate, bin, cell)."""
        return self._known.at(bins, self._columns, self._calendar.grid.end(origin))

    def _terms(
        self, bin_: int, known: NDArray[np.float64], usual: UsualWeek, level: Cells
    ) -> NDArray[np.float64]:
        """Return the terms of a bin, (term, cell, series), 0 = as usual.

        ``known``, (covariate, cell), is what is known of its covariates.
        """
        deviations = np.broadcast_to(
            self._deviations.of(known)[:, :, None], (len(known), *level.shape)
        )
        return np.concatenate([self._holidays.of(bin_, usual, level), deviations])

    def _members(self) -> dict[str, Part]:
        return {
            "deviations": self._deviations,
            "effects": self._effects,
            "factors": self._factors,
        }
