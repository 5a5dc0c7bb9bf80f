"""Forecasts packed: experts by how far they are from the blend, in half the bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.ranks import NOTHING

__all__ = ["UNKNOWN", "opened", "packed"]

Means = NDArray[np.float32]  # (1 + expert, ...)
Packed = NDArray[np.uint16]  # (expert, ...)

HALF = np.uint32(16)
"""Bits of a float32 that are left out: at most 0.4 % of a difference is lost."""

ROUNDING = np.uint32(1 << 15)
ZERO = np.float32(-np.inf)
"""Stands for the difference of an expert that says nothing comes: what is opened is plain zero."""

UNKNOWN = 0x7FC0
"""NaN, packed: an expert that sleeps."""


def packed(means: Means) -> Packed:
    """Return how far experts are from the blend, the first of ``means``; none is negative.

    They are the upper halves of float32, rounded (the format called bfloat16).
    """
    apart = means[1:] - means[:1]
    apart[means[1:] <= NOTHING] = ZERO
    bits = apart.view(np.uint32)
    bits += ROUNDING
    return (bits >> HALF).astype(np.uint16)


def opened(blend: NDArray[np.float32], differences: Packed) -> Means:
    """Return the means that were packed, of those of the ``blend``, (...)."""
    means = np.empty((1 + len(differences), *blend.shape), np.float32)
    means[0] = blend
    np.left_shift(differences, HALF, out=means[1:].view(np.uint32))
    means[1:] += blend
    return np.maximum(means, np.float32(0.0), out=means)
