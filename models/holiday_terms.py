"""Terms of holidays: which cells keep one on a bin, and what kind of day it is to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.cells import Cell
from tidecast.state.holidays import Holidays

__all__ = ["HolidayTerms"]

Cells = NDArray[np.float64]  # (cell, series)

SUNDAY = 6
PRIOR = {"holiday": 4.0, "as_sunday": 4.0, "bridge": 48.0, "eve": 48.0, "day_after": 48.0}
"""Terms, and the precision of their effects before any is known: days around holidays do less,
and one of them tells little of the next."""


class HolidayTerms:
    """Holidays of the shop, and of the regions that keep others, as terms of cells.

    All share the effects: a holiday of one region tells what holidays do in the others. Without
    any there are no terms.
    """

    def __init__(self, profile: ForecastProfile, calendar: Calendar) -> None:
        self._calendar = calendar
        self._shop = profile.holidays
        self._of_region = dict(profile.region_holidays)
        codes = dict.fromkeys((*self._of_region.values(), *filter(None, [self._shop])))
        self._holidays = {code: Holidays(code) for code in codes}
        self._keep = {code: np.zeros(0, bool) for code in codes}
        self.prior = PRIOR if codes else {}

    def meet(self, cells: Sequence[Cell]) -> None:
        """Find out whose holidays each of ``cells`` keeps."""
        kept = np.array([self._of_region.get(cell.region, self._shop) for cell in cells], object)
        self._keep = {code: kept == code for code in self._holidays}

    def of(self, bin_: int, usual: UsualWeek, level: Cells) -> NDArray[np.float64]:
        """Return the terms of a bin, (term, cell, series), 0 = as usual; cells as last met."""
        names = list(self.prior)
        terms = np.zeros((len(names), *level.shape))
        day = self._calendar.grid.local(bin_).date()
        for code, holidays in self._holidays.items():
            if kind := holidays.kind(day):
                terms[names.index(kind), self._keep[code]] = 1.0
            if kind == "holiday":
                as_sunday = _sunday(bin_, usual, level)[self._keep[code]]
                terms[names.index("as_sunday"), self._keep[code]] = as_sunday
        return terms

    def are_kept(self, terms: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which cells have a holiday, (cell, series), by terms of which ours are first."""
        return terms[0] == 1.0 if self.prior else np.zeros(terms.shape[1:], bool)


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
