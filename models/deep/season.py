"""The week that repeats itself in a window: what each hour of it is beside the window's mean."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["DAYS", "ratio_of", "season_of"]

DAYS = 7

KEPT = 0.7
"""Of what a value counts for, a week later."""

OF_DAY = 0.7
"""Values that the mean over all days counts for beside those of the same day of the week."""

EVENTS = 15.0
"""Of noise that a ratio of one counts for: a level that varies by a quarter makes it 16 by Bayes'
rule."""

SMALLEST_RATIO, LARGEST_RATIO = 0.1, 5.0


def season_of(departure: Tensor, known: Tensor, day: int, horizon: int) -> Tensor:
    """Return what the whole weeks at the end of windows tell of each bin, and of those to come.

    ``departure``, (batch, context, cell, series), is 0 where it is not ``known``; a context is a
    week or more, a ``day`` so many bins. Each slot of the week is the mean of its values, the last
    of which count most, and leans on that of the slot of the day, and this on that of the window:
    (batch, context + horizon, cell, series).
    """
    context, week = departure.shape[1], DAYS * day
    n_weeks = context // week
    age = torch.arange(n_weeks - 1, -1, -1, device=known.device).repeat_interleave(week)
    kept = KEPT ** age[:, None, None]  # (bin, 1, 1)
    weight = kept * known[:, -n_weeks * week :]
    told = kept * departure[:, -n_weeks * week :]
    mean = told.sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1.0)
    of_day = (_folded(told, day) + mean) / (_folded(weight, day) + 1.0)
    leant = OF_DAY * of_day.repeat(1, DAYS, 1, 1)  # (batch, week, cell, series)
    of_week = (_folded(told, week) + leant) / (_folded(weight, week) + OF_DAY)
    first = -context % week
    n_times = -(-(first + context + horizon) // week)
    return of_week.repeat(1, n_times, 1, 1)[:, first : first + context + horizon]


def ratio_of(values: Tensor, expected: Tensor, level: Tensor, scale: Tensor) -> Tensor:
    """Return how counts went beside what was ``expected`` of them: (batch, cell, series).

    Both are (batch, bin, cell, series), 0 where not known. The less is known, and the noisier what
    is, the more it leans on one; ``level`` and ``scale`` are (batch, cell, series).
    """
    size = level.clamp(min=0.0)
    prior = EVENTS * scale**2  # of events, times the level
    came, thought = (size * each.sum(1) for each in (values, expected))
    ratio = (came + prior) / (thought.clamp(min=0.0) + prior)
    return ratio.clamp(SMALLEST_RATIO, LARGEST_RATIO)


def _folded(values: Tensor, length: int) -> Tensor:
    """Return sums over stretches of so many bins, (batch, length, cell, series)."""
    return values.unflatten(1, (-1, length)).sum(1)
