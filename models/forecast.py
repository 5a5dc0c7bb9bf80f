"""What a forecaster thinks, and what it gives out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.outlook import Moves
from tidecast.state.cells import Cell

__all__ = ["Forecast", "Opinion", "Totals"]

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Forecast:
    """A forecast of all cells from the end of ``origin_bin``, the last bin it knows.

    ``mean`` is (series, cell, lead); ``quantiles`` (series, cell, lead, level), never crossing,
    never negative; ``weights`` (series, lead) of every expert that spoke. ``totals`` are the
    forecasts of what cells add up to.
    """

    origin_bin: int
    mean: Values
    quantiles: Values
    weights: dict[str, Values]
    totals: Totals | None = None

    def parts(
        self, cells: Sequence[Cell], series: Sequence[str]
    ) -> Iterator[tuple[Forecast, Sequence[Cell], Sequence[str]]]:
        """Yield the forecast of ``cells`` and ``series``, then that of sums with theirs."""
        yield self, cells, series
        if self.totals is not None:
            summed = [series[place] for place in self.totals.series]
            yield self.totals.forecast, self.totals.nodes, summed


@dataclass(frozen=True)
class Totals:
    """A forecast of regions, categories and the total: ``nodes``, named as cells are.

    ``series`` are the places of the series that add up: the axis of series of ``forecast``, whose
    axis of cells is one of nodes. Its means are the sums of those of the cells.
    """

    nodes: tuple[Cell, ...]
    series: tuple[int, ...]
    forecast: Forecast


@dataclass(frozen=True)
class Opinion:
    """What the blend thinks before anything is given out.

    ``means`` are (expert, series, cell, lead), ``mean`` and ``scale``, the blend's, without the
    axis of experts; ``weights`` as in `Forecast`. ``moves`` is what is known ahead. ``heard``,
    (cell, series), are the values of the last bin, NaN where they are not to be learnt from.
    """

    origin_bin: int
    heard: NDArray[np.float64]
    means: Values
    mean: Values
    scale: Values
    moves: Moves
    weights: dict[str, Values]
