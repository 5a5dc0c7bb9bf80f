"""Standardised departures: what came less what was usual, in scales of the cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.state.slabs import Slab

__all__ = ["CLIP", "departures", "means_of"]

Cells = NDArray[np.float64]  # (cell, series)

CLIP = 6.0
"""Departures of more scales than this are taken for this."""


def departures(slab: Slab, covariates: Covariates) -> Cells:
    """Return what departed from the usual week, in scales, clipped: (cell, series), NaN = none."""
    return np.clip((slab.values - covariates.usual_now) / covariates.scale, -CLIP, CLIP)


def means_of(ahead: NDArray[np.float64], covariates: Covariates) -> NDArray[np.float32]:
    """Return the means, (series, cell, lead), that departures ``ahead`` (lead, cell, series) say.

    What is not finite departs by nothing.
    """
    known = np.clip(np.nan_to_num(ahead), -CLIP, CLIP)
    mean = covariates.usual_ahead + covariates.scale * known
    return mean.transpose(2, 1, 0).astype(np.float32)
