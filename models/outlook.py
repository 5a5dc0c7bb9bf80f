"""Outlook: what is known of the bins ahead that moves demand, and by how much it does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown, nested, scoped
from tidecast.models.covariates import Calendar
from tidecast.models.deviations import Deviations
from tidecast.models.effects import LARGEST, TELLING, Effects
from tidecast.models.parts import Parts, grouped, over_leads, within
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.holidays import Holidays
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Outlook"]

Cells = NDArray[np.float64]  # (cell, series)

SUNDAY = 6
OF_HOLIDAYS = {"holiday": 4.0, "as_sunday": 4.0, "bridge": 16.0, "eve": 16.0, "day_after": 16.0}
"""Terms, and the precision of their effects before any is known: days around holidays do less."""


OF_COVARIATE = 4.0
"""Precision of a covariate's effect before any is known: nothing, give or take a half."""


class Outlook:
    """Factors on demand by what is known ahead: holidays, the days around them, and covariates.

    Values are divided by the factor of their bin before anything is learnt from them, and
    forecasts are multiplied by that of their target: so every expert lives in a world without
    holidays and promotions, and bursts, levels and lags are told from what was to be expected.
    Without anything known ahead all factors are exactly 1.
    """

    def __init__(
        self, profile: ForecastProfile, calendar: Calendar, known: CovariateTable | None = None
    ) -> None:
        self._calendar = calendar
        self._horizon = profile.horizon
        self._holidays = Holidays(profile.holidays) if profile.holidays else None
        self._known = known or CovariateTable()
        of_holidays = OF_HOLIDAYS if self._holidays else {}
        self.names = (*of_holidays, *self._known.names)
        prior = (*of_holidays.values(), *[OF_COVARIATE] * len(self._known.names))
        self._columns = self._known.columns(())
        self._deviations = Deviations(len(self._known.names), profile.grid.nominal_width)
        self._effects = Effects(profile, prior)
        self._factors = Window(profile.context_length if self.names else 1, profile.n_series)

    def learn(
        self, slab: Slab, cells: Sequence[Cell], usual: UsualWeek, level: Cells, reach: Cells
    ) -> None:
        """Learn from a bin, as it came, what moved it.

        ``usual`` has not learnt from the bin, nor has ``level``, (cell, series). Nothing beyond
        ``reach`` is believed.
        """
        if not self.names:
            return
        n_cells, bins = len(slab.values), range(slab.bin, slab.bin + 1)
        level, reach = grown(level, n_cells), grown(reach, n_cells, fill=np.inf)
        self.meet(cells)
        known = self._known_of(bins, slab.bin)[:, 0]
        n_fixed = len(self.names) - len(known)
        self._effects.rescale(np.concatenate([np.ones(n_fixed), self._deviations.widen(known)]))
        expected = usual.of(bins, level)[0].astype(np.float64)
        terms = self._terms(slab.bin, known, usual, level)
        self._effects.learn(np.minimum(slab.values, reach), expected, terms)
        self._factors.append(slab.bin, self._effects.factors(terms))
        self._deviations.learn(known)

    def meet(self, cells: Sequence[Cell]) -> None:
        """Find out what is known of ``cells``, if there are more than before."""
        if self._columns.shape[1] != len(cells):
            self._columns = self._known.columns(cells)

    def without(self, bin_: int, values: Cells) -> Cells:
        """Return the values of a bin as they would have come without what moved it.

        NaN where hardly anything was to be expected: that tells nothing.
        """
        back = 0 if self._factors.last_bin is None else self._factors.last_bin - bin_
        if not self.names or back < 0:
            return values
        factors = grown(self._factors.lag(back), len(values), fill=np.nan)[: len(values)]
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
        of_holidays = len(self.names) - len(known)
        parts = ["calendar"] * of_holidays + ["covariate"] * len(known)
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
        terms = np.zeros((len(self.names), *level.shape))
        terms[len(terms) - len(known) :] = self._deviations.of(known)[:, :, None]
        if self._holidays is not None:
            day = self._calendar.grid.local(bin_).date()
            if kind := self._holidays.kind(day):
                terms[self.names.index(kind)] = 1.0
            if kind == "holiday":
                terms[self.names.index("as_sunday")] = _sunday(bin_, usual, level)
        return terms

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return nested({name: part.snapshot() for name, part in self._parts().items()})

    def restore(self, arrays: Arrays) -> None:
        """Become the outlook that ``snapshot`` was taken of."""
        for name, part in self._parts().items():
            part.restore(scoped(arrays, name))

    def _parts(self) -> dict[str, Deviations | Effects | Window]:
        return {
            "deviations": self._deviations,
            "effects": self._effects,
            "factors": self._factors,
        }


def _sunday(bin_: int, usual: UsualWeek, level: Cells) -> Cells:
    """Return how much more is usual of the hour on a Sunday, as a share of what is usual now.

    Small cells lean on what is so of all cells of the series.
    """
    own = usual.of(range(bin_, bin_ + 1), level)[0].astype(np.float64)
    other = usual.as_on(SUNDAY, bin_, level).astype(np.float64)
    total, total_other = own.sum(axis=0), other.sum(axis=0)
    pseudo = np.fmax(own.mean(axis=0), 1e-9)
    ratio = np.where(total > 0.0, total_other / np.where(total > 0.0, total, 1.0), 1.0)
    share = (other + pseudo * ratio) / (own + pseudo) - 1.0
    return np.asarray(np.clip(share, -1.0, 4.0))
