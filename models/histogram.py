"""Histograms of standardised residuals: buckets even near 0, and wider in proportion far out."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_BUCKETS", "bucket_of", "normal_shares", "quantile"]

Values = NDArray[np.float64]

N_BUCKETS = 160
FINEST = 0.05  # width of the buckets around 0, in scales; it grows in proportion further out
EDGES = np.sinh((np.arange(N_BUCKETS + 1.0) - N_BUCKETS / 2) * FINEST)


def bucket_of(standard: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bucket of each residual, in scales; what is beyond all is in the last."""
    place = np.floor(np.arcsinh(standard.astype(np.float64)) / FINEST + N_BUCKETS / 2)
    return np.clip(place, 0, N_BUCKETS - 1).astype(np.int64)


def normal_shares() -> Values:
    """Return what part of a normal distribution is in each bucket, (bucket,)."""
    return np.diff([NormalDist().cdf(edge) for edge in EDGES])


def quantile(below: Values, share: Values) -> Values:
    """Return the residual that a ``share``, (..., 1), of a histogram is below: (...).

    ``below``, (..., bucket), is the share that each bucket ends at. Within a bucket residuals are
    taken to be even.
    """
    place = (below < share).sum(axis=-1)[..., None]
    low = np.where(place > 0, np.take_along_axis(below, np.maximum(place - 1, 0), -1), 0.0)
    high = np.take_along_axis(below, place, -1)
    inside = ((share - low) / np.fmax(high - low, 1e-12))[..., 0]
    edge = EDGES[place[..., 0]]
    return np.asarray(edge + inside * (EDGES[place[..., 0] + 1] - edge))
