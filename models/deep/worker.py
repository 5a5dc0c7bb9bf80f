"""The deep worker: closed bins of shards in, a model's answers to the newest ones out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidecast.models.deep.context import ClosedBin, Context
from tidecast.models.deep.live import LiveModel
from tidecast.models.positions import Positions
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.settings import RegionsSettings

__all__ = ["DeepWorker"]


@dataclass
class Shard:
    """A shard's context, where its regions lie, and the last bin that was answered."""

    context: Context
    positions: Positions
    answered: int | None = None


class DeepWorker:
    """Answers the newest bin of every shard that it was told of.

    A bin is answered once; those that newer ones came after are not. ``model`` may be replaced by
    one that looks back no further.
    """

    def __init__(self, model: LiveModel, n_series: int, regions: RegionsSettings) -> None:
        self.model = model
        self.context_length = model.context_length
        self._n_series, self._regions = n_series, regions
        self._shards: dict[int, Shard] = {}

    def take(self, shard: int, closed: ClosedBin) -> None:
        """Take in a closed bin of a shard, or its correction."""
        if shard not in self._shards:
            context = Context(self.context_length, self._n_series)
            self._shards[shard] = Shard(context, Positions(self._regions))
        self._shards[shard].context.take(closed)

    def answers(self) -> Iterator[tuple[int, DeepForecast | None]]:
        """Yield each shard with news, and what is said of it; None where nothing sound is."""
        for number, shard in self._shards.items():
            context = shard.context
            if context.last_bin != shard.answered:
                shard.answered = context.last_bin
                yield number, self.model.answer(context, shard.positions.of(context.cells))
