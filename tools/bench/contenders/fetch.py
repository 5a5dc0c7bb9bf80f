"""The bare fetch rate of aiokafka: records are counted and thrown away."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from tidecast.tools.bench.contenders.job import Job, Report, Stopwatch, leave

__all__ = ["fetch"]


async def fetch(job: Job) -> Report:
    """Count the records of the topic."""
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.output,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    watch = Stopwatch()
    seen = 0
    while seen < job.total:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            watch.start()
            seen += len(records)
    report = watch.report()
    await consumer.stop()
    return report


if __name__ == "__main__":
    leave(asyncio.run(fetch(Job.of_arguments())))
