"""Live workers beside a deep worker that is killed, slowed and replaced, on a real broker."""

from __future__ import annotations

import calendar
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from click_settings import click_settings  # noqa: E402
from clicks import MINUTE, START, minutes  # noqa: E402
from deep_worlds import small_about, small_config, small_network  # noqa: E402
from live import PATIENCE_SECONDS, Live, Worker, live  # noqa: E402
from outputs import compare  # noqa: E402

from tidecast.models.deep.folder import load_model, save_model  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.streams.recording import Recorded  # noqa: E402

SETTINGS = (
    click_settings(width="1m", horizon=3, max_disorder="5s")
    + 'experts = ["seasonal_naive", "time_of_week", "deep"]\n[deep]\ndeadline = "3s"\n'
)
REGIONS = ("north", "south")
MINUTES_OF_A_TRIAL = 400
ON_TIME_SECONDS = 60.0  # a deadline, and a machine that may be loaded


def saved(root: Path, name: str, spread: float = 2.0) -> Path:
    """Write a model of the traffic of one cell into the folder of models.

    It has learnt nothing, and strays the wider from the window's level the larger ``spread`` is.
    """
    shape = {"n_cells": 1, "n_series": 1, "n_future": 0, "n_static": 0, "slots_per_day": 1440}
    about = small_about(series=("traffic",), bin_width=60_000_000)
    scales = Scales(np.full((1, 1), 6.0, np.float32), np.full((1, 1), spread, np.float32))
    cells = (Cell("north", "books"),)
    save_model(root / name, Model(small_network(small_config(**shape)), cells, scales, about), {})
    return root / name


