"""A succession of models: each answers once what it was made of is past, until the next does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidecast.models.arrays import Arrays
from tidecast.models.deep.context import ClosedBin, Context
from tidecast.models.deep.live import LiveModel
from tidecast.state.cells import Cell
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.known import Knowledge
from tidecast.state.slabs import Slab

__all__ = ["Succession", "Successor"]


@dataclass(frozen=True)
class Successor:
    """A model that may answer from ``first_bin`` on: the last one that it was made of."""

    first_bin: int
    model: LiveModel


class Succession:
    """Answers closed bins of the past as a deep worker would have answered them live.

    It has the windows that the worker has, and answers with the model that was trained last among
    those whose data were over by then. So nobody is asked of what it has learnt from, or was judged
    by, and experts are weighed by what they are worth beyond that.
    """

    def __init__(
        self, successors: Sequence[Successor], n_series: int, knowledge: Knowledge | None = None
    ) -> None:
        self.successors = tuple(sorted(successors, key=lambda each: each.first_bin))
        longest = max(each.model.context_length for each in successors)
        self._context = Context(longest, n_series)
        self._knowledge = knowledge

    def answer(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> DeepForecast | None:
        """Take the next closed bin; return what is said of those after it, None = nothing."""
        known = self._knowledge.at(slab.bin, cells) if self._knowledge else ()
        self._context.take(ClosedBin(slab.bin, cells, slab.values, known))
        over = [each.model for each in self.successors if each.first_bin <= slab.bin]
        return over[-1].answer(self._context, positions) if over else None

    def correct(self, slab: Slab, cells: Sequence[Cell]) -> None:
        """Replace the values of an earlier bin."""
        self._context.take(ClosedBin(slab.bin, cells, slab.values))

    def snapshot(self) -> Arrays:
        """Return the state as arrays: the window, without its cells."""
        return self._context.snapshot()

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become what ``snapshot`` was taken of, when these ``cells`` were known."""
        self._context.restore(arrays, cells)
