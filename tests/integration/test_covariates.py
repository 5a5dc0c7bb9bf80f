"""Covariates that a topic tells: live, after a crash, and in what was recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click_settings import click_settings
from clicks import MINUTE, START, minutes
from live import Live, live
from outputs import compare

from tidecast.state.cuts import END_OF_LOG
from tidecast.streams.recording import Recorded

SETTINGS = (
    click_settings(width="1m", max_disorder="5s")
    + """
[[covariates]]
name = "promotion"
topic = "{prefix}told"
by = ["region"]
absent = 0
[forecast]
horizon = 3
season_lengths = [5]
"""
)


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with one partition, without a worker yet."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "1")
        yield pipeline


def promotion(minute: int) -> bytes:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + minute * MINUTE))
    return json.dumps({"name": "promotion", "time": at, "region": "north", "value": 1}).encode()


def events(first: int, last: int) -> list[bytes]:
    """Return events of the minutes from ``first`` to before ``last``; promotions double them."""
    found = []
    for minute in range(first, last):
        found += minutes(minute, minute + 1) * (2 if minute % 7 == 3 else 1)
    return found


def announced(pipeline: Live) -> list[dict[str, Any]]:
    found = [json.loads(value) for value in pipeline.values(pipeline.topics.cuts)]
    return [row for m in found if m["type"] == "announcement" for row in m["rows"]]


def closed(pipeline: Live) -> int:
    """Return how many minutes after START have a slab."""
    return len({json.loads(value)["bin"] for value in pipeline.values(pipeline.topics.windows)})


def test_what_a_topic_tells_is_decided_in_the_log_and_repeated_byte_for_byte(
    pipeline: Live, tmp_path: Path
) -> None:
    (told,), (source,) = pipeline.settings.covariate_topics, pipeline.settings.sources
    pipeline.send(told, [promotion(minute) for minute in (3, 10, 17, 24)])
    pipeline.send(source.topic, events(0, 30))
    pipeline.start("ingest")
    forecaster = pipeline.start("forecast")
    pipeline.wait(lambda: closed(pipeline) >= 29, "slabs of the first half")
    first = [json.loads(value)["type"] for value in pipeline.values(pipeline.topics.cuts)]
    assert first.index("announcement") < first.index("partitions")
    forecaster.kill()
    pipeline.send(told, [promotion(31), b"broken", promotion(38), promotion(45)])
    pipeline.start("forecast")
    pipeline.wait(
        lambda: {row["offset"] for row in announced(pipeline)} == {0, 1, 2, 3, 4, 6, 7},
        "all announcements",
    )
    pipeline.send(source.topic, [*events(30, 50), END_OF_LOG])
    pipeline.wait(lambda: closed(pipeline) >= 50, "slabs of the second half")
    letters = [json.loads(value) for value in pipeline.values(pipeline.topics.dead_letters)]
    assert {(letter["topic"], letter["offset"]) for letter in letters} == {(told, 5)}
    pipeline.command("record", str(tmp_path / "kept"), "--until-end")
    recorded = Recorded(pipeline.settings, tmp_path / "kept")
    compared = compare(pipeline.settings, recorded.records(), pipeline.bootstrap)
    letters_topic = pipeline.topics.dead_letters  # those of covariates are not told again
    assert [r for r in compared if not r.is_same and r.topic != letters_topic] == []
    assert recorded.fold.announced.positions == {(told, 0): 8}
