"""Pathway with two threads: windows of a table that is read to the topic's end.

Its engine reads before any Python runs: the clock starts with the engine, some tenths of a
second before the first record.
"""

from __future__ import annotations

import os
from datetime import timedelta

os.environ["PATHWAY_THREADS"] = "2"  # read when the package is imported

import pathway as pw

from tidecast.tools.bench.contenders.job import Job, Stopwatch, leave

__all__ = ["build"]

ISO_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def build(job: Job) -> None:
    """Declare the dataflow in Pathway's global graph."""
    records = pw.io.kafka.read(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": job.output,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": "10000",
        },
        topic=job.topic,
        format="json",
        schema=pw.schema_from_types(event_time=str, region=str, category=str, value=float),
        mode="static",
        autocommit_duration_ms=1_000,
    )
    times = records.event_time.dt.strptime(ISO_FORMAT, contains_timezone=False)
    timed = records.with_columns(time=times)
    windows = timed.windowby(
        timed.time,
        window=pw.temporal.tumbling(duration=timedelta(minutes=1)),
        instance=(timed.region, timed.category),
    ).reduce(
        region=pw.this._pw_instance[0],
        category=pw.this._pw_instance[1],
        window=pw.this._pw_window_start.dt.timestamp(unit="ms"),
        sum=pw.reducers.sum(pw.this.value),
        count=pw.reducers.count(),
    )
    target = {"bootstrap.servers": job.bootstrap, "queue.buffering.max.messages": "1000000"}
    pw.io.kafka.write(windows, target, job.output, format="json")


if __name__ == "__main__":
    job, watch = Job.of_arguments(), Stopwatch()
    build(job)
    watch.start()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    leave(watch.report())
