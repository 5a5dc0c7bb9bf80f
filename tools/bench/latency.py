"""``tidecast bench latency``: from the record that completes a bin to its forecasts in ClickHouse.

The broker stamps every source record when it appends it, and a cut names the record that made it:
the last of these stamps over the partitions is when a bin was complete. A reader of the store
notes when all rows of an origin are there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import click
import numpy as np

from tidecast.state.cuts import Cut
from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings, load_settings
from tidecast.streams.store import Store, open_server
from tidecast.streams.topics import create_topics, plan_topics, topic_names
from tidecast.streams.wire import parse_input
from tidecast.tools.bench import topics
from tidecast.tools.bench.live import PARTITIONS, Feeder, LiveShop
from tidecast.tools.bench.outputs import read_records
from tidecast.tools.services import Endpoints, running_services

__all__ = ["Latencies", "completions", "latency"]

HISTORY_BINS = 100
POLL_SECONDS = 0.02
CATCH_UP_SECONDS = 240.0
LAST_WAIT_SECONDS = 20.0
STOP_SECONDS = 20.0

Appends = Mapping[int, Mapping[int, float]]
"""Source partition -> offset -> the broker's append time (Unix seconds)."""


@dataclass(frozen=True)
class Latencies:
    """Seconds from a bin's last record to its forecasts in the store, over ``bins`` bins.

    The forecasts of ``missing`` bins never came: their wait is infinite (null in JSON).
    """

    cells: int
    events_per_second: float
    bins: int
    missing: int
    p50: float
    p99: float
    max: float


@click.command()
@click.option("--cells", default=1_000, show_default=True, type=click.IntRange(25))
@click.option("--rate", default=5_000, show_default=True, help="Events a second.")
@click.option("--seconds", default=300, show_default=True, help="How long is measured.")
@click.option("--bin-seconds", default=5, show_default=True, help="Width of a bin.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def latency(cells: int, rate: int, seconds: int, bin_seconds: int, as_json: bool) -> None:
    """Measure the whole pipeline: events to Kafka, three workers, forecasts in ClickHouse.

    A shop of CELLS cells with 3 series and 12 leads trades at a steady RATE; the servers are those
    that the environment names, or are started for the run.
    """
    shop = LiveShop(f"bench-{uuid4().hex[:8]}", cells, rate, bin_seconds)
    with (
        tempfile.TemporaryDirectory(prefix="tidecast-bench-") as folder,
        _servers(Path(folder)) as environment,
    ):
        path = Path(folder) / "tidecast.toml"
        path.write_text(shop.settings(), encoding="utf-8")
        found = measure(shop, load_settings(path, environment), path, environment, seconds)
    if as_json:
        finite = {k: v if np.isfinite(v) else None for k, v in asdict(found).items()}
        click.echo(json.dumps(finite))
        return
    click.echo(
        f"{found.bins} bins of {cells:,} cells x 3 series x 12 leads at "
        f"{found.events_per_second:,.0f} events/s: p50 {found.p50:.2f} s, p99 {found.p99:.2f} s, "
        f"max {found.max:.2f} s, {found.missing} missing"
    )


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, str]]:
    """Yield an environment that names a Kafka broker and a ClickHouse server."""
    given = Endpoints.given_by()
    if given.kafka is not None and given.clickhouse is not None:
        yield dict(os.environ)
        return
    say = lambda message: click.echo(message, err=True)  # noqa: E731
    with running_services(folder=folder / "services", report=say) as endpoints:
        yield {**os.environ, **endpoints.environment()}


def measure(
    shop: LiveShop, settings: Settings, path: Path, environment: dict[str, str], seconds: int
) -> Latencies:
    """Run the shop and the workers for ``seconds`` after they have caught up with its history."""
    bootstrap = settings.kafka.bootstrap
    topics.create_topics(bootstrap, [shop.topic], PARTITIONS)
    create_topics(settings.kafka, plan_topics(settings, PARTITIONS))
    store = open_server(settings.clickhouse)
    store.migrate()
    try:
        with workers(path, environment), Feeder(bootstrap, shop, HISTORY_BINS) as feeder:
            watcher = Watcher(store, shop)
            first = watcher.catch_up()
            click.echo(f"caught up; measuring for {seconds} s", err=True)
            feeder.mark()
            watcher.watch(seconds)
            rate = feeder.rate()
            last = int(time.time()) // shop.bin_seconds - 1
            feeder.stop()
            watcher.watch(LAST_WAIT_SECONDS, until=last)
        done = completed_bins(settings, shop)
        return summary(shop, rate, {k: done[k] for k in done if first < k < last}, watcher.arrived)
    finally:
        store.query(f"DROP DATABASE {shop.database}")
        store.close()
        topics.delete_topics(bootstrap, shop.topic)


