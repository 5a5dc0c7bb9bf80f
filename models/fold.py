"""The forecaster as a pure fold over its one input log: cuts and decisions in, forecasts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecaster import Forecast
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import compress, lay_out, prefixed, unpack, within
from tidecast.state.cuts import InputMessage
from tidecast.state.regions import locator, read_positions
from tidecast.state.settings import RegionsSettings, Settings
from tidecast.state.slabs import LateBins, Slab, SlabFold, SlabRules

__all__ = ["Closed", "ForecastFold"]


@dataclass(frozen=True)
class Closed:
    """What the closing of a bin gives; a correction gives its slab, and its scores anew."""

    slab: Slab
    cells: Sequence[Cell]
    scores: Scores | None = None
    forecast: Forecast | None = None


class ForecastFold:
    """Slabs of cuts, and forecasts of slabs: the whole state of a shard's forecaster."""

    def __init__(self, settings: Settings) -> None:
        self.slabs = SlabFold(SlabRules.of(settings))
        self.forecaster = CoherentForecaster(ForecastProfile.of(settings))
        self._positions = Positions(settings.regions)

    def step(self, message: InputMessage) -> Iterator[Closed | LateBins]:
        """Fold one message; yield what each bin that it closes gives, and what came too late."""
        for slab in self.slabs.step(message):
            if isinstance(slab, LateBins):
                yield slab
                continue
            cells = self.slabs.cells.cells[: len(slab.values)]
            if slab.revision:
                yield Closed(slab, cells, self.forecaster.correct(slab, cells))
            else:
                scores, forecast = self.forecaster.step(slab, cells, self._positions.of(cells))
                yield Closed(slab, cells, scores, forecast)

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
        """Return a copy of the state, of which `compress` makes the snapshot at any later time."""
        values, arrays = self.slabs.snapshot()
        return lay_out(
            values,
            prefixed("slabs", arrays) | prefixed("forecaster", self.forecaster.snapshot()),
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
