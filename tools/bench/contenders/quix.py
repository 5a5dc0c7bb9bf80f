"""Quix Streams: a tumbling window over records that are keyed by cell beforehand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum

from tidecast.tools.bench.contenders.job import DISORDER_MS, Job, Stopwatch, leave

__all__ = ["build"]


def _event_time(value: dict[str, Any], *_: object) -> int:
    return int(datetime.fromisoformat(value["event_time"]).timestamp() * 1000)


def _window(value: dict[str, Any], key: str, *_: object) -> dict[str, Any]:
    region, category = key.split("|")
    return {
        "window": value["start"],
        "region": region,
        "category": category,
        "sum": value["sum"],
        "count": value["count"],
    }


def build(job: Job, watch: Stopwatch) -> Application:
    """Return the application, which stops after the last record."""
    app = Application(
        broker_address=job.bootstrap,
        consumer_group=job.output,
        auto_offset_reset="earliest",
        loglevel="WARNING",
        state_dir=Path(job.folder),
        consumer_extra_config={"queued.min.messages": 1_000_000, "fetch.queue.backoff.ms": 1},
    )
    source = app.topic(
        job.topic,
        value_deserializer="json",
        key_deserializer="str",
        timestamp_extractor=_event_time,
    )
    output = app.topic(job.output, value_serializer="json")
    seen = 0

    def count(_: object) -> None:
        nonlocal seen
        watch.start()
        seen += 1
        if seen == job.total:
            app.stop()  # after this record has gone through the window

    windows = (
        app.dataframe(source)
        .update(count)
        .tumbling_window(timedelta(minutes=1), grace_ms=DISORDER_MS)
        .agg(sum=Sum("value"), count=Count())
        .final(closing_strategy="partition")
    )
    windows.apply(_window, metadata=True).to_topic(output)
    return app


if __name__ == "__main__":
    job, watch = Job.of_arguments(), Stopwatch()
    build(job, watch).run()
    leave(watch.report())