class Shop:
    """A live shop whose time goes on as it is told, minute by minute."""

    def __init__(self, pipeline: Live) -> None:
        self.pipeline = pipeline
        self.models = pipeline.settings.deep.models
        self._minute = 0

    def start_deep(self) -> Worker:
        """Start a deep worker; it is stopped with the others."""
        path = self.pipeline.settings_path
        log = path.with_name(f"deep-{time.monotonic_ns()}.log")
        command = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(path)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "deep", "worker"], stdout=output, stderr=subprocess.STDOUT
            )
        self.pipeline.workers["deep"] = Worker("deep", process, log)
        return self.pipeline.workers["deep"]

    def kill_deep(self) -> None:
        self.pipeline.workers.pop("deep").kill()

    def origins(self) -> dict[int, list[dict[str, Any]]]:
        """Return the predictions of each origin, in minutes after START."""
        found: dict[int, list[dict[str, Any]]] = {}
        for value in self.pipeline.values(self.pipeline.topics.predictions):
            record = json.loads(value)
            at = calendar.timegm(time.strptime(record["origin"], "%Y-%m-%dT%H:%M:%SZ"))
            found.setdefault((at - START) // MINUTE, []).append(record)
        return found

    def pass_minutes(self, count: int) -> None:
        """Let many minutes pass at once."""
        first, self._minute = self._minute, self._minute + count
        values = [v for region in REGIONS for v in minutes(first, first + count, region)]
        self.pipeline.send(
            self.pipeline.source_topic,
            sorted(values, key=lambda value: json.loads(value)["event_time"]),
        )

    def pass_minute(self) -> bool:
        """Let a minute pass; return whether the deep model spoke in the forecast from its end.

        The forecast must be there in time, whatever the deep worker does.
        """
        minute, self._minute = self._minute, self._minute + 1
        values = [v for region in REGIONS for v in minutes(minute, minute + 2, region)]
        values.sort(key=lambda value: json.loads(value)["event_time"])
        self.pipeline.send(self.pipeline.source_topic, values[: len(values) // 2 + 4])
        started = time.monotonic()
        self.pipeline.wait(lambda: minute + 1 in self.origins(), f"the forecast at {minute + 1}")
        assert minute < 3 or time.monotonic() - started < ON_TIME_SECONDS
        return any("deep" in record["weights"] for record in self.origins()[minute + 1])

    def pass_until(self, spoken: bool, done: Callable[[], bool] = lambda: True) -> None:
        """Let minutes pass until the deep model spoke, or did not, in the last one."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.pass_minute() is not spoken or not done():
            assert time.monotonic() < deadline, f"spoken is not {spoken}"

    def models_admitted(self) -> list[str | None]:
        """Return whose answer stands in the forecaster's log, bin by bin."""
        found: dict[int, str | None] = {}
        for value in self.pipeline.values(self.pipeline.topics.cuts):
            record = json.loads(value)
            if record["type"] == "admission":
                said = record["said"]
                found.setdefault(record["origin_bin"], said and said["model"])
        return list(found.values())


@pytest.fixture
def shop(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Shop]:
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "1")
        pipeline.start("ingest")
        pipeline.start("forecast")
        yield Shop(pipeline)


def test_predictions_are_complete_and_on_time_whatever_happens_to_the_deep_worker(
    shop: Shop, tmp_path: Path
) -> None:
    shop.pass_until(spoken=False)  # there is no worker, and no model
    saved(shop.models, "a")
    shop.start_deep()
    shop.pass_until(spoken=True)

    shop.kill_deep()
    shop.pass_until(spoken=False)
    shop.pass_minute()
    shop.start_deep()
    shop.pass_until(spoken=True)

    slowed = shop.pipeline.workers["deep"].process
    slowed.send_signal(signal.SIGSTOP)
    shop.pass_until(spoken=False)
    shop.pass_minute()
    slowed.send_signal(signal.SIGCONT)
    shop.pass_until(spoken=True)

    saved(shop.models, "b")
    shop.pass_until(spoken=True, done=lambda: shop.models_admitted()[-1] == "b")
    (saved(shop.models, "c") / "weights.safetensors").write_bytes(b"torn")
    for _ in range(3):
        shop.pass_minute()
    shop.pass_until(spoken=True)
    assert "c" not in shop.models_admitted()

    origins = shop.origins()
    assert sorted(origins) == list(range(1, max(origins) + 1))
    whole = [len(records) for origin, records in origins.items() if origin < max(origins)]
    assert len(set(whole)) == 1
    assert shop.pipeline.workers.pop("deep").stop() == 0
    folder = tmp_path / "kept"
    shop.pipeline.command("record", str(folder), "--until-end")
    settings = shop.pipeline.settings
    compared = compare(settings, Recorded(settings, folder).records(), shop.pipeline.bootstrap)
    assert [result for result in compared if not result.is_same] == []


def test_a_forecast_worker_that_was_killed_asks_again(shop: Shop) -> None:
    saved(shop.models, "a")
    shop.start_deep()
    shop.pass_until(spoken=True)
    shop.pipeline.workers["forecast-0"].kill()
    shop.pipeline.start("forecast")
    shop.pass_until(spoken=True)
    origins = shop.origins()
    assert sorted(origins) == list(range(1, max(origins) + 1))


def test_a_deep_worker_without_a_model_waits_for_one(shop: Shop) -> None:
    shop.models.mkdir()
    shop.start_deep()
    for _ in range(3):
        assert not shop.pass_minute()
    half = shop.models / "half"
    shutil.copytree(saved(shop.models.parent / "elsewhere", "a"), half)
    (half / "complete.json").unlink()
    assert not shop.pass_minute()
    half.rename(shop.models.parent / "gone")
    saved(shop.models, "a")
    shop.pass_until(spoken=True)


def test_a_better_challenger_takes_over_and_a_killed_judge_changes_nothing(shop: Shop) -> None:
    saved(shop.models, "a", spread=60.0)
    registry = Registry(shop.models)
    registry.promote("a")
    saved(shop.models, "b")
    deep = shop.start_deep()
    shop.pass_until(spoken=True)
    kill_aside_of(deep, "judge")
    shop.pass_until(spoken=True)
    shop.pipeline.wait(lambda: bool(asides_of(deep, "judge")), "another judge")

    shop.pass_minutes(MINUTES_OF_A_TRIAL)
    shop.pipeline.wait(lambda: registry.standing().champion == "b", "the promotion of b")
    shop.pass_until(spoken=True, done=lambda: shop.models_admitted()[-1] == "b")
    log = shop.pipeline.workers["deep"].log.read_text()
    assert "model b is promoted: saves " in log
    assert "models are not judged for now: the process has ended with code -9" in log
    assert shop.pipeline.workers.pop("deep").stop() == 0


def test_a_network_is_trained_on_the_live_stream_while_the_one_before_answers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_DEEP__RETRAIN", "1s")
    saved(shop.models, "a")
    registry = Registry(shop.models)
    shop.pass_minutes(60)
    deep = shop.start_deep()
    kill_aside_of(deep, "retrain")
    shop.pass_until(spoken=True)
    shop.pipeline.wait(lambda: len(registry.names()) > 1, "a network trained on the stream")
    shop.pass_until(spoken=True)

    log = deep.log.read_text()
    assert "no network is trained for now: the process has ended with code -9" in log
    (name,) = registry.challengers()
    model, _ = load_model(shop.models / name)
    assert set(model.cells) == {Cell(region, "books") for region in REGIONS}
    assert registry.standing().champion == "a"
    assert set(shop.models_admitted()) <= {"a", None}
    assert shop.pipeline.workers.pop("deep").stop() == 0


def kill_aside_of(worker: Worker, command: str) -> None:
    """Kill the process that runs a command beside a deep worker, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := asides_of(worker, command)):
        assert time.monotonic() < deadline, "nothing runs beside it"
        time.sleep(0.1)
    for number in found:
        os.kill(number, signal.SIGKILL)


def asides_of(worker: Worker, command: str) -> list[int]:
    """Return the processes that run a command beside a deep worker."""
    return [number for number in children(worker.process.pid) if runs(number, command)]


def runs(number: int, command: str) -> bool:
    """Tell whether a process, if there still is one, was started with ``command`` as a word."""
    try:
        return command.encode() in Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def children(number: int) -> list[int]:
    """Return the processes that a process has started."""
    listed = Path(f"/proc/{number}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]
