"""Covariates by bin and cell, as they were known at any time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell

__all__ = ["ALWAYS", "FOREVER", "LARGEST", "Covariate", "CovariateTable", "Key", "Kind"]

ALWAYS = np.iinfo(np.int64).min
"""When a row was known of which nothing else is said: before any origin."""

LARGEST = 1e15

FOREVER = 0
"""The bin of rows that are static: of no bin, or of all."""

Kind = Literal["known", "past", "static"]

Key = tuple[str | None, str | None]
"""A region and a category; None = all."""


@dataclass(frozen=True, eq=False)
class Covariate:
    """Rows of one covariate: of a bin and a key, a value, and when it was known.

    All rows have keys of the same parts: a region, a category, both or neither. ``bins``,
    ``places`` (in ``keys``), ``values`` and ``known_at`` (microseconds UTC) are (row,), in any
    order. Of several rows of a bin and a key the one counts that was known last. Where there is
    none the value is ``absent``, NaN = missing. What is "known" ahead has a say in the bins it is
    of, the "past" and the "static", of the bin ``FOREVER``, in what comes after.
    """

    name: str
    keys: tuple[Key, ...]
    bins: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float64]
    known_at: NDArray[np.int64]
    absent: float = np.nan
    kind: Kind = "known"

    def __post_init__(self) -> None:
        order = np.lexsort((self.known_at, self.bins))
        for name in ("bins", "places", "values", "known_at"):
            object.__setattr__(self, name, getattr(self, name)[order])

    def key(self, cell: Cell) -> Key:
        """Return the key that a cell is looked up by."""
        by_region, by_category = (part is not None for part in (self.keys or ((None, None),))[0])
        return cell.region if by_region else None, cell.category if by_category else None

    def at(self, bins: range, known_by: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the values of ``bins`` as far as known at an instant: (bin, key + 1).

        Each bin may have an instant of its own. The last column is that of cells without a key.
        What is beyond ``LARGEST`` is missing.
        """
        found = np.full((len(bins), len(self.keys) + 1), self.absent)
        rows = slice(*np.searchsorted(self.bins, (bins.start, bins.stop)))
        numbers = self.bins[rows] - bins.start
        known = self.known_at[rows] <= np.broadcast_to(known_by, len(bins))[numbers]
        place = numbers[known], self.places[rows][known]
        found[place] = self.values[rows][known]  # the last of a place stays
        return np.where(np.abs(found) <= LARGEST, found, np.nan)

    def newest(self, bins: range, known_by: int) -> NDArray[np.float64]:
        """Return the value of the last of ``bins`` that has one known at an instant: (key + 1,).

        The last is that of cells without a key.
        """
        found = np.full(len(self.keys) + 1, self.absent)
        rows = slice(*np.searchsorted(self.bins, (bins.start, bins.stop)))
        usable = (self.known_at[rows] <= known_by) & (np.abs(self.values[rows]) <= LARGEST)
        found[self.places[rows][usable]] = self.values[rows][usable]  # the last of a place stays
        return found


class CovariateTable:
    """Several covariates, looked up for cells; one may be `put` in place of another."""

    def __init__(self, covariates: Sequence[Covariate] = ()) -> None:
        self.names = tuple(covariate.name for covariate in covariates)
        self._by_name = {covariate.name: covariate for covariate in covariates}

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The covariates as they are now; what `columns` returned of others does not fit them."""
        return tuple(self._by_name[name] for name in self.names)

    def named(self, name: str) -> Covariate:
        """Return the covariate of a name."""
        return self._by_name[name]

    def put(self, covariate: Covariate) -> None:
        """Replace the covariate of the same name, here and in all tables `of_kind` of this one."""
        self._by_name[covariate.name] = covariate

    def of_kind(self, kind: Kind) -> CovariateTable:
        """Return the covariates of one kind: a view, in which later ones are `put` too."""
        view = CovariateTable()
        view.names = tuple(of.name for of in self.covariates if of.kind == kind)
        view._by_name = self._by_name
        return view

    def fingerprint(self) -> str:
        """Return a hash of every row."""
        found = hashlib.sha256()
        for of in self.covariates:
            found.update(repr((of.name, of.keys, of.absent, of.kind)).encode())
            for array in (of.bins, of.places, of.values, of.known_at):
                found.update(array.tobytes())
        return found.hexdigest()[:16]

    def columns(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """Return where `at` finds the values of cells: (covariate, cell)."""
        columns = np.empty((len(self.names), len(cells)), np.int64)
        for place, covariate in enumerate(self.covariates):
            numbers = {key: number for number, key in enumerate(covariate.keys)}
            columns[place] = [numbers.get(covariate.key(cell), len(numbers)) for cell in cells]
        return columns

    def newest(self, bins: range, columns: NDArray[np.int64], known_by: int) -> NDArray[np.float64]:
        """Return the last values of ``bins`` known at an instant: (covariate, cell), NaN = none."""
        found = np.empty((len(self.names), columns.shape[1]))
        for place, covariate in enumerate(self.covariates):
            found[place] = covariate.newest(bins, known_by)[columns[place]]
        return found

    def at(
        self, bins: range, columns: NDArray[np.int64], known_by: int | NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what was known of ``bins`` at an instant, in microseconds, NaN = missing.

        It is (covariate, bin, cell), of the cells whose ``columns`` are given. Each bin may have an
        instant of its own.
        """
        found = np.empty((len(self.names), len(bins), columns.shape[1]))
        for place, covariate in enumerate(self.covariates):
            found[place] = covariate.at(bins, known_by)[:, columns[place]]
        return found
