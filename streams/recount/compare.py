"""Cells that differ between the recount and what was published or stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from tidecast.state.cells import OVERFLOW
from tidecast.state.settings import Settings
from tidecast.streams.recount.sums import CELL, TOLD, empty_sums, figures_of

__all__ = ["BinTable", "Difference", "differences", "within_cells"]


@dataclass(frozen=True)
class Difference:
    """A value that is not what the log says; None where there is no value at all."""

    where: str
    bin: int
    region: str
    category: str
    series: str
    counted: float | None
    found: float | None


class BinTable:
    """Sums by bin and cell, those of late events also by TOLD, handed out bin by bin."""

    def __init__(self, settings: Settings, sums: pl.DataFrame) -> None:
        self._none = empty_sums(settings, TOLD in sums.columns)
        whole = pl.concat([self._none, sums], how="diagonal").fill_null(0)
        self._parts: dict[int, pl.DataFrame] = {
            part["bin"][0]: part for part in whole.partition_by("bin")
        }

    @property
    def bins(self) -> list[int]:
        """The bins that have events, in order."""
        return sorted(self._parts)

    def of(self, bin_: int) -> pl.DataFrame:
        """Return the sums of one bin, a row a cell."""
        return self._parts.get(bin_, self._none)


def differences(
    settings: Settings,
    where: str,
    bin_: int,
    sums: pl.DataFrame,
    found: pl.DataFrame,
    lacking: Collection[str] = (),
) -> Iterator[Difference]:
    """Yield each value of ``found`` that ``sums``, a row a cell, deny; of no series ``lacking``.

    ``found`` has a row a cell and FIGURE.value of each of the `figures`; NaN is a mean of nothing,
    null a value that is not there. Cells without events count nothing. Events of a cell that
    ``found`` lacks belong to the overflow cell where ``found`` has it.
    """
    sums = within_cells(sums, found)
    whole = sums.drop("bin").join(found, on=CELL, how="full", coalesce=True, maintain_order="left")
    names = [name for name in sums.columns if name not in ("bin", *CELL)]
    counted = figures_of(settings, whole.with_columns(pl.col(names).fill_null(0)), lacking)
    regions, categories = whole["region"].to_list(), whole["category"].to_list()
    for name, expected in counted.items():
        column = whole.get_column(f"{name}.value", default=_nothing(whole.height))
        values, there = column.fill_null(np.nan).to_numpy(), column.is_not_null().to_numpy()
        same = (values == expected) | (np.isnan(values) & np.isnan(expected))
        for row in np.flatnonzero(~(same & there)).tolist():
            yield Difference(
                where,
                bin_,
                regions[row],
                categories[row],
                name,
                float(expected[row]),
                float(values[row]) if there[row] else None,
            )


def _nothing(rows: int) -> pl.Series:
    return pl.Series(values=[None] * rows, dtype=pl.Float64)


def within_cells(sums: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return ``sums`` with the cells that ``found`` lacks in its overflow cell, if it has one."""
    if not (found.height and OVERFLOW.region in found["region"]):
        return sums
    known = sums.join(found.select(CELL), on=CELL, how="semi")
    other = sums.join(found.select(CELL), on=CELL, how="anti")
    names = {"region": pl.lit(OVERFLOW.region), "category": pl.lit(OVERFLOW.category)}
    whole = pl.concat([known, other.with_columns(**names)])
    key = [name for name in ("bin", *CELL, TOLD) if name in sums.columns]
    return whole.group_by(key).agg(pl.exclude(key).sum())
