"""One replay in a process of its own, so that its peak memory is its own.

``python -m tidecast.tools.bench.replay_run LOG slabs|forecasts``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tidecast.state.cuts import PartitionList
from tidecast.state.errors import TidecastError
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import Slab
from tidecast.streams.logs import LogSpec
from tidecast.streams.replay import Replay
from tidecast.tools.bench.contenders.job import Stopwatch, leave
from tidecast.tools.bench.shop import sum_settings

__all__ = ["replayed_slabs"]


def replayed_slabs(log: Path, with_forecasts: bool) -> Iterator[Slab]:
    """Yield the slabs of a log of bench records, making forecasts at each, or not.

    Raises
    ------
    TidecastError
        In the end, when the slabs do not hold every record of the log.
    """
    settings = sum_settings()
    replay = Replay(settings, [LogSpec(settings.sources[0], log)])
    slabs = (
        (closed.slab for closed in replay.closed())
        if with_forecasts
        else _slabs(replay, SlabFold(SlabRules.of(settings)))
    )
    held = 0
    for slab in slabs:
        held += slab.events
        yield slab
    if held != replay.counts.events:
        raise TidecastError(f"the slabs hold {held} of {replay.counts.events} records")


def _slabs(replay: Replay, fold: SlabFold) -> Iterator[Slab]:
    fold.step(PartitionList((("clicks", 0),)))
    for cut in replay.cuts():
        yield from (slab for slab in fold.step(cut) if isinstance(slab, Slab))


if __name__ == "__main__":
    watch = Stopwatch()
    watch.start()
    for _ in replayed_slabs(Path(sys.argv[1]), sys.argv[2] == "forecasts"):
        pass
    leave(watch.report())
