"""An explanation as people read it: tables on the terminal and on pages, and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tidecast.models.explain import Explanation
from tidecast.state.bins import BinGrid, from_micros, iso
from tidecast.state.cells import Cell
from tidecast.tools.explain.find import name_of

__all__ = ["Told"]

DIGITS = 4
"""Of the largest figure of a table; the others have as many decimals as that."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """What the last forecast of a cell is made of, and the grid that its leads are bins of."""

    cell: Cell
    explanation: Explanation
    grid: BinGrid

    @property
    def name(self) -> str:
        """How the cell is called."""
        return name_of(self.cell)

    @property
    def origin(self) -> str:
        """When the forecast was made, in local time."""
        return f"{self._until(0)} ({self.grid.zone})"

    @cached_property
    def ends(self) -> list[str]:
        """When the bins ahead end, in local time."""
        return [self._until(lead) for lead in range(1, self.explanation.mean.shape[1] + 1)]

    def _until(self, lead: int) -> str:
        end = from_micros(self.grid.end(self.explanation.origin_bin + lead))
        return f"{end.astimezone(self.grid.zone):%Y-%m-%d %H:%M}"

    def parts(self, series: str) -> Mapping[str, Floats]:
        """Return the parts of a series, (lead,) each, that are not nothing."""
        number = self.explanation.series.index(series)
        parts = {name: part[number] for name, part in self.explanation.parts.items()}
        least = 0.5 * 10.0 ** -self.decimals(series)
        return {name: part for name, part in parts.items() if np.abs(part).max() >= least}

    def mean(self, series: str) -> Floats:
        """Return the means of a series, (lead,)."""
        return np.asarray(self.explanation.mean[self.explanation.series.index(series)])

    def decimals(self, series: str) -> int:
        """Return how many decimals figures of a series are written with."""
        number = self.explanation.series.index(series)
        figures = [part[number] for part in self.explanation.parts.values()]
        largest = max(float(np.abs(figures).max(initial=0.0)), 1e-6)
        return int(np.clip(DIGITS - 1 - np.floor(np.log10(largest)), 0, 9))

    def rows(self, series: str) -> tuple[list[str], list[list[str]]]:
        """Return the heads and the rows of a table, a row each lead."""
        parts, n = self.parts(series), self.decimals(series)
        heads = ["lead", "until", "mean", *(name.replace("_", " ") for name in parts)]
        rows = [
            [f"{lead + 1}", end, f"{mean:.{n}f}", *(f"{p[lead]:+.{n}f}" for p in parts.values())]
            for lead, (end, mean) in enumerate(zip(self.ends, self.mean(series), strict=True))
        ]
        return heads, rows

    def heading(self, series: str) -> str:
        """Return what the table of a series is about."""
        return f"{series} of {self.name}, forecast at {self.origin}; parts add up to the mean"

    def table(self, series: str) -> Table:
        """Return the table of a series for a terminal."""
        heads, rows = self.rows(series)
        table = Table(box=None, pad_edge=False)
        for head in heads:
            table.add_column(head, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return table

    def to_json(self, chosen: Sequence[str]) -> dict[str, Any]:
        """Return one object: every part, and what the experts say, of the ``chosen`` series."""
        end, origin = self.grid.end, self.explanation.origin_bin
        leads = range(1, self.explanation.mean.shape[1] + 1)
        return {
            "region": self.cell.region,
            "category": self.cell.category,
            "origin": iso(end(origin)),
            "valid_time": [iso(end(origin + lead)) for lead in leads],
            "series": {name: self._series(self.explanation.series.index(name)) for name in chosen},
        }

    def _series(self, number: int) -> dict[str, Any]:
        told = self.explanation
        experts = {
            name: {"weight": _numbers(weight[number]), "mean": _numbers(told.said[name][number])}
            for name, weight in told.weights.items()
        }
        parts = {name: _numbers(part[number]) for name, part in told.parts.items()}
        return {"mean": _numbers(told.mean[number]), "parts": parts, "experts": experts}


def _numbers(values: Floats) -> list[float | None]:
    """Return values as JSON knows them: None for those of who sleeps."""
    return [value if np.isfinite(value) else None for value in values.tolist()]
