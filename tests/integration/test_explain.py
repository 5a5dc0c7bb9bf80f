"""What a live forecaster's newest forecast is made of, read beside it from a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click_settings import click_settings
from clicks import minutes
from live import Live, live

from tidecast.tools.main import run

SETTINGS = (
    click_settings(width="1m", max_disorder="5s")
    + """
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


def test_parts_of_the_newest_forecast_add_up_to_what_was_published(
    pipeline: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--settings", str(pipeline.settings_path), "explain", "--region", "north"]
    assert run([*asked, "--category", "books"]) == 5
    assert "has no checkpoint" in capsys.readouterr().err
    pipeline.send(pipeline.source_topic, minutes(0, 20))
    pipeline.start("ingest")
    forecaster = pipeline.start("forecast")
    pipeline.wait(lambda: pipeline.ends(pipeline.topics.windows) >= 15, "slabs")
    assert forecaster.stop() == 0  # it leaves a checkpoint
    del pipeline.workers[forecaster.name]
    assert run([*asked, "--category", "books", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    traffic = told["series"]["traffic"]
    assert [sum(each) for each in zip(*traffic["parts"].values(), strict=True)] == pytest.approx(
        traffic["mean"]
    )
    records = [json.loads(value) for value in pipeline.values(pipeline.topics.predictions)]
    (published,) = (
        record["mean"]
        for record in records
        if all(record[key] == told[key] for key in ("region", "category", "origin"))
    )
    assert traffic["mean"] == pytest.approx(published)
    assert run([*asked, "--category", "boks"]) == 2
    assert "books" in capsys.readouterr().err
