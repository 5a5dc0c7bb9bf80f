"""Our own ingest worker with a checkpoint every second."""

from __future__ import annotations

from tidecast.tools.bench.contenders.job import Job
from tidecast.tools.bench.contenders.tidecast import TimedIngest, run_worker

__all__ = ["SavingIngest"]


class SavingIngest(TimedIngest):
    """The ingest role, saving its state again a second after it has."""

    checkpoint_seconds = 1.0


if __name__ == "__main__":
    run_worker(Job.of_arguments(), SavingIngest)
