"""Answers of deep models in a backtest, as a live run is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tidecast.models.arrays import Arrays
from tidecast.state.cells import Cell
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab

__all__ = ["Answers"]


class Answers(Protocol):
    """What deep models say of closed bins; see `tidecast.models.deep.succession`."""

    def answer(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> DeepForecast | None:
        """Take the next closed bin; return what is said of those after it, None = nothing."""

    def correct(self, slab: Slab, cells: Sequence[Cell]) -> None:
        """Replace the values of an earlier bin."""

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become what ``snapshot`` was taken of, when these ``cells`` were known."""
