"""The same logs through Kafka and live workers, and through a replay, give the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from live import Live, live

from tidecast.models.fold import Closed
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.tools.run import run_replay
from tidecast.tools.services import Endpoints
from tidecast.tools.simulate import SimulatedShop, simulate

PARTITIONS = 4
QUERIES = {
    "predictions": "SELECT series, region, category, toUnixTimestamp(origin), revision,"
    " arrayMap(t -> toUnixTimestamp(t), valid_time), mean, quantile_levels, quantiles, experts,"
    " weights FROM predictions FINAL ORDER BY series, region, category, origin",
    "actuals": "SELECT series, region, category, toUnixTimestamp(bin_start),"
    " toUnixTimestamp(bin_end), toString(value), censored, revision FROM actuals FINAL"
    " ORDER BY series, region, category, bin_start",
    "scores": "SELECT series, expert, lead, toUnixTimestamp(valid_time), shard, n, abs_error,"
    " squared_error, actual, toString(pinball), intervals, covered, revision FROM scores FINAL"
    " ORDER BY series, expert, lead, valid_time",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    return simulate(tmp_path_factory.mktemp("shop"), seed=5, days=6, events=4_000)


@pytest.fixture
def pipeline(
    shop: SimulatedShop, services: Endpoints, topic_prefix: str, tmp_path: Path
) -> Iterator[Live]:
    """A pipeline that reads the shop's logs, with topics made and no worker yet."""
    assert services.kafka is not None
    assert services.clickhouse is not None
    text = shop.settings.read_text().replace('topic = "', 'topic = "{prefix}')
    text = text.replace("horizon = 12", "horizon = 3\nseason_lengths = [6, 24]")
    text = text.replace('table = "', f'table = "{shop.folder}/')
    marks = 'censored_by = { stream = "logistics", kinds = ["failed"] }'
    text = text.replace('kinds = ["order"]', f'kinds = ["order"]\n{marks}')
    text = text.replace("max_disorder", 'idle_timeout = "1h"\nmax_disorder')
    bootstrap = services.kafka.bootstrap
    login = services.clickhouse.environment()
    with live(tmp_path, bootstrap, topic_prefix, text, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", str(PARTITIONS))
        yield pipeline


def replayed(pipeline: Live, shop: SimulatedShop) -> tuple[Replay, dict[str, list[bytes]]]:
    """Return the replay of the logs, and the records of each topic that it gives."""
    settings = pipeline.settings
    logs = parse_log_specs([f"{name}={path}" for name, path in shop.logs.items()], settings)
    replay, output = Replay(settings, logs, PARTITIONS), ForecastOutput(settings)
    records: dict[str, list[bytes]] = {}
    closed: Closed
    refitted = 0
    for closed in replay.closed():
        refitted += closed.forecast is not None and "trees" in closed.forecast.weights
        for topic, _, value in output.records(closed):
            records.setdefault(topic, []).append(value)
    assert refitted > 30  # of 142 bins; refits come due after 12, 24, 48, 76, 104 and 132
    return replay, records


def feed(pipeline: Live, logs: dict[str, Path], *options: str) -> None:
    pipeline.command("feed", *(f"{name}={path}" for name, path in logs.items()), *options)


def halves(shop: SimulatedShop, folder: Path) -> Iterator[dict[str, Path]]:
    """Yield the logs' first halves, then their second ones, cut where the dealing does not mind."""
    lines = {name: path.read_bytes().splitlines(True) for name, path in shop.logs.items()}
    middle = {name: len(those) // 2 // PARTITIONS * PARTITIONS for name, those in lines.items()}
    for number in (0, 1):
        logs = {name: folder / f"{name}-{number}.ndjson" for name in lines}
        for name, path in logs.items():
            part = slice(middle[name]) if number == 0 else slice(middle[name], None)
            path.write_bytes(b"".join(lines[name][part]))
        yield logs


def assert_same_forecasts(pipeline: Live, expected: dict[str, list[bytes]]) -> None:
    """Wait for all records that the replay gave, and compare them byte by byte."""
    for topic, records in expected.items():
        pipeline.wait_for(topic, len(records))
    topics = pipeline.topics
    assert pipeline.values(topics.windows) == expected[topics.windows]
    assert pipeline.values(topics.scores) == expected[topics.scores]
    found = Counter(pipeline.values(topics.predictions))
    assert found == Counter(expected[topics.predictions])


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {table: store.query(sql).rows for table, sql in QUERIES.items()}


def assert_same_store(pipeline: Live, shop: SimulatedShop, folder: Path) -> None:
    """Wait until the server holds as many rows as a replay into an empty store, and compare."""
    settings = pipeline.settings
    logs = parse_log_specs([f"{name}={path}" for name, path in shop.logs.items()], settings)
    embedded, server = open_embedded(folder), open_server(settings.clickhouse)
    try:
        embedded.migrate()
        run_replay(settings, Replay(settings, logs, PARTITIONS), embedded)
        expected = rows(embedded)
        counts = {table: len(those) for table, those in expected.items()}
        for table, count in counts.items():
            sql = f"SELECT count() FROM {table} FINAL"
            pipeline.wait(lambda q=sql, n=count: server.query(q).rows[0][0] >= n, f"all {table}")
        found = rows(server)
        for table, those in expected.items():
            assert [plain(row) for row in found[table]] == [plain(row) for row in those]
    finally:
        embedded.close()
        server.close()


def plain(value: Any) -> Any:
    """Return rows of both drivers as the same lists and numbers."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return None if value != value else value
    return value


def test_live_gives_what_a_replay_gives_byte_for_byte(
    pipeline: Live, shop: SimulatedShop, tmp_path: Path
) -> None:
    for role, slot in (("ingest", "0"), ("ingest", "1"), ("forecast", "0"), ("sink", "0")):
        pipeline.start(role, slot)
    feed(pipeline, shop.logs, "--end")
    replay, expected = replayed(pipeline, shop)
    assert_same_forecasts(pipeline, expected)
    topics = pipeline.topics
    assert sum(b'"censored":' in window for window in expected[topics.windows]) > 4
    assert len(pipeline.records(topics.dead_letters)) == replay.counts.refused
    assert len(pipeline.records(topics.late)) == replay.counts.late
    assert_same_store(pipeline, shop, tmp_path / "store")
    assert {worker.name: worker.stop() for worker in pipeline.workers.values()} == dict.fromkeys(
        pipeline.workers, 0
    )


def test_an_ingest_worker_killed_on_its_way_loses_and_doubles_nothing(
    pipeline: Live, shop: SimulatedShop, tmp_path: Path
) -> None:
    first, second = halves(shop, tmp_path)
    victim = pipeline.start("ingest", "0")
    pipeline.start("ingest", "1")
    pipeline.start("forecast")
    topics = pipeline.topics
    feed(pipeline, first)
    pipeline.wait(lambda: pipeline.ends(topics.checkpoints) > 4, "checkpoints")
    victim.kill()
    feed(pipeline, second, "--end")
    pipeline.start("ingest", "0")
    replay, expected = replayed(pipeline, shop)
    assert_same_forecasts(pipeline, expected)
    letters = {(r.value, r.key) for r in pipeline.records(topics.dead_letters)}
    assert len(letters) == replay.counts.refused


def test_a_forecast_worker_killed_on_its_way_goes_on_with_the_same_forecasts(
    pipeline: Live, shop: SimulatedShop, tmp_path: Path
) -> None:
    first, second = halves(shop, tmp_path)
    pipeline.start("ingest")
    victim = pipeline.start("forecast")
    topics = pipeline.topics
    feed(pipeline, first)
    pipeline.wait(
        lambda: b"forecast/0" in {record.key for record in pipeline.records(topics.checkpoints)},
        "a checkpoint of the forecaster",
    )
    victim.kill()
    before = pipeline.ends(topics.windows)
    feed(pipeline, second, "--end")
    pipeline.start("forecast")
    expected = replayed(pipeline, shop)[1]
    last = expected[topics.windows][-1]
    pipeline.wait(lambda: last in pipeline.values(topics.windows), "the last bin")
    pipeline.wait(
        lambda: set(expected[topics.predictions]) <= set(pipeline.values(topics.predictions)),
        "all predictions",
    )
    assert before > 0
    for topic, records in expected.items():
        assert set(pipeline.values(topic)) == set(records)
    windows = pipeline.values(topics.windows)
    assert all(one != next_ for one, next_ in pairwise(windows))
