"""The history of a live shop: the last bins of all cells, as the windows topic tells of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from aiokafka.errors import KafkaError
from numpy.typing import NDArray

from tidecast.models.deep.context import ClosedBin, Context
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.errors import ServiceError
from tidecast.state.heard import Heard, HeardCovariate
from tidecast.state.settings import Settings
from tidecast.streams.deep_windows import tell
from tidecast.streams.follow import POLL_MS, read_tails, reading
from tidecast.streams.topics import topic_names

__all__ = ["MOST_RECORDS", "LastBins", "Told", "read_last_bins"]

MOST_BINS = 2016
"""That are learnt from: as many as the longest season that forecasts know."""

MOST_RECORDS = 2 * MOST_BINS
"""Of them: there may be as many corrections as bins."""


@dataclass(frozen=True)
class LastBins:
    """Values of the bins from ``first`` on, (bin, cell, series); NaN = missing.

    ``covariates`` know at the end of each bin what was told of them then.
    """

    first: int
    cells: tuple[Cell, ...]
    values: NDArray[np.float32]
    covariates: tuple[HeardCovariate, ...] = ()


class Told:
    """Keeps the last ``n_bins`` that it is told of; cells of all shards stand side by side."""

    def __init__(self, n_bins: int, n_series: int, grid: BinGrid) -> None:
        self._n_bins, self._n_series = n_bins, n_series
        self._heard = Heard(grid)
        self._first: int | None = None
        self._shards: dict[int, Context] = {}

    def take(self, shard: int, closed: ClosedBin) -> None:
        """Take in a closed bin of a shard, or its correction."""
        self._first = closed.bin if self._first is None else min(closed.bin, self._first)
        context = self._shards.setdefault(shard, Context(self._n_bins, self._n_series))
        if context.take(replace(closed, known=())):
            self._heard.take(shard, closed.bin, closed.cells, closed.known)

    def last_bins(self) -> LastBins:
        """Return what was told."""
        contexts = [self._shards[shard] for shard in sorted(self._shards)]
        if self._first is None:
            return LastBins(0, (), np.zeros((0, 0, self._n_series), np.float32))
        last = max(context.last_bin or 0 for context in contexts)
        n_bins = min(self._n_bins, last - self._first + 1)
        parts = [context.after(last - n_bins, n_bins) for context in contexts]
        values = np.concatenate(parts, axis=1).transpose(2, 1, 0)  # (bin, cell, series)
        cells = tuple(cell for context in contexts for cell in context.cells)
        return LastBins(
            last - n_bins + 1, cells, np.ascontiguousarray(values), self._heard.covariates()
        )


async def read_last_bins(settings: Settings) -> LastBins:
    """Return the last bins that the windows topic has by now, at most 2,016.

    Raises
    ------
    ServiceError
        When the broker is away, or there is no topic of windows.
    """
    topic = topic_names(settings.kafka.topic_prefix).windows
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    series = [each.name for each in settings.series]
    told = Told(MOST_BINS, len(series), grid)
    try:
        async with reading(settings.kafka, [topic]) as consumer:
            await read_tails(consumer, MOST_RECORDS)
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for place, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                    for record in records:
                        tell(told, series, place.partition, record.value)
    except (KafkaError, TimeoutError) as error:
        raise ServiceError(f"the broker does not tell of the last bins: {error!r}") from error
    return told.last_bins()
