"""Covariates that topics tell: a pure fold of the announcements in the forecaster's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.checkpoint import Arrays
from tidecast.state.covariate_file import empty_covariate
from tidecast.state.covariates import ALWAYS, Covariate, CovariateTable, Key
from tidecast.state.cuts import Announced, Announcement
from tidecast.state.scopes import nested, scoped
from tidecast.state.settings import CovariateSettings, Settings

__all__ = ["MOST_ROWS", "AnnouncedCovariates"]

MOST_ROWS = 1_000_000
"""Rows kept of a covariate: of more, those of the bins furthest ahead are not taken."""

ROWS = ("bins", "places", "values", "known_at")


class AnnouncedCovariates:
    """Keeps in ``table`` what was announced of the covariates that topics tell.

    A record is known from the bin on in which it is read, or later if it says so; so of two
    records of a bin the one read later counts. Bins long closed are forgotten.

    Parameters
    ----------
    reach
        Bins before the newest one that are kept.
    """

    def __init__(self, settings: Settings, table: CovariateTable, reach: int) -> None:
        self._settings = {of.name: of for of in settings.covariates if of.topic is not None}
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self._table = table
        self._reach = reach
        self.positions: dict[tuple[str, int], int] = {}
        """The offset up to which the records of each topic's partition are known."""

    def take(self, message: Announcement, next_bin: int | None) -> None:
        """Take in what is announced before bin ``next_bin`` closes; None = no bin has closed."""
        place = message.topic, message.partition
        known = self.positions.get(place, 0)
        fresh = [row for row in message.rows if row.offset >= known]
        self.positions[place] = max(known, message.upto)
        for name in sorted({row.name for row in fresh} & self._settings.keys()):
            self._add(self._settings[name], [row for row in fresh if row.name == name], next_bin)

    def _add(self, of: CovariateSettings, fresh: Sequence[Announced], next_bin: int | None) -> None:
        now = ALWAYS if next_bin is None else self._grid.end(next_bin - 1)
        old = self._table.named(of.name)
        places: dict[Key, int] = {key: number for number, key in enumerate(old.keys)}
        parts = [[getattr(old, name) for name in ROWS]]
        for row in fresh:
            bins = np.arange(row.first, row.last + 1)
            place = places.setdefault((row.region, row.category), len(places))
            known_at = now if row.known_at is None else max(now, row.known_at)
            filled = (np.full(len(bins), fill) for fill in (place, row.value, known_at))
            parts.append([bins, *filled])
        rows = [np.concatenate(column) for column in zip(*parts, strict=True)]
        since = ALWAYS if next_bin is None else next_bin - self._reach
        kept = _kept(rows, since, now)
        self._put(of, tuple(places), [column[kept] for column in rows])

    def _put(self, of: CovariateSettings, keys: tuple[Key, ...], rows: Sequence[Any]) -> None:
        """Put a covariate of these rows; keys of which there are none go."""
        bins, places, values, known_at = rows
        left, numbers = np.unique(places, return_inverse=True)
        blank = empty_covariate(of)
        keys = tuple(keys[place] for place in left)
        self._table.put(
            Covariate(of.name, keys, bins, numbers, values, known_at, blank.absent, of.kind)
        )

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs."""
        arrays: Arrays = {}
        keys = {}
        for name in self._settings:
            covariate = self._table.named(name)
            keys[name] = covariate.keys
            arrays |= nested({name: {part: getattr(covariate, part) for part in ROWS}})
        positions = [[*place, offset] for place, offset in self.positions.items()]
        return {"positions": positions, "keys": keys}, arrays

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        self.positions = {(topic, number): at for topic, number, at in values["positions"]}
        for name, of in self._settings.items():
            rows = scoped(arrays, name)
            keys = tuple((region, category) for region, category in values["keys"][name])
            self._put(of, keys, [rows[part] for part in ROWS])


def _kept(rows: Sequence[NDArray[Any]], since: int, now: int) -> NDArray[np.int64]:
    """Return which rows may still count: of a bin since then, and not outdone by now."""
    bins, places, _, known_at = rows
    order = np.lexsort((known_at, places, bins))  # stable: of equal ones the last was read last
    same = (np.diff(bins[order]) == 0) & (np.diff(places[order]) == 0)
    outdone = np.append(same & (known_at[order][1:] <= now), False)
    return np.asarray(order[~outdone & (bins[order] >= since)][:MOST_ROWS])
