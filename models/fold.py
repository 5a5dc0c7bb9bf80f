"""The forecaster as a pure fold over its one input log: cuts and decisions in, forecasts out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.explain import Explanation
from tidecast.models.forecaster import Forecast, Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.announced import AnnouncedCovariates
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import compress, lay_out, prefixed, unpack, within
from tidecast.state.covariate_file import read_covariates
from tidecast.state.cuts import Announcement, InputMessage, Refit
from tidecast.state.errors import CheckpointError
from tidecast.state.regions import locator, read_positions
from tidecast.state.settings import RegionsSettings, Settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import LateBins, Slab

__all__ = ["Closed", "ForecastFold"]


@dataclass(frozen=True)
class Closed:
    """What the closing of a bin gives; a correction gives its slab, and its scores anew."""

    slab: Slab
    cells: Sequence[Cell]
    scores: Scores | None = None
    forecast: Forecast | None = None


class ForecastFold:
    """Slabs of cuts, and forecasts of slabs: the whole state of a shard's forecaster.

    Where ``refits_are_decided`` by messages of the log, what comes after a bin with which a refit
    came due waits for the decision. So it does not matter where in the log that stands.
    """

    def __init__(self, settings: Settings, refits_are_decided: bool = False) -> None:
        self.slabs = SlabFold(SlabRules.of(settings))
        profile, known = ForecastProfile.of(settings), read_covariates(settings)
        self.forecaster = CoherentForecaster(Forecaster(profile, refits_are_decided, known))
        self.announced = AnnouncedCovariates(settings, known, profile.context_length)
        self._positions = Positions(settings.regions)
        self._waiting: deque[Slab | LateBins | Announcement] = deque()

    def step(self, message: InputMessage) -> Iterator[Closed | LateBins]:
        """Fold one message; yield what each bin that it closes gives, and what came too late."""
        if isinstance(message, Refit):
            self.forecaster.refits.decide(message)
        elif isinstance(message, Announcement):
            self._waiting.append(message)
        else:
            self._waiting += self.slabs.step(message)
        while self._waiting and not self.forecaster.refits.are_awaited:
            waiting = self._waiting.popleft()
            if isinstance(waiting, Announcement):
                self.announced.take(waiting, self.next_bin)
            else:
                yield self._given(waiting)

    def _given(self, slab: Slab | LateBins) -> Closed | LateBins:
        if isinstance(slab, LateBins):
            return slab
        cells = self.slabs.cells.cells[: len(slab.values)]
        if slab.revision:
            return Closed(slab, cells, self.forecaster.correct(slab, cells))
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
        return bool(self._waiting)

    @property
    def next_bin(self) -> int | None:
        """The first bin that is not closed and forecast; None before there are any."""
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
                f"the log ends before it is decided what the refit after bin {self.next_bin} "
                "has given: let the forecast worker go on for a while, and try again"
            )
        values, arrays = self.slabs.snapshot()
        announced, rows = self.announced.snapshot()
        learnt = self.forecaster.snapshot()
        return lay_out(
            values | {"announced": announced},
            prefixed("slabs", arrays)
            | prefixed("forecaster", learnt)
            | prefixed("announced", rows),
        )

    def restore(self, data: bytes) -> None:
        """Become the fold that ``snapshot`` was taken of.

        Raises
        ------
        CheckpointError
            When the bytes are damaged or of an unknown version.
        """
        values, arrays = unpack(data)
        self.slabs.restore(values, within("slabs", arrays))
        self.announced.restore(values["announced"], within("announced", arrays))
        self.forecaster.restore(within("forecaster", arrays))


class Positions:
    """Where the regions seen so far lie, as far as the settings tell."""

    def __init__(self, regions: RegionsSettings) -> None:
        self._locator = locator(regions)
        self._known = read_positions(regions.table) if regions.table is not None else {}
        self._seen = 0

    def of(self, cells: Sequence[Cell]) -> dict[str, tuple[float, float]]:
        """Return (lat, lng) of the regions of ``cells`` that have a position."""
        if self._locator is not None:
            for region in {cell.region for cell in cells[self._seen :]} - self._known.keys():
                if (position := self._locator.position(region)) is not None:
                    self._known[region] = position
        self._seen = len(cells)
        return self._known
