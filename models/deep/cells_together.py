"""What cells have in common: the rhythms of a week, and what departs from them at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["shared_departures", "shared_week"]

FINEST = 672
"""Slots of a week that are told by each other: of finer bins it would take too long."""

NOISE = 2.4
"""Of the noise that a plain mean of the weeks has: what is taken off."""

ROUNDS = 2
"""Steps of the power method."""

SMALL = 0.03
"""Of all squares: a way to depart that has so much counts half."""

FURTHEST = 5.0
"""Scales: a departure of more is taken for so much."""


def shared_week(season: Tensor, scale: Tensor, count: Tensor, week: int) -> Tensor:
    """Return a ``season`` whose slots are told by each other, as they go together in all cells.

    A mean of few weeks is noisy, but the ways in which weeks differ from cell to cell are few. Each
    cell's week is drawn towards them by as much as all cells show that it is noise; its level stays
    its own. ``season``, (batch, bin, cell, series), repeats itself after a ``week`` of so many
    bins; ``scale`` is the noise of a value, ``count`` how many are known: (batch, cell, series).

    References
    ----------
    Efron and Morris (1972), Empirical Bayes on vector observations.
    """
    if week > FINEST:
        return season
    level = season[:, :week].sum(1, keepdim=True) / week  # (batch, 1, cell, series)
    unit = scale[:, None]  # (batch, 1, cell, series)
    own = ((season[:, :week] - level) / unit).permute(0, 3, 1, 2).double()
    n_cells = own.shape[-1]
    weeks = (count.sum(1) / (n_cells * week)).clamp(min=1.0)  # (batch, series)
    noise = NOISE * n_cells / weeks.double()[..., None, None]
    found = own - noise * (_inverse(own @ own.mT, noise) @ own)  # (batch, series, slot, cell)
    told = level + found.to(season.dtype).permute(0, 2, 3, 1) * unit
    n_bins = season.shape[1]
    return told.repeat(1, -(-n_bins // week), 1, 1)[:, :n_bins]


def shared_departures(departures: Tensor, day: int, last: int) -> Tensor:
    """Return what cells have in common of their ``last`` departures: (batch, last, cell, series).

    ``departures`` are (batch, context, cell, series) in scales, 0 where not known. In common are
    the largest components of how cells depart at once over the window, as the power method finds
    them from the last ``day``; small ones count for little.
    """
    with torch.autocast(departures.device.type, enabled=False):
        seen = departures.float().clamp(-FURTHEST, FURTHEST).permute(0, 3, 1, 2)
        ways = seen[:, :, -day:]  # (batch, series, way, cell)
        for _ in range(ROUNDS):
            ways = _of_length_one((ways @ seen.mT) @ seen)
        inverse = _inverse((ways @ ways.mT).double(), SMALL).float()
        found = (seen[:, :, -last:] @ ways.mT) @ (inverse @ ways)  # (batch, series, last, cell)
    return found.permute(0, 2, 3, 1)


def _inverse(gram: Tensor, added: Tensor | float) -> Tensor:
    """Return the inverse of a matrix (..., n, n) and ``added`` on its diagonal."""
    each = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.inv_ex(gram + added * each).inverse


def _of_length_one(ways: Tensor) -> Tensor:
    squares = ways.square().sum((-2, -1), keepdim=True)
    return ways * squares.clamp(min=1e-12).rsqrt()
