"""Our own ingest worker, as ``tidecast worker ingest`` runs it: JSON to cuts.

Every record is held against the whole contract, and checkpoints are written meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import faust
from faust.types import TP

from tidecast.state.partition import Batch
from tidecast.state.settings import Settings
from tidecast.streams.app import ROLES, make_app
from tidecast.streams.ingest import IngestRole
from tidecast.streams.role import Role
from tidecast.streams.sender import Sender
from tidecast.streams.topics import create_topics, plan_topics
from tidecast.streams.upstream import Upstream
from tidecast.tools.bench.contenders.job import Job, Stopwatch, leave
from tidecast.tools.bench.shop import sum_settings

__all__ = ["TimedIngest", "run_worker"]


class TimedIngest(IngestRole):
    """The ingest role, ending its process when all records are folded and all cuts delivered."""

    def __init__(self, job: Job, settings: Settings, sender: Sender, upstream: Upstream) -> None:
        super().__init__(settings, sender, upstream)
        self._delivered = sender.delivered
        self._left = job.total
        self._watch = Stopwatch()

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[None]:
        """Fold a batch; leave after the last."""
        self._watch.start()
        async for _ in super().take(tp, batch):
            yield
        self._left -= len(batch.records)
        if self._left == 0:
            await self._delivered()
            leave(self._watch.report())


def run_worker(job: Job, role: Callable[[Job, Settings, Sender, Upstream], Role]) -> None:
    """Run the worker with ``role`` in the place of its ingest role."""
    settings = sum_settings(job.topic, job.kafka())
    create_topics(settings.kafka, plan_topics(settings, job.partitions))
    ROLES["ingest"] = lambda settings, sender, upstream: role(job, settings, sender, upstream)
    faust.Worker(make_app(settings, "ingest"), loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    run_worker(Job.of_arguments(), TimedIngest)
