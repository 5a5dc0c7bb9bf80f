"""The evaluator: adds up what forecasts of each bin were worth, at every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.evaluate.denominators import Denominators
from tidecast.models.evaluate.levels import LEVELS, Rows
from tidecast.models.evaluate.said import Said
from tidecast.models.evaluate.scaled_days import ScaledDays
from tidecast.models.evaluate.sums import PLAIN, Losses, Sums
from tidecast.models.evaluate.trail import Trail
from tidecast.models.evaluate.where import EVERYTHING, ScoreWhere
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.scopes import nested, scoped

__all__ = ["Evaluator", "Level", "Span"]

Floats = NDArray[np.floating]
AT_ONCE = 4_000_000
"""Quantiles that are scored at once: some 16 MiB an array."""


NEVER = 1 << 62
"""A bin that never comes."""


@dataclass(frozen=True)
class Span:
    """What is scored: the bins from ``first_bin`` on, where ``where`` says.

    ``counts`` are the places of series whose values are whole numbers: see `losses.stretch`.
    ``fans_origin`` is the bin from which on fans are kept to be drawn: see `fans.Fans`.
    """

    first_bin: int
    where: ScoreWhere = EVERYTHING
    counts: tuple[int, ...] = ()
    fans_origin: int = NEVER


class Level:
    """Rows, sums and denominators of one level."""

    def __init__(self, level: str, names: tuple[str, ...], profile: ForecastProfile) -> None:
        self.rows = Rows(level)
        self.sums = Sums.empty(names, profile)
        self.denominators = Denominators(profile.n_series, profile.shortest_season or 1)

    def scales(self, series: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the denominators of MASE and of RMSSE of each row scored, (row,) both."""
        season, step = self.denominators.of_rows(self.sums.total.shape[3])
        return season[series], step[series]

    def snapshot(self) -> Arrays:
        """Return the state as arrays; rows are known by the cells."""
        sums = {"total": self.sums.total.copy()}
        return nested({"sums": sums, "denominators": self.denominators.snapshot()})

    def restore(self, arrays: Arrays) -> None:
        """Become the level that ``snapshot`` was taken of."""
        self.sums.total = arrays["sums/total"].copy()
        self.denominators.restore(scoped(arrays, "denominators"))


class Evaluator:
    """Sums of losses of all experts, by level, row, series and lead; nothing else is kept.

    The bins before the span are not scored: denominators of scaled errors are made of them.
    """

    def __init__(self, profile: ForecastProfile, span: Span) -> None:
        self.profile = profile
        self.span = span
        self.losses = Losses(profile, [n in span.counts for n in range(profile.n_series)])
        self.levels = {
            level: Level(level, PLAIN if level != "cell" else self.losses.names, profile)
            for level in LEVELS
        }
        self.trail = Trail(self.losses.names, profile)
        self.scaled_days = ScaledDays(profile, self.levels["cell"].denominators)

    def add(
        self, bin_: int, actual: NDArray[np.float64], cells: Sequence[Cell], said: Said
    ) -> None:
        """Score what was ``said`` of a bin whose ``actual``, (series, cell), is final."""
        for level in self.levels.values():
            level.rows.see(cells)
        if bin_ < self.span.first_bin:
            self._observe(bin_, actual)
        elif said.dues:
            for part in said.parts(AT_ONCE):
                self._score(bin_, actual, part)

    def _observe(self, bin_: int, actual: NDArray[np.float64]) -> None:
        for level in self.levels.values():
            rows = level.rows.add_up(actual[..., None], np.isfinite(actual)[..., None])
            level.denominators.observe(bin_, rows[..., 0].astype(np.float64))

    def _score(self, bin_: int, actual: NDArray[np.float64], said: Said) -> None:
        """Score forecasts of one bin, all experts together."""
        means = said.means(actual.shape[1])  # (expert, series, cell, due)
        quantiles = said.quantiles(means)
        kept = self.span.where.keeps(actual)[..., None]
        losses = self.losses.of_quantiles(actual[..., None], means, quantiles, kept)
        self.levels["cell"].sums.add(said.places, losses)
        self.trail.add(bin_, said.places, losses.sum(axis=3))
        self.scaled_days.add(bin_, said.places, losses[: len(PLAIN), 0])
        both = np.isfinite(actual)[..., None] & np.isfinite(means)
        for name in LEVELS[1:]:
            self._score_rows(self.levels[name], actual, means, both, said.places)

    def _score_rows(
        self,
        level: Level,
        actual: NDArray[np.float64],
        means: Floats,
        known: NDArray[np.bool_],
        places: list[int],
    ) -> None:
        """Score sums over the cells of which both the actual and a forecast are known."""
        actuals = level.rows.add_up(np.broadcast_to(actual[..., None], means.shape), known)
        kept = self.span.where.keeps(actuals.astype(np.float64))
        losses = self.losses.of_means(actuals, level.rows.add_up(means, known), kept)
        level.sums.add(places, losses)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        levels = {name: level.snapshot() for name, level in self.levels.items()}
        days = {"trail": self.trail.snapshot(), "scaled_days": self.scaled_days.snapshot()}
        return nested({**levels, **days})

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become the evaluator that ``snapshot`` was taken of, when it knew these ``cells``."""
        for name, level in self.levels.items():
            level.rows.see(cells)
            level.restore(scoped(arrays, name))
        self.trail.restore(scoped(arrays, "trail"))
        self.scaled_days.restore(scoped(arrays, "scaled_days"))
