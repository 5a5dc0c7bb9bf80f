"""Quantiles that cannot cross: the middle one, and positive steps away from it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["middle_of", "ordered", "pinball"]


def middle_of(levels: Sequence[float]) -> int:
    """Return the place of the level nearest to one half."""
    return min(range(len(levels)), key=lambda place: abs(levels[place] - 0.5))


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
