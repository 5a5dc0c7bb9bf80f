"""Short numbers: floats of 16 significant bits, of which three bytes tell all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDING", "Short", "are_short", "shortened"]

Values = NDArray[np.float32]

ROUNDING = 1.6e-5
"""What a number is changed by at most, as a share of it."""

LOWEST = np.uint32(0xFF)
"""The bits of a float32 that a short one has not."""


class Short(NamedTuple):
    """Short numbers in three bytes each."""

    upper: NDArray[np.uint16]
    lower: NDArray[np.uint8]

    @classmethod
    def of(cls, values: Values) -> Short:
        """Return ``values``, which `are_short`, in three bytes each."""
        bits = values.view(np.uint32)
        return cls((bits >> 16).astype(np.uint16), (bits >> 8).astype(np.uint8))

    def opened(self) -> Values:
        """Return the numbers, as they were."""
        bits = np.left_shift(self.upper, 16, dtype=np.uint32)
        bits |= np.left_shift(self.lower, 8, dtype=np.uint32)
        return bits.view(np.float32)


def shortened(values: Values) -> Values:
    """Return ``values`` rounded to short numbers, the nearest: see `ROUNDING`.

    Whole numbers to 65,536 are short, and so is NaN.
    """
    bits = values.view(np.uint32)
    nearest = bits + ((bits >> 8) & 1)  # a tie goes to the even one
    nearest += LOWEST >> 1
    nearest &= ~LOWEST
    return nearest.view(np.float32)


def are_short(values: Values) -> bool:
    """Tell whether all ``values`` are short."""
    return not (values.view(np.uint32) & LOWEST).any()