class Watcher:
    """Asks the store again and again which origins have all their rows; ``arrived`` says when."""

    def __init__(self, store: Store, shop: LiveShop) -> None:
        self._store = store
        self._shop = shop
        self.arrived: dict[int, float] = {}
        """Bin -> Unix seconds at which all forecasts made after it were seen."""

    def catch_up(self) -> int:
        """Watch until forecasts keep pace with the clock; return the last bin so far.

        Raises
        ------
        ServiceError
            When they do not in time.
        """
        deadline = time.time() + CATCH_UP_SECONDS
        while time.time() < deadline:
            self.watch(0.5)
            last = max(self.arrived, default=0)
            if (last + 3) * self._shop.bin_seconds > time.time():
                return last
        raise ServiceError(
            f"no forecasts on time within {CATCH_UP_SECONDS:.0f} s: the workers are too slow for "
            "this rate, or ended; give fewer cells or wider bins"
        )

    def watch(self, seconds: float, until: int | None = None) -> None:
        """Watch for so long, or until the forecasts made after bin ``until`` are there."""
        deadline = time.time() + seconds
        while time.time() < deadline and (until is None or until not in self.arrived):
            self._look()
            time.sleep(POLL_SECONDS)

    def _look(self) -> None:
        rows = self._store.query(
            "SELECT toUnixTimestamp(origin) AS at, count() FROM predictions "
            "WHERE origin > toDateTime(%(after)s) GROUP BY at HAVING count() >= %(rows)s",
            {
                "after": (max(self.arrived, default=0) + 1) * self._shop.bin_seconds,
                "rows": self._shop.rows_per_origin,
            },
        ).rows
        now = time.time()
        for origin, _ in rows:
            self.arrived.setdefault(origin // self._shop.bin_seconds - 1, now)


@contextmanager
def workers(path: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run one worker of each role."""
    command = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(path)]
    process = subprocess.Popen(
        [*command, "worker", "all"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        yield
        if process.poll() is not None:
            raise ServiceError(f"the workers ended with {process.returncode}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def completed_bins(settings: Settings, shop: LiveShop) -> dict[int, float]:
    """Return when each bin was complete on the broker."""
    bootstrap = settings.kafka.bootstrap
    appends = {
        number: {
            record.offset: record.timestamp / 1000
            for record in read_records(bootstrap, shop.topic, number)
        }
        for number in range(PARTITIONS)
    }
    cuts = read_records(bootstrap, topic_names(settings.kafka.topic_prefix).cuts)
    parsed = (parse_input(record.value, settings.fingerprint()) for record in cuts)
    return completions((cut for cut in parsed if isinstance(cut, Cut)), appends)


def completions(cuts: Iterable[Cut], appends: Appends) -> dict[int, float]:
    """Return, for each bin that all partitions have cut, when the last such record was appended.

    A partition's part of a bin is complete with the record that first cut it there or later.
    """
    through: dict[int, int] = {}
    found: dict[int, list[float]] = {}
    for cut in cuts:
        first = through.get(cut.partition, cut.since - 1) + 1
        for bin_ in range(first, cut.boundary + 1):
            found.setdefault(bin_, []).append(appends[cut.partition][cut.upto])
        through[cut.partition] = max(cut.boundary, first - 1)
    return {bin_: max(times) for bin_, times in found.items() if len(times) == len(appends)}


def summary(
    shop: LiveShop, rate: float, complete: Mapping[int, float], arrived: Mapping[int, float]
) -> Latencies:
    """Return the quantiles over the bins of ``complete``; a missing one counts as infinite.

    Raises
    ------
    ServiceError
        When no bin was complete.
    """
    if not complete:
        raise ServiceError("no bin was complete while it was measured: give more --seconds")
    waits = np.array([arrived.get(bin_, np.inf) - at for bin_, at in complete.items()])
    p50, p99 = np.quantile(waits, (0.5, 0.99), method="higher").tolist()
    missing = int(np.isinf(waits).sum())
    return Latencies(shop.cells, rate, len(waits), missing, p50, p99, float(waits.max()))
