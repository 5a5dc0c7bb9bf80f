"""Quantiles that cannot cross: the middle one, and positive steps away from it."""

from __future__ import annotations

from collections.abc import Sequence

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
    centre = raw[..., middle : middle + 1]  # (..., 1)
    below = functional.softplus(raw[..., :middle])  # (..., middle)
    above = functional.softplus(raw[..., middle + 1 :])
    down = centre - below.flip(-1).cumsum(-1).flip(-1)
    return torch.cat([down, centre, centre + above.cumsum(-1)], dim=-1)  # (..., level)


def pinball(quantiles: Tensor, actual: Tensor, levels: Tensor) -> Tensor:
    """Return twice the mean pinball loss over levels, (...), which at one half is |error|.

    ``quantiles`` is (..., level), ``actual`` (...), ``levels`` (level,).
    """
    over = actual[..., None] - quantiles  # (..., level)
    return 2.0 * torch.maximum(levels * over, (levels - 1.0) * over).mean(-1)
