"""Our own ingest worker without any checkpoint."""

from __future__ import annotations

from tidecast.tools.bench.contenders.job import Job
from tidecast.tools.bench.contenders.tidecast import TimedIngest, run_worker

__all__ = ["BareIngest"]


class BareIngest(TimedIngest):
    """The ingest role, done long before its first checkpoint is due."""

    checkpoint_seconds = 24 * 3600.0


if __name__ == "__main__":
    run_worker(Job.of_arguments(), BareIngest)
