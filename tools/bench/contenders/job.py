"""What a contender is told to do, and the one line in which it reports."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import NoReturn, Self

from tidecast.tools.bench.memory import peak_mib

__all__ = ["DISORDER_MS", "Job", "Report", "Stopwatch", "leave"]

DISORDER_MS = 10_000
"""Within a partition no record is further behind the latest than this."""


@dataclass(frozen=True)
class Job:
    """Sum ``records`` of ``topic`` per minute, region and category, and write to ``output``."""

    bootstrap: str
    topic: str
    partitions: int
    records: int
    output: str
    folder: str

    @property
    def total(self) -> int:
        """Records to read: the counted ones and one flush record per partition."""
        return self.records + self.partitions

    def kafka(self) -> dict[str, str]:
        """Return the table of Kafka settings under which our own worker does the job."""
        return {"bootstrap": self.bootstrap, "topic_prefix": self.output, "group": self.output}

    def text(self) -> str:
        """Return the job as the one argument of a contender's process."""
        return json.dumps(asdict(self))

    @classmethod
    def of_arguments(cls) -> Self:
        """Return the job that this process was started for."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True)
class Report:
    """One run: when it began and ended (Unix seconds), and what it cost.

    ``ended`` is when the process had done its part; where there is an output topic, the stamp of
    its last message counts instead.
    """

    began: float
    ended: float
    cpu_seconds: float
    peak_mib: float


class Stopwatch:
    """Time and CPU since the first record was seen."""

    def __init__(self) -> None:
        self.began: float | None = None
        self._cpu = 0.0

    def start(self) -> None:
        """Begin, at the first call; later calls change nothing."""
        if self.began is None:
            self.began = time.time()
            self._cpu = _cpu_seconds()

    def report(self) -> Report:
        """Return the report of a run that ends now."""
        if self.began is None:
            raise RuntimeError("no record was seen: call start() at the first one")
        return Report(self.began, time.time(), _cpu_seconds() - self._cpu, peak_mib())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def leave(report: Report) -> NoReturn:
    """Print the report and end the process at once, past the farewells of its framework."""
    # Faust and others put loggers in the place of sys.stdout.
    stdout = sys.__stdout__ or sys.stdout
    stdout.write(json.dumps(asdict(report)) + "\n")
    stdout.flush()
    os._exit(0)
