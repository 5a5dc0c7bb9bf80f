"""Our own ingest worker, made to write one message per window, as the other contenders do.

A window is complete when every partition has been cut at it; so the cuts go through the fold that
makes slabs, and each of a slab's cells becomes a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tidecast.state.cuts import PartitionList
from tidecast.state.partition import Outcome
from tidecast.state.settings import Settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import Slab
from tidecast.streams.sender import Sender
from tidecast.streams.upstream import Upstream
from tidecast.tools.bench.contenders.job import Job
from tidecast.tools.bench.contenders.tidecast import TimedIngest, run_worker

__all__ = ["WindowIngest"]


class WindowIngest(TimedIngest):
    """The ingest role with windows in the place of cuts."""

    def __init__(self, job: Job, settings: Settings, sender: Sender, upstream: Upstream) -> None:
        super().__init__(job, settings, sender, upstream)
        self._output = job.output
        self._send_one = sender.send
        self._rules = SlabRules.of(settings)
        self._fold = SlabFold(self._rules)
        name = settings.sources[0].name
        self._fold.step(PartitionList(tuple((name, number) for number in range(job.partitions))))

    async def _send(self, tp: Any, reading: Any, outcome: Outcome) -> None:
        cuts, outcome.cuts = outcome.cuts, []
        for cut in cuts:
            for slab in self._fold.step(cut):
                for key, value in self._messages(slab) if isinstance(slab, Slab) else ():
                    await self._send_one(self._output, value, key)
        await super()._send(tp, reading, outcome)

    def _messages(self, slab: Slab) -> Iterator[tuple[bytes, bytes]]:
        window = self._rules.grid.start(slab.bin) // 1000
        for (region, category), (total, count) in zip(
            self._fold.cells.cells, slab.values.tolist(), strict=True
        ):
            if count:
                row = {
                    "window": window,
                    "region": region,
                    "category": category,
                    "sum": total,
                    "count": int(count),
                }
                yield f"{region}|{category}".encode(), orjson.dumps(row)


if __name__ == "__main__":
    run_worker(Job.of_arguments(), WindowIngest)
