"""The forecast profile: what a forecaster must know of the settings, frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidecast.state.bins import BinGrid
from tidecast.state.settings import Settings
from tidecast.state.settings.experts import DEFAULT_EXPERTS
from tidecast.state.slab_fold import SlabRules

__all__ = ["RECENT", "ForecastProfile"]

OF_CELLS = ("linear", "trees", "deep")
"""Experts not asked of sums: who adds nothing there, is refitted, or hears of cells alone."""


@dataclass(frozen=True)
class ForecastProfile:
    """What is forecast, how far ahead, at which levels, and by whom.

    ``season_lengths`` are bins, rising; ``experts`` are names of `tidecast.models.experts`. A bin
    is corrected until ``reach`` microseconds after its end at most. ``holidays`` is a country, or a
    part of one, as `tidecast.state.holidays` knows it, and ``region_holidays`` are pairs of a
    region and the one whose holidays it keeps instead. ``past`` and ``static`` are names of
    covariates of these kinds. ``ratios`` are places of series that do not add up over cells: means
    and ratios. Sums (``is_of_sums``) are told by their cells what is known ahead to move
    them. Without ``has_kin`` cells know nothing of other cells' weeks: to measure what that is
    worth.
    """

    series: tuple[str, ...]
    grid: BinGrid
    horizon: int
    quantile_levels: tuple[float, ...]
    season_lengths: tuple[int, ...]
    experts: tuple[str, ...] = DEFAULT_EXPERTS
    reach: int = 0
    holidays: str | None = None
    ratios: tuple[int, ...] = ()
    region_holidays: tuple[tuple[str, str], ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    is_of_sums: bool = False
    has_kin: bool = True

    @classmethod
    def of(cls, settings: Settings) -> ForecastProfile:
        """Return the profile that ``settings`` describe."""
        grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        forecast = settings.forecast
        return cls(
            series=tuple(series.name for series in settings.series),
            grid=grid,
            horizon=forecast.horizon,
            quantile_levels=forecast.quantile_levels,
            season_lengths=forecast.season_lengths or grid.season_lengths(),
            experts=forecast.experts,
            reach=SlabRules.of(settings).reach,
            holidays=settings.shop.holidays,
            ratios=tuple(n for n, one in enumerate(settings.series) if not one.adds_up),
            region_holidays=tuple(settings.regions.holidays.items()),
            past=tuple(of.name for of in settings.covariates if of.kind == "past"),
            static=tuple(of.name for of in settings.covariates if of.kind == "static"),
        )

    @property
    def n_series(self) -> int:
        """Series forecast."""
        return len(self.series)

    @property
    def summed(self) -> tuple[int, ...]:
        """Places of the series that add up over cells."""
        return tuple(place for place in range(self.n_series) if place not in self.ratios)

    def of_totals(self) -> ForecastProfile:
        """Return the profile by which sums over cells are forecast."""
        series = tuple(self.series[place] for place in self.summed)
        asked = tuple(name for name in self.experts if name not in OF_CELLS) or ("seasonal_naive",)
        own = replace(self, series=series, experts=asked, ratios=(), past=(), static=())
        return replace(own, holidays=None, region_holidays=(), is_of_sums=True)

    @property
    def shortest_season(self) -> int:
        """The shortest season in bins, 0 = none."""
        return self.season_lengths[0] if self.season_lengths else 0

    @property
    def longest_season(self) -> int:
        """The longest season in bins, 0 = none."""
        return self.season_lengths[-1] if self.season_lengths else 0

    @property
    def short_season(self) -> int:
        """The shortest season in bins, 0 = none, or none so short that all of it can be kept."""
        return self.shortest_season if self.shortest_season <= LONGEST_SHORT else 0

    @property
    def memory(self) -> int:
        """Bins that running means of cells remember: the longest season, within reason."""
        return min(max(self.longest_season, SHORTEST_MEMORY), LONGEST_MEMORY)

    @property
    def context_length(self) -> int:
        """Bins that the window holds: enough for every lag that an expert looks back at."""
        return self.longest_season + 2 * self.horizon + RECENT

    @property
    def interval_levels(self) -> tuple[tuple[int, int], ...]:
        """Pairs of places in ``quantile_levels`` that bound a central interval, widest first."""
        levels = self.quantile_levels
        return tuple(
            (low, high)
            for low, level in enumerate(levels)
            for high, other in enumerate(levels)
            if level < 0.5 and abs(level + other - 1.0) < 1e-9
        )

    @property
    def intervals(self) -> tuple[float, ...]:
        """Nominal coverage of the central intervals, widest first: 0.9 for levels 0.05 to 0.95."""
        levels = self.quantile_levels
        return tuple(round(levels[high] - levels[low], 9) for low, high in self.interval_levels)


RECENT = 12
"""Bins just before an origin that experts may average."""

LONGEST_SHORT = 336
"""Bins: of every bin of a longer season, experts that keep something of each cell keep nothing."""

SHORTEST_MEMORY, LONGEST_MEMORY = 50, 2000
"""Bins that a running mean remembers."""
