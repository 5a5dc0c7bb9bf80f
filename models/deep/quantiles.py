"""Quantiles that cannot cross: the middle one, and positive steps away from it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["mean_of", "middle_of", "ordered", "pinball"]

LEAST = 1e-9
"""Of what is divided by."""


def middle_of(levels: Sequence[float]) -> int:
    """Return the place of the level nearest to one half."""
    return min(range(len(levels)), key=lambda place: abs(levels[place] - 0.5))


def mean_of(quantiles: Tensor, levels: Sequence[float], likely: Tensor) -> Tensor:
    """Return the mean (...) of what has these ``quantiles`` (..., level).

    Each stands for what lies nearest to it. Where they reach further up from the median than down,
    what lies beyond the outermost counts, of which they know nothing: the more so, the more the
    mean is ``likely`` (...), that of a likelihood.

    Examples
    --------
    >>> quantiles = torch.tensor([[2.0, 4.0, 6.0], [0.0, 0.0, 6.0]])
    >>> mean_of(quantiles, (0.2, 0.5, 0.8), torch.tensor([5.0, 1.0])).round(decimals=3)
    tensor([4., 1.])
    """
    middle = middle_of(levels)
    between = [(low + high) / 2 for low, high in pairwise(levels)]
    shares = [high - low for low, high in pairwise((0.0, *between, 1.0))]
    mean = (quantiles * quantiles.new_tensor(shares)).sum(-1)
    down = quantiles[..., middle] - quantiles[..., 0]
    up = quantiles[..., -1] - quantiles[..., middle]
    even = (down / up.clamp(min=LEAST)).clamp(max=1.0)
    return even * mean + (1.0 - even) * likely


def ordered(raw: Tensor, middle: int) -> Tensor:
    """Return rising quantiles of any numbers, (..., level) both; ``raw[middle]`` stays itself.

    Examples
    --------
    >>> ordered(torch.tensor([0.0, 2.0, -50.0]), middle=1).round(decimals=2)
    tensor([1.3100, 2.0000, 2.0000])
    """
    below, centre, above = raw.split((middle, 1, raw.shape[-1] - middle - 1), dim=-1)
    first = centre[..., 0]
    up = accumulate(functional.softplus(above).unbind(-1), operator.add, initial=first)
    down = accumulate(functional.softplus(below).unbind(-1)[::-1], operator.sub, initial=first)
    rising = [*list(down)[:0:-1], *up]  # each (...)
    return torch.stack(rising).movedim(0, -1)  # (..., level), each level a block of memory


def pinball(quantiles: Tensor, actual: Tensor, levels: Tensor) -> Tensor:
    """Return twice the mean pinball loss over levels, (...), which at one half is |error|.

    ``quantiles`` is (..., level), ``actual`` (...), ``levels`` (level,).
    """
    over = actual[..., None] - quantiles  # (..., level)
    slope = over.detach().sign() + (2.0 * levels - 1.0)  # the same all the way to either side
    return (slope * over).mean(-1)
