"""What a backtest found, in the form that the report's pictures are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Evaluator
from tidecast.models.evaluate.fans import FanStrip
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import BLEND
from tidecast.state.bins import from_micros
from tidecast.state.cells import ALL, Cell
from tidecast.tools.report.panels import Band, Panel
from tidecast.tools.report.questions import Accuracy, Coverage, RegionError
from tidecast.tools.report.words import shortened

__all__ = [
    "accuracy",
    "cell_name",
    "coverage",
    "daily_weights",
    "fan_panels",
    "newest_weights",
    "region_errors",
]

BANDS = (0.9, 0.8, 0.4)
"""Central intervals that are drawn, the widest first."""

TITLE = 60  # letters
Floats = NDArray[np.float64]
Shares = dict[str, Floats]
"""Weights by expert."""


def cell_name(cell: Cell) -> str:
    """Return how a cell is called: its region and category, as far as the data have any."""
    return " · ".join(name for name in cell if name != ALL) or "all"


def accuracy(evaluator: Evaluator) -> list[Accuracy]:
    """Return the errors of every expert in every series, over all cells."""
    sums = evaluator.levels["cell"].sums
    n, actual, error = (sums[name].sum(axis=2) for name in ("n", "actual", "absolute"))
    leads = np.arange(1.0, n.shape[-1] + 1)
    return [
        Accuracy(
            series,
            expert,
            leads,
            n[place, number],
            _ratio(error[place, number], actual[place, number]),
            float(_ratio(error[place, number].sum(), actual[place, number].sum())),
        )
        for number, series in enumerate(evaluator.profile.series)
        for place, expert in enumerate((BLEND, *evaluator.profile.experts))
    ]


def coverage(evaluator: Evaluator) -> list[Coverage]:
    """Return the blend's coverage on every scored day, over all leads."""
    names, trail = evaluator.trail.names, evaluator.trail.days()
    if not trail:
        return []
    sums = np.stack([day[:, 0].sum(axis=-1) for day in trail.values()])  # (day, stat, series)
    days = np.array([date.fromordinal(day) for day in trail])
    found = []
    for place, name in enumerate(names):
        kind, _, content = name.partition("_")
        if kind != "coverage":
            continue
        for number, series in enumerate(evaluator.profile.series):
            n, inside = sums[:, names.index("n"), number], sums[:, place, number]
            scored = n > 0
            if scored.any():
                share = inside[scored] / n[scored]
                total = float(inside.sum() / n.sum())
                shown = days[scored].tolist()
                found.append(Coverage(series, float(content) / 100, shown, share, total))
    return found


def daily_weights(backtest: Backtest) -> tuple[list[date], dict[str, Shares]]:
    """Return the days, and by series the experts' weights on each, means over leads: (day,)."""
    days = backtest.weights.days()
    weights = np.stack(list(days.values()), axis=-1).mean(axis=2)  # (expert, series, day)
    return [date.fromordinal(day) for day in days], _shares(weights, backtest.profile)


def newest_weights(backtest: Backtest) -> dict[str, Shares]:
    """Return by series the experts' mean weights of the newest fifth of the days: (lead,)."""
    days = list(backtest.weights.days().values())
    newest = days[-math.ceil(len(days) / 5) :]
    return _shares(np.mean(newest, axis=0), backtest.profile)


def _shares(weights: Floats, profile: ForecastProfile) -> dict[str, Shares]:
    """Name the first two axes, expert and series, of ``weights``."""
    return {
        series: {expert: weights[place, n] for place, expert in enumerate(profile.experts)}
        for n, series in enumerate(profile.series)
    }


def region_errors(evaluator: Evaluator, series: int) -> list[RegionError]:
    """Return size and WAPE of every region's sum, over all leads."""
    level = evaluator.levels["region"]
    n, actual, error = (
        level.sums[name][0, series].sum(axis=-1) for name in ("n", "actual", "absolute")
    )
    sizes, wape = np.nan_to_num(_ratio(actual, n)), _ratio(error, actual)
    rows = zip(level.rows.names, sizes.tolist(), wape.tolist(), strict=False)
    return [RegionError(*row) for row in rows]  # regions that came after the last score have none


def fan_panels(backtest: Backtest, series: int) -> list[Panel]:
    """Return the fans of a series, each from what was known at its origin."""
    profile, bins = backtest.profile, backtest.fans.bins
    ends = [from_micros(profile.grid.end(bin_)) for bin_ in bins]
    last = len(bins) - 1
    fans = [
        range(origin, min(origin + profile.horizon, last) + 1)
        for origin in range(0, last, profile.horizon)
    ]
    times = [ends[place] for fan in fans for place in (*fan, fan[-1])]
    return [
        Panel(
            "All cells" if strip.cell is None else _title(backtest.cells[strip.cell]),
            strip.note,
            ends,
            strip.actual,
            times,
            _parted(strip.mean, strip.actual, fans),
            _bands(strip, profile, fans),
            tuple(ends[fan[0]] for fan in fans),
        )
        for strip in backtest.fans.strips(series)
    ]


def _title(cell: Cell) -> str:
    return shortened(cell_name(cell), TITLE)


def _bands(strip: FanStrip, profile: ForecastProfile, fans: Sequence[range]) -> tuple[Band, ...]:
    bounds = dict(zip(profile.intervals, profile.interval_levels, strict=True))
    low_high = {content: bounds[content] for content in BANDS if content in bounds}
    return tuple(
        Band(
            content,
            _parted(strip.quantiles[:, low], strip.actual, fans),
            _parted(strip.quantiles[:, high], strip.actual, fans),
        )
        for content, (low, high) in low_high.items()
    )


def _parted(values: Floats, actual: Floats, fans: Sequence[range]) -> Floats:
    """Return ``values`` fan by fan: the actual of its origin, the fan, and NaN to part them."""
    parts = [np.r_[actual[fan[0]], values[fan[1] : fan[-1] + 1], np.nan] for fan in fans]
    return np.concatenate(parts or [np.zeros(0)])


def _ratio(over: Floats, under: Floats) -> Floats:
    """Return the ratio, NaN of nothing."""
    return np.asarray(np.where(under > 0, over / np.where(under > 0, under, 1.0), np.nan))
