"""The forecaster as a pure fold over its one input log: cuts and decisions in, forecasts out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.deep_expert import DeepExpert
from tidecast.models.explain import Explanation
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.positions import Positions
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.announced import AnnouncedCovariates
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import compress, lay_out, unpack
from tidecast.state.covariate_file import read_covariates
from tidecast.state.covariates import CovariateTable
from tidecast.state.cuts import Admission, Announcement, InputMessage, Refit
from tidecast.state.errors import CheckpointError
from tidecast.state.known import Knowledge, Known
from tidecast.state.scopes import nested, scoped
from tidecast.state.settings import Settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import LateBins, Slab

__all__ = ["Closed", "ForecastFold", "Given", "Opened"]


@dataclass(frozen=True)
class Opened:
    """A slab to be told to a deep model: its bin closes when it is decided what that says."""

    slab: Slab
    cells: Sequence[Cell]
    known: Sequence[Known] = ()


@dataclass(frozen=True)
class Closed:
    """What the closing of a bin gives; a correction gives its slab, and its scores anew.

    The slab ``is_told`` already where the bin was `Opened` before; else what is ``known`` of
    covariates goes with it, where deep models are asked.
    """

    slab: Slab
    cells: Sequence[Cell]
    scores: Scores | None = None
    forecast: Forecast | None = None
    is_told: bool = False
    known: Sequence[Known] = ()


Given = Opened | Closed | LateBins
"""What a step gives."""


class ForecastFold:
    """Slabs of cuts, and forecasts of slabs: the whole state of a shard's forecaster.

    Where ``refits_are_decided`` by messages of the log, what comes after a bin with which a refit
    came due waits for the decision. So it does not matter where in the log that stands. What the
    expert `deep` hears of each bin, if it is asked, is decided likewise; else it hears nothing.
    """

    def __init__(self, settings: Settings, refits_are_decided: bool = False) -> None:
        self.slabs = SlabFold(SlabRules.of(settings))
        profile, known = ForecastProfile.of(settings), read_covariates(settings)
        self.forecaster = CoherentForecaster(Forecaster(profile, refits_are_decided, known))
        self.announced = AnnouncedCovariates(settings, known, profile.context_length)
        table = known if DeepExpert.name in profile.experts else CovariateTable()
        self._knowledge = Knowledge(table, profile.grid, profile.horizon)
        self._positions = Positions(settings.regions)
        self._waiting: deque[Slab | LateBins | Announcement] = deque()
        self._is_heard = refits_are_decided and DeepExpert.name in profile.experts
        self.opened: Opened | None = None
        """What waits for an `Admission`."""

    def step(self, message: InputMessage) -> Iterator[Given]:
        """Fold one message; yield what each bin that it closes gives, and what came too late."""
        if isinstance(message, Refit):
            self.forecaster.refits.decide(message)
        elif isinstance(message, Admission):
            yield from self._decided(message)
        elif isinstance(message, Announcement):
            self._waiting.append(message)
        else:
            self._waiting += self.slabs.step(message)
        while self._waiting and not self._is_held:
            waiting = self._waiting.popleft()
            if isinstance(waiting, Announcement):
                self.announced.take(waiting, self.next_bin)
            else:
                yield self._given(waiting)

    @property
    def _is_held(self) -> bool:
        return self.opened is not None or self.forecaster.refits.are_awaited

    def _given(self, slab: Slab | LateBins) -> Given:
        if isinstance(slab, LateBins):
            return slab
        cells = self.slabs.cells.cells[: len(slab.values)]
        if slab.revision:
            return Closed(slab, cells, self.forecaster.correct(slab, cells))
        if self._is_heard:
            self.opened = Opened(slab, cells, self._knowledge.at(slab.bin, cells))
            return self.opened
        return replace(self._closed(slab, cells), known=self._knowledge.at(slab.bin, cells))

    def _decided(self, admission: Admission) -> Iterator[Closed]:
        """Close the bin that is open, if that is what is decided."""
        opened = self.opened
        if opened is None or opened.slab.bin != admission.origin_bin:
            return
        self.opened = None
        if admission.said is not None:
            self.forecaster.hear(admission.said)
        yield replace(self._closed(opened.slab, opened.cells), is_told=True)

    def _closed(self, slab: Slab, cells: Sequence[Cell]) -> Closed:
        scores, forecast = self.forecaster.step(slab, cells, self._positions.of(cells))
        return Closed(slab, cells, scores, forecast)

    @property
    def known_cells(self) -> Sequence[Cell]:
        """The cells that were forecast so far, in their order."""
        return self.slabs.cells.cells[: self.forecaster.n_cells]

    def explain(self, cell: Cell) -> Explanation:
        """Return what the last forecast of a cell, or of a sum of cells, is made of.

        Raises
        ------
        LookupError
            When nothing was forecast of it; see `CoherentForecaster.explain`.
        """
        cells = self.known_cells
        return self.forecaster.explain(cell, cells, self._positions.of(cells))

    @property
    def is_waiting(self) -> bool:
        """Whether slabs wait for a decision; meanwhile there is no snapshot."""
        return bool(self._waiting) or self.opened is not None

    @property
    def next_bin(self) -> int | None:
        """The first bin that is not closed and forecast; None before there are any."""
        if self.opened is not None:
            return self.opened.slab.bin
        for each in self._waiting:
            if isinstance(each, Slab) and not each.revision:
                return each.bin
        return self.slabs.next_bin

    def end_warm_up(self) -> None:
        """Go on from a replayed log, which has ended, to live running.

        Cells, what was learnt, forecasts that wait for their actuals, and time itself stay; the
        source partitions are forgotten, and bins closed by now are not changed any more.
        """
        self.slabs.end_warm_up()

    def snapshot(self) -> bytes:
        """Return the state as bytes."""
        return compress(self.lay_out())

    def lay_out(self) -> bytes:
        """Return a copy of the state, of which `compress` makes the snapshot at any later time.

        Raises
        ------
        CheckpointError
            While slabs wait for a decision.
        """
        if self.is_waiting:
            raise CheckpointError(
                f"the log ends before it is decided what bin {self.next_bin} waits for (a refit, "
                "or a deep model): let the forecast worker go on for a while, and try again"
            )
        values, arrays = self.slabs.snapshot()
        announced, rows = self.announced.snapshot()
        learnt = self.forecaster.snapshot()
        return lay_out(
            values | {"announced": announced},
            nested({"slabs": arrays, "forecaster": learnt, "announced": rows}),
        )

    def restore(self, data: bytes) -> None:
        """Become the fold that ``snapshot`` was taken of.

        Raises
        ------
        CheckpointError
            When the bytes are damaged or of an unknown version.
        """
        values, arrays = unpack(data)
        self.slabs.restore(values, scoped(arrays, "slabs"))
        self.announced.restore(values["announced"], scoped(arrays, "announced"))
        self.forecaster.restore(scoped(arrays, "forecaster"))
