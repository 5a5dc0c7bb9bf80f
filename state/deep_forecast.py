"""What a deep model says of the bins after one that has closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DeepForecast"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DeepForecast:
    """The answer of ``model`` to the closing of ``origin_bin``; the cells are those of its slab.

    ``mean`` and ``scale`` are (series, cell, lead), in the unit of the series, scale > 0. A series
    that the model does not forecast is NaN.
    """

    origin_bin: int
    model: str
    mean: Floats
    scale: Floats

    @property
    def is_sound(self) -> bool:
        """Whether every series is finite with a positive scale, or all NaN; and not all are."""
        spoken = np.isfinite(self.mean) & np.isfinite(self.scale) & (self.scale > 0)
        silent = np.isnan(self.mean).all(axis=(1, 2))  # (series,)
        return bool((spoken.all(axis=(1, 2)) | silent).all() and not silent.all())
