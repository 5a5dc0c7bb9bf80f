"""Peers beside the blend: scored by the same evaluator, on the same cells, origins and leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, finite
from tidecast.models.evaluate.evaluator import Evaluator, Span
from tidecast.models.evaluate.metrics import Score, scores_of
from tidecast.models.evaluate.said import Said, stacked
from tidecast.models.peers.race import Race
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab

__all__ = ["Beside"]


@dataclass(frozen=True)
class SaidBeside(Said):
    """Forecasts of one bin by blend, experts and peers, in this order.

    ``peers``, a due each, are (peer, series, cell, 1 + level), the mean first. The cells are those
    of which the blend said something.
    """

    peers: tuple[NDArray[np.float32], ...]

    def means(self, n_cells: int) -> NDArray[np.float32]:
        """See `Said.means`: (1 + expert + peer, series, cell, due)."""
        own = super().means(n_cells)
        others = stacked([said[..., 0] for said in self.peers], n_cells, np.nan)
        return np.concatenate([own, others])

    def quantiles(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Said.quantiles`: (1 + expert + peer, series, cell, due, level)."""
        n_own = len(self.dues[0].means)
        own = super().quantiles(means[:n_own])
        levels = [np.moveaxis(said[..., 1:], -1, -2) for said in self.peers]
        others = np.moveaxis(stacked(levels, means.shape[2], np.nan), -3, -1)
        return np.concatenate(
            [own, np.where(np.isfinite(means[n_own:, ..., None]), others, np.nan)]
        )

    def parts(self, n_entries: int) -> Iterator[Said]:
        """See `Said.parts`; the cells are few, so all dues are one part."""
        yield self


class Beside:
    """Scores of blend, experts and peers on ``cells`` alone, given by number and rising.

    Where the peers run on a sample, the blend's figures here are those to compare theirs with.
    """

    def __init__(
        self, profile: ForecastProfile, span: Span, cells: NDArray[np.int64], race: Race
    ) -> None:
        self.cells = cells
        self.race = race
        self.evaluator = Evaluator(replace(profile, experts=(*profile.experts, *race.names)), span)

    def step(self, slab: Slab) -> None:
        """Take a closed bin, or the correction of one."""
        values = finite(slab.values[self._known(len(slab.values))])
        if slab.revision:
            self.race.correct(slab.bin, values)
        else:
            self.race.step(slab.bin, values)

    def score(
        self, bin_: int, actual: NDArray[np.float64], cells: Sequence[Cell], said: Said
    ) -> None:
        """Score what was said of a bin that is final; see `Evaluator.add`."""
        known = self._known(actual.shape[1])
        own = said.of_cells(known)
        about = self.race.about(bin_)
        if bin_ >= self.evaluator.span.first_bin:
            peers = tuple(about[due.lead] for due in own.dues)
            own = SaidBeside(own.dues, own.shapes, peers)
        self.evaluator.add(bin_, actual[:, known], [cells[number] for number in known], own)
        self.race.forget(bin_)

    def _known(self, n_cells: int) -> NDArray[np.int64]:
        """Return the numbers of those that are among the first ``n_cells``."""
        return self.cells[: np.searchsorted(self.cells, n_cells)]

    def scores(self) -> Iterator[Score]:
        """Yield every figure, but none of peers that stopped: theirs would be of other bins."""
        stopped = {e.runner.name for e in self.race.entrants if e.stopped_at is not None}
        return (score for score in scores_of(self.evaluator) if score.expert not in stopped)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return nested({"race": self.race.snapshot(), "evaluator": self.evaluator.snapshot()})

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become what ``snapshot`` was taken of, when so many ``cells`` were known."""
        self.race.restore(scoped(arrays, "race"))
        known = [cells[number] for number in self._known(len(cells))]
        self.evaluator.restore(scoped(arrays, "evaluator"), known)
