"""A live run goes on under other settings, from a warm-up, and from a topic made anew."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from live import Live, live, wait_until
from partitions import SECOND, START

from tidecast.state.bins import iso
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.tools.main import run

MINUTES = 40
SPLIT = 20 * 60  # seconds after START
SETTINGS = """
[bins]
width = "1m"
[forecast]
horizon = 3
[[sources]]
name = "clicks"
topic = "{prefix}clicks"
stream = "click"
max_disorder = "5s"
idle_timeout = "1h"
[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
[[series]]
name = "value"
stream = "click"
aggregate = "sum"
of = "value"
"""
VIEWS = """
[[series]]
name = "views"
stream = "click"
aggregate = "count"
kinds = ["view"]
"""
ORDERS = """
[[sources]]
name = "orders"
topic = "{prefix}orders"
stream = "order"
max_disorder = "5s"
idle_timeout = "1h"
[[series]]
name = "demand"
stream = "order"
aggregate = "sum"
of = "units"
"""


def clicks() -> list[tuple[int, dict[str, Any]]]:
    """Return (second, record), in order, of four regions."""
    chance = random.Random(1)
    return [
        (
            second,
            {
                "event_time": iso(START + second * SECOND),
                "region": chance.choice("abcd"),
                "category": "x",
                "kind": chance.choice(["view", "cart"]),
                "value": chance.randrange(50),
            },
        )
        for second in range(MINUTES * 60)
        if chance.random() < 0.4
    ]


def orders() -> list[tuple[int, dict[str, Any]]]:
    """Return (second, record) of orders that begin shortly before SPLIT."""
    shared = {"category": "x", "kind": "order", "units": 2}
    return [
        (at, {"event_time": iso(START + at * SECOND), "region": "abcd"[at % 4], **shared})
        for at in range(SPLIT - 200, MINUTES * 60, 3)
    ]


def write(path: Path, records: Sequence[tuple[int, dict[str, Any]]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for _, record in records))
    return path


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with two partitions, without a worker yet."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


@pytest.fixture
def logs(tmp_path: Path) -> dict[str, Path]:
    """The log of clicks: whole, and its parts before and after SPLIT."""
    records = clicks()
    return {
        "whole": write(tmp_path / "whole.ndjson", records),
        "first": write(tmp_path / "first.ndjson", [r for r in records if r[0] < SPLIT]),
        "second": write(tmp_path / "second.ndjson", [r for r in records if r[0] >= SPLIT]),
    }


def replayed(pipeline: Live, path: Path) -> dict[str, list[bytes]]:
    """Return the records of each topic that a replay of the clicks gives."""
    settings = pipeline.settings
    replay = Replay(settings, parse_log_specs([f"clicks={path}"], settings), 2)
    records: dict[str, list[bytes]] = {}
    for output in replay.outputs():
        for topic, _, value in ForecastOutput(settings).records(output):
            records.setdefault(topic, []).append(value)
    return records


def stop_workers(pipeline: Live) -> None:
    """Stop ingest, let the forecaster fold and save all cuts, and stop it."""
    topics = pipeline.topics
    assert pipeline.workers.pop("ingest-0").stop() == 0
    end = pipeline.ends(topics.cuts)

    def is_saved() -> bool:
        saved = [r.value for r in pipeline.records(topics.checkpoints) if r.key == b"forecast/0"]
        return any(json.loads(manifest)["position"] == end for manifest in saved)

    pipeline.wait(is_saved, "a checkpoint after the last cut")
    assert pipeline.workers.pop("forecast-0").stop() == 0


def windows(records: Sequence[bytes], series: str) -> dict[int, list[float | None]]:
    """Return bin -> last values of a series."""
    found = {}
    for window in map(json.loads, records):
        found[window["bin"]] = window["values"][window["series"].index(series)]
    return found


def predictions(records: Sequence[bytes], series: str) -> set[bytes]:
    return {value for value in records if json.loads(value)["series"] == series}


def test_a_live_run_goes_on_with_other_series_and_sources(
    pipeline: Live, logs: dict[str, Path], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, path = pipeline.topics, pipeline.settings_path
    expected = replayed(pipeline, logs["whole"])
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.command("feed", f"clicks={logs['first']}")
    pipeline.wait_for(topics.windows, 18)
    old = path.rename(path.with_name("old.toml"))
    text = old.read_text() + (VIEWS + ORDERS).replace("{prefix}", topic_prefix)
    path.write_text(text.replace("horizon = 3", "horizon = 3\nquantile_levels = [0.1, 0.5, 0.9]"))
    migrate = ["--settings", str(path), "migrate", "--from", str(old)]
    pipeline.command("topics", "create", "--partitions", "2")
    assert run(migrate) == 4  # the workers run
    stop_workers(pipeline)
    before = pipeline.ends(topics.checkpoints)
    assert run([*migrate, "--dry-run"]) == 0
    assert pipeline.ends(topics.checkpoints) == before
    assert run(migrate) == 0
    assert "adds source orders" in capsys.readouterr().out
    assert run(migrate) == 0
    assert "migrated already" in capsys.readouterr().out

    pipeline.start("ingest")
    pipeline.start("forecast")
    sold = write(path.with_name("sold.ndjson"), orders())
    pipeline.command("feed", f"clicks={logs['second']}", f"orders={sold}", "--end")
    last = max(windows(expected[topics.windows], "traffic"))
    pipeline.wait(lambda: last in windows(pipeline.values(topics.windows), "traffic"), "the end")
    found = pipeline.values(topics.windows)
    for series in ("traffic", "value"):
        assert windows(found, series) == windows(expected[topics.windows], series)
    means = {
        (p["series"], p["region"], p["origin"]): p["mean"]
        for p in map(json.loads, pipeline.values(topics.predictions))
    }
    for record in map(json.loads, expected[topics.predictions]):
        assert means[record["series"], record["region"], record["origin"]] == record["mean"]

    views = windows(replayed(pipeline, logs["whole"])[topics.windows], "views")
    counted = {
        bin_: values
        for bin_, values in windows([v for v in found if b'"views"' in v], "views").items()
        if values != [None] * 4
    }
    assert min(counted) <= (START + SPLIT * SECOND) // (60 * SECOND) + 1
    assert counted == {bin_: views[bin_] for bin_ in counted}
    assert {bin_ for bin_ in views if bin_ >= min(counted)} == set(counted)
    demand = windows(found[-1:], "demand")
    assert sum(demand[last]) == 2 * 20


def test_what_cannot_be_migrated_is_refused(pipeline: Live, capsys: Any) -> None:
    path = pipeline.settings_path
    old = path.with_name("old.toml")
    old.write_text(path.read_text())
    path.write_text(old.read_text().replace('"1m"', '"5m"'))
    assert run(["--settings", str(path), "migrate", "--from", str(old)]) == 2
    assert "bins.width" in capsys.readouterr().err
    path.write_text(old.read_text() + VIEWS.replace("views", "looks"))
    assert run(["--settings", str(path), "migrate", "--from", str(old)]) == 5
    assert "nothing was learnt" in capsys.readouterr().err


def test_a_source_whose_topic_was_made_anew_goes_on_when_the_user_says_so(
    pipeline: Live, logs: dict[str, Path]
) -> None:
    topics = pipeline.topics
    expected = replayed(pipeline, logs["whole"])
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.command("feed", f"clicks={logs['first']}")
    pipeline.wait_for(topics.windows, 18)
    source = pipeline.settings.sources[0].topic
    read = pipeline.ends(source)
    pipeline.wait(lambda: saved_up_to(pipeline) == read, "checkpoints of all that was read")
    stop_workers(pipeline)
    admin = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)
    admin.delete_topics([source])
    wait_until(lambda: source not in admin.list_topics(), "the topic to go")
    admin.close()
    pipeline.command("topics", "create", "--partitions", "2")
    refused = pipeline.start("ingest")
    assert refused.process.wait(120) == 5
    pipeline.workers.pop("ingest-0")
    pipeline.command("migrate", "--anew", "clicks")
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.command("feed", f"clicks={logs['second']}", "--end")
    last = max(windows(expected[topics.windows], "traffic"))
    pipeline.wait(lambda: last in windows(pipeline.values(topics.windows), "traffic"), "the end")
    found = windows(pipeline.values(topics.windows), "traffic")
    assert found == windows(expected[topics.windows], "traffic")


def saved_up_to(pipeline: Live) -> int:
    """Return the sum of positions of ingest's last checkpoints."""
    positions: dict[bytes, int] = {}
    for record in pipeline.records(pipeline.topics.checkpoints):
        if record.key.startswith(b"ingest") and record.key.count(b"/") == 2:
            positions[record.key] = json.loads(record.value)["position"]
    return sum(positions.values())


def test_a_live_run_goes_on_from_a_warm_up(
    pipeline: Live, logs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = pipeline.topics
    expected = replayed(pipeline, logs["whole"])
    warm_up = ["--settings", str(pipeline.settings_path), "replay", f"clicks={logs['first']}"]
    warm_up += ["--store", str(tmp_path / "store"), "--partitions", "2", "--into-checkpoint"]
    assert run(warm_up) == 0
    assert run(warm_up) == 5
    assert "has a checkpoint" in capsys.readouterr().err
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.command("feed", f"clicks={logs['second']}", "--end")
    last = expected[topics.windows][-1]
    pipeline.wait(lambda: last in pipeline.values(topics.windows), "the last bin")
    split = (START + SPLIT * SECOND) // (60 * SECOND)
    seam = iso(START + SPLIT * SECOND)
    assert pipeline.values(topics.windows) == [
        value for value in expected[topics.windows] if json.loads(value)["bin"] >= split
    ]
    after = {v for v in expected[topics.predictions] if json.loads(v)["origin"] > seam}
    pipeline.wait(lambda: after <= set(pipeline.values(topics.predictions)), "all predictions")
    assert set(pipeline.values(topics.predictions)) == after
