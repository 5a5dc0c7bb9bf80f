"""Small things done to arrays of cells everywhere in the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tidecast.state.scopes import nested, scoped

__all__ = [
    "AT_ONCE",
    "LARGEST",
    "Arrays",
    "Part",
    "Stateful",
    "finite",
    "grown",
    "runs",
]

Arrays = dict[str, NDArray[Any]]
"""A snapshot: named arrays, nothing else."""


LARGEST = 1e15
"""Values beyond are taken for this: exact sums in int64 fixed point stay below."""


AT_ONCE = 4096
"""Values of a series that are worked on at once: so many fit a processor's cache."""


def finite(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ``values`` with what is not finite as NaN and nothing beyond ``LARGEST``."""
    known = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    return np.clip(known, -LARGEST, LARGEST)


def grown(array: NDArray[Any], n_cells: int, axis: int = 0, fill: float = 0) -> NDArray[Any]:
    """Return ``array`` with ``n_cells`` places on ``axis``, the new ones at the end = ``fill``."""
    missing = n_cells - array.shape[axis]
    if missing <= 0:
        return array
    shape = [*array.shape]
    shape[axis] = missing
    return np.concatenate([array, np.full(shape, fill, array.dtype)], axis=axis)


def runs(n_leads: int, n_cells: int) -> Iterator[slice]:
    """Yield runs of leads, as many each as can well be worked on at once, or one.

    Lead by lead the interpreter costs more than the arithmetic where cells are few.
    """
    step = max(1, AT_ONCE // max(1, n_cells))
    return (slice(first, min(first + step, n_leads)) for first in range(0, n_leads, step))


class Part(Protocol):
    """Anything with a state to be kept."""

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""


class Stateful:
    """Has a state, of a few arrays and of members that have one.

    ``STATE`` names the arrays, each an attribute with an underscore; members are what ``_members``
    names.
    """

    STATE: ClassVar[tuple[str, ...]] = ()

    def _members(self) -> Mapping[str, Part]:
        return {}

    def snapshot(self) -> Arrays:
        """Return everything that later steps depend on, as arrays."""
        own = {name: getattr(self, f"_{name}").copy() for name in self.STATE}
        return {**own, **nested({name: m.snapshot() for name, m in self._members().items()})}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        for name in self.STATE:
            setattr(self, f"_{name}", arrays[name].copy())
        for name, member in self._members().items():
            member.restore(scoped(arrays, name))
