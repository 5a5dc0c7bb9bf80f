"""What a backtest steps through: the slabs of a long table, or of event logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import xxhash

from tidecast.models.positions import Positions
from tidecast.state.cells import Cell
from tidecast.state.cuts import PartitionList
from tidecast.state.errors import LogError
from tidecast.state.settings import Settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import Slab
from tidecast.streams.backtest.table import Table
from tidecast.streams.logs import LogSpec
from tidecast.streams.replay import Replay

__all__ = ["LogSlabs", "Place", "Slabs", "TableSlabs"]

Place = tuple[float, float]


class Slabs(Protocol):
    """Slabs in order, which can be gone through again, to the byte."""

    first_bin: int
    last_bin: int

    @property
    def total(self) -> int:
        """How many slabs there are, corrections included."""
        ...

    @property
    def cells(self) -> Sequence[Cell]:
        """All cells, in the order in which they appear."""
        ...

    def after(self, count: int) -> Iterator[tuple[Slab, Sequence[Cell]]]:
        """Yield every slab after the first ``count``, and its cells."""
        ...

    def positions(self, cells: Sequence[Cell]) -> Mapping[str, Place]:
        """Return (lat, lng) of regions, as far as known."""
        ...

    def counts(self) -> tuple[int, ...]:
        """Return the places of the series whose values are whole numbers."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of what the slabs are made of."""
        ...


@dataclass
class TableSlabs:
    """The slabs of a long table, a bin each."""

    table: Table
    places: Mapping[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first_bin, self.last_bin = self.table.first_bin, self.table.last_bin

    @property
    def cells(self) -> Sequence[Cell]:
        """All cells, in the order in which they appear."""
        return self.table.cells

    @property
    def total(self) -> int:
        """How many slabs there are."""
        return self.table.n_bins

    def after(self, count: int) -> Iterator[tuple[Slab, Sequence[Cell]]]:
        """Yield every slab after the first ``count``, and its cells."""
        return self.table.slabs(self.first_bin + count)

    def positions(self, cells: Sequence[Cell]) -> Mapping[str, Place]:
        """Return (lat, lng) of regions, as far as known."""
        return self.places

    def counts(self) -> tuple[int, ...]:
        """Return the places of the series whose values are whole numbers."""
        values = self.table.values
        whole = (np.isnan(values) | (values == np.rint(values))).all(axis=0)
        return tuple(np.flatnonzero(whole).tolist())

    def fingerprint(self) -> str:
        """Return a hash of the table and the places."""
        places = xxhash.xxh3_128_hexdigest(repr(sorted(self.places.items())).encode())
        return f"{self.table.fingerprint()}{places}"


class LogSlabs:
    """The slabs of event logs, as a replay makes them: late events bring corrections.

    The logs are read once to know how long they are, and again to go through them.

    Raises
    ------
    LogError
        When they close no bin.
    """

    def __init__(self, settings: Settings, logs: Sequence[LogSpec]) -> None:
        self._settings = settings
        self._logs = logs
        self._positions = Positions(settings.regions)
        self.cells: Sequence[Cell] = ()
        bins: list[int] = []
        for slab, cells in self.after(0):
            bins.append(slab.bin)
            self.cells = max(self.cells, cells, key=len)
        if not bins:
            raise LogError("the logs close no bin: there is nothing to forecast")
        self.first_bin, self.last_bin = min(bins), max(bins)
        self._total = len(bins)

    @property
    def total(self) -> int:
        """How many slabs there are, corrections included."""
        return self._total

    def after(self, count: int) -> Iterator[tuple[Slab, Sequence[Cell]]]:
        """Yield every slab after the first ``count``, and its cells."""
        return islice(self._slabs(), count, None)

    def _slabs(self) -> Iterator[tuple[Slab, Sequence[Cell]]]:
        fold = SlabFold(SlabRules.of(self._settings))
        fold.step(PartitionList(tuple(sorted((log.source.name, 0) for log in self._logs))))
        for cut in Replay(self._settings, self._logs).cuts():
            for slab in fold.step(cut):
                if isinstance(slab, Slab):
                    yield slab, fold.cells.cells[: len(slab.values)]

    def positions(self, cells: Sequence[Cell]) -> Mapping[str, Place]:
        """Return (lat, lng) of the regions of ``cells``, as far as the settings tell."""
        return self._positions.of(cells)

    def counts(self) -> tuple[int, ...]:
        """Return the places of the series that count events, or add up whole numbers."""
        return tuple(
            number
            for number, series in enumerate(self._settings.series)
            if series.aggregate == "count" or (series.aggregate == "sum" and not series.decimals)
        )

    def fingerprint(self) -> str:
        """Return a hash of the settings, and of the size and change of every log."""
        stats = [(log.source.name, log.path.stat()) for log in self._logs]
        logs = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return self._settings.fingerprint() + xxhash.xxh3_64_hexdigest(repr(logs).encode())
