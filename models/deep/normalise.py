"""Levels and scales: what a network sees are departures from a level, in units of a scale.

Of the window itself, as in reversible instance normalisation (Kim et al. 2022), but masked, and
with a scale that leans on the cell's where the window is short; or of the cell. A window of weeks
tells a level for every hour of the week.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tidecast.models.deep.cells_together import shared_departures, shared_week
from tidecast.models.deep.config import NormaliseBy, recent_of
from tidecast.models.deep.inputs import Inputs
from tidecast.models.deep.season import DAYS, ratio_of, season_of

__all__ = ["Units", "units_of"]

PRIOR = 12.0
"""Values that the scale of the cell counts for beside those of the window."""

FURTHEST = 5.0
"""Scales: a window further from its cell's usual level is taken for so far."""


@dataclass(frozen=True)
class Units:
    """Levels and a scale for each window, cell and series.

    ``past`` and ``ahead`` are the levels of the bins of the window and of those to come: that of
    the window, ``level``, or one for each of them. ``standing`` is how far the level of the window
    is from the usual one of the cell, in scales: what is lost by taking levels from windows, but
    bounded, so that no shift of level reaches what was never seen. Of a season ``common`` is what
    cells have in common of the last bins, in these units.
    """

    level: Tensor  # (batch, cell, series)
    past: Tensor  # (batch, context or 1, cell, series)
    ahead: Tensor  # (batch, lead or 1, cell, series)
    scale: Tensor  # (batch, cell, series), > 0
    standing: Tensor  # (batch, cell, series)
    common: Tensor  # (batch, cell, number): of a season, else none

    def normalised(self, values: Tensor) -> Tensor:
        """Return (batch, context, cell, series) in these units."""
        return (values - self.past) / self.scale[:, None]

    def of_leads(self) -> tuple[Tensor, Tensor]:
        """Return level and scale of the bins to come, (batch, series, cell, lead or 1) each."""
        return self.ahead.permute(0, 3, 2, 1), self.scale.transpose(1, 2)[..., None]


def units_of(inputs: Inputs, by: NormaliseBy, day: int = 1, *, are_counts: bool = False) -> Units:
    """Return the units in which a network sees ``inputs``; what is not known tells nothing.

    A ``day`` is so many bins. A season of counts is as large ahead as the last day was beside it.
    """
    usual, usual_scale = inputs.cells.level, inputs.cells.scale  # (cell, series)
    count = inputs.known.float().sum(1)  # (batch, cell, series)
    departure = torch.where(inputs.known, inputs.values - usual, 0.0)
    mean = departure.sum(1) / count.clamp(min=1.0)  # (batch, cell, series), from the usual level
    standing = (mean / usual_scale).clamp(-FURTHEST, FURTHEST)
    nothing = mean[..., :0]
    if by == "cell":
        level, scale = usual.expand_as(mean), usual_scale.expand_as(mean)
        return Units(level, level[:, None], level[:, None], scale, standing, nothing)
    level = usual + mean
    if by == "window":
        left = torch.where(inputs.known, departure - mean[:, None], 0.0)
        scale = _scale(left, count, usual_scale)
        return Units(level, level[:, None], level[:, None], scale, standing, nothing)
    context, week = inputs.known.shape[1], DAYS * day
    season = season_of(departure, inputs.known, day, inputs.calendar.shape[1] - context)
    left = torch.where(inputs.known, departure - season[:, :context], 0.0)
    season = shared_week(season, _scale(left, count, usual_scale), count, week)
    left = torch.where(inputs.known, departure - season[:, :context], 0.0)
    scale, levels = _scale(left, count, usual_scale), usual + season
    past, ahead = levels[:, :context], levels[:, context:]
    if are_counts:
        last = torch.where(inputs.known, inputs.values, 0.0)[:, -day:]
        expected = torch.where(inputs.known, past, 0.0)[:, -day:]
        ahead = (ahead * ratio_of(last, expected, level, scale)[:, None]).clamp(min=0.0)
    common = shared_departures(left / scale[:, None], day, recent_of(day))
    common = common.permute(0, 2, 1, 3).flatten(2)  # (batch, cell, number)
    return Units(level, past, ahead, scale, standing, common)


def _scale(left: Tensor, count: Tensor, usual: Tensor) -> Tensor:
    """Return the root of the mean square of ``left``, which leans on the ``usual`` of the cell."""
    squares = (left**2).sum(1)
    return ((squares + PRIOR * usual**2) / (count + PRIOR)).sqrt()
