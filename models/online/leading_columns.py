"""Columns of the regressions of leading streams: what a bin may owe to earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidecast.models.profile import ForecastProfile

__all__ = ["Columns", "Places"]

Places = NDArray[np.int64]  # (series, lead, column)

MOST_LEADS = 26
"""Leads that are modelled; of those beyond, the adapted week is all that is said."""

OWN_LAGS = 6
"""Own departures before an origin that are accounted for before another stream is asked."""


@dataclass(frozen=True)
class Columns:
    """Where a regression has its columns: earlier departures of all series, and what is own.

    Column 0 is nothing, always 0. Then come departures 1 to ``n_lags`` bins before the target, of
    every series in turn; then the target's own: the ratio of its adapted week and how all cells
    together went, both 1 to ``n_leads`` bins before; what came one of the ``seasons`` before; and
    last what is to be explained.
    """

    n_series: int
    n_leads: int
    seasons: tuple[int, ...]

    @classmethod
    def of(cls, profile: ForecastProfile) -> Columns:
        """Return the columns under ``profile``."""
        ends = {*profile.season_lengths[:1], *profile.season_lengths[-1:]}
        return cls(profile.n_series, min(profile.horizon, MOST_LEADS), tuple(sorted(ends)))

    @property
    def n_lags(self) -> int:
        """Bins back from a target that departures are looked at."""
        return self.n_leads + OWN_LAGS - 1

    @property
    def lags(self) -> slice:
        """Departures of all series."""
        return self._blocks[0]

    @property
    def ratio(self) -> slice:
        """The ratio of the target's adapted week, less 1, by how long ago it was so."""
        return self._blocks[1]

    @property
    def total(self) -> slice:
        """How all cells of the target's series together went, by how long ago it was so."""
        return self._blocks[2]

    @property
    def season(self) -> slice:
        """What came one of the seasons before."""
        return self._blocks[3]

    @property
    def width(self) -> int:
        """All columns."""
        return int(self.season.stop) + 1

    @cached_property
    def _blocks(self) -> tuple[slice, ...]:
        shared = self.n_series * self.n_lags
        ends = np.cumsum([1, shared, self.n_leads, self.n_leads, len(self.seasons)]).tolist()
        return tuple(slice(*pair) for pair in pairwise(ends))

    @cached_property
    def own(self) -> Places:
        """The columns that every target has of its own past, not after the origin; 0 = none."""
        leads = np.arange(1, self.n_leads + 1)[:, None]
        of_lead = np.array([self.ratio.start, self.total.start]) + leads - 1
        place = np.arange(self.season.start, self.season.stop)
        of_season = np.where(np.array(self.seasons, np.int64) >= leads, place, 0)
        alike = np.concatenate([of_lead, of_season], axis=1)  # (lead, column)
        first = 1 + np.arange(self.n_series)[:, None, None] * self.n_lags
        departures = first + leads - 1 + np.arange(OWN_LAGS)
        alike = np.broadcast_to(alike, (self.n_series, *alike.shape))
        return np.concatenate([alike, departures], axis=2)

    @cached_property
    def others(self) -> NDArray[np.bool_]:
        """Which departures may lead: (series, lead, lag column).

        They are those of another series, not after the origin.
        """
        lag = np.arange(1, self.n_lags + 1)
        is_known = lag >= np.arange(1, self.n_leads + 1)[:, None]  # (lead, lag)
        is_other = ~np.eye(self.n_series, dtype=bool)
        both = is_other[:, None, :, None] & is_known[None, :, None, :]
        return both.reshape(self.n_series, self.n_leads, self.n_series * self.n_lags)

    def dense(self, places: Places, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``values`` at ``places`` of all columns, else 0: (series, lead, column)."""
        table = np.zeros((*places.shape[:2], self.width))
        np.put_along_axis(table, places, values, axis=2)
        return table
