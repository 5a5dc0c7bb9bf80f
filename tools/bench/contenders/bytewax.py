"""Bytewax: a folding window per cell, on one worker (two are slower on two cores)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.testing import cluster_main

from tidecast.tools.bench.contenders.job import Job, Stopwatch, leave

__all__ = ["build"]

ALIGN = datetime(2026, 1, 1, tzinfo=UTC)
DRIFT = timedelta(minutes=5)
"""Partitions read in big batches drift apart in event time; the windows wait that long."""

Sum = tuple[float, int]


def _add(so_far: Sum, value: tuple[datetime, float]) -> Sum:
    return so_far[0] + value[1], so_far[1] + 1


def _merge(left: Sum, right: Sum) -> Sum:
    return left[0] + right[0], left[1] + right[1]


def _message(item: tuple[str, tuple[int, Sum]]) -> Any:
    cell, (window, (total, count)) = item
    region, category = cell.split("|")
    row = {
        "window": int((ALIGN + timedelta(minutes=window)).timestamp() * 1000),
        "region": region,
        "category": category,
        "sum": total,
        "count": count,
    }
    return KafkaSinkMessage(cell.encode(), orjson.dumps(row))


def build(job: Job, watch: Stopwatch) -> Dataflow:
    """Return the dataflow, which ends at the end of the topic."""

    def decode(message: Any) -> tuple[str, tuple[datetime, float]]:
        watch.start()
        record = orjson.loads(message.value)
        cell = record["region"] + "|" + record["category"]
        return cell, (datetime.fromisoformat(record["event_time"]), record["value"])

    flow = Dataflow("windowed_sum")
    source = KafkaSource(
        [job.bootstrap],
        [job.topic],
        tail=False,
        batch_size=10_000,
        add_config={"queued.min.messages": "1000000", "fetch.queue.backoff.ms": "1"},
    )
    records = op.map("decode", op.input("records", flow, source), decode)
    windows = windowing.fold_window(
        "sums",
        records,
        windowing.EventClock(ts_getter=lambda value: value[0], wait_for_system_duration=DRIFT),
        windowing.TumblingWindower(length=timedelta(minutes=1), align_to=ALIGN),
        lambda: (0.0, 0),
        _add,
        _merge,
        ordered=False,
    )
    sink = KafkaSink([job.bootstrap], job.output, add_config={"linger.ms": "20"})
    op.output("windows", op.map("message", windows.down, _message), sink)
    return flow


if __name__ == "__main__":
    job, watch = Job.of_arguments(), Stopwatch()
    cluster_main(build(job, watch), [], 0, worker_count_per_proc=1)
    leave(watch.report())
