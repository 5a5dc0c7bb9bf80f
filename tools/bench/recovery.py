"""``tidecast bench recovery``: how long a forecaster takes to be saved, and to be back."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from uuid import uuid4

import click
import numpy as np
from rich.table import Table

from tidecast.models.fold import ForecastFold
from tidecast.state.checkpoint import compress
from tidecast.state.cuts import BinSums, Cut, PartitionList
from tidecast.state.errors import CheckpointError
from tidecast.state.settings import Settings, parse_settings
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.outbox import outbox
from tidecast.streams.topics import create_topics, plan_topics
from tidecast.tools.bench.broker import broker
from tidecast.tools.bench.topics import delete_topics
from tidecast.tools.console import open_console

__all__ = ["RecoveryRun", "measure_recovery", "recovery"]

FIRST_BIN = 480_000  # an hour in 2024
OWNER = Owner.shard(0)
SAVED = 3  # checkpoints in the topic: more than are kept
DEFAULT = "10000x100,10x1000"
KINDS = ("view", "cart", "favourite")


@dataclass(frozen=True)
class RecoveryRun:
    """What a forecaster of so many cells took after so many closed bins; seconds.

    It stands still while it is copied; compressed and written it is beside the events.
    """

    cells: int
    bins: int
    megabytes: float
    copy_seconds: float
    compress_seconds: float
    write_seconds: float
    read_seconds: float
    restore_seconds: float


def _shapes(_: click.Context, __: click.Parameter, text: str) -> list[tuple[int, int]]:
    pairs = [part.split("x") for part in text.split(",")]
    if not all(len(pair) == 2 and all(n.isdecimal() and int(n) for n in pair) for pair in pairs):
        raise click.BadParameter("give CELLSxBINS, joined by commas, such as 10000x100,10x1000")
    return [(int(cells), int(bins)) for cells, bins in pairs]


@click.command()
@click.option(
    "--histories",
    default=DEFAULT,
    show_default=True,
    callback=_shapes,
    help="CELLSxBINS, joined by commas: cells of three series, and bins closed before.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def recovery(histories: list[tuple[int, int]], as_json: bool) -> None:
    """Measure how a forecaster is copied, its way through the broker, and its return.

    It has three series, twelve leads and all experts. Three checkpoints are in the topic when it
    is read back. Before a time counts, the restored forecaster must have the same state.
    """
    with broker() as bootstrap:
        runs = [measure_recovery(bootstrap, cells, bins) for cells, bins in histories]
    if as_json:
        click.echo(json.dumps([asdict(run) for run in runs]))
    else:
        open_console().print(_table(runs))


def measure_recovery(bootstrap: str, cells: int, bins: int) -> RecoveryRun:
    """Step a forecaster through ``bins`` made-up hours, save it, and bring it back.

    Raises
    ------
    CheckpointError
        When what came back is not what was saved.
    """
    prefix = f"bench-{uuid4().hex[:8]}"
    settings = _settings(prefix, bootstrap, cells)
    fold = _stepped(settings, cells, bins)
    create_topics(settings.kafka, plan_topics(settings, 1))
    try:
        return asyncio.run(_measure(settings, fold, cells, bins))
    finally:
        delete_topics(bootstrap, prefix)


async def _measure(settings: Settings, fold: ForecastFold, cells: int, bins: int) -> RecoveryRun:
    times = [perf_counter()]
    laid_out = fold.lay_out()
    times.append(perf_counter())
    data = compress(laid_out)
    times.append(perf_counter())
    async with outbox(settings.kafka) as sender:
        log = CheckpointLog(settings)
        for position in range(SAVED):
            await log.write(sender, OWNER, Checkpoint(position, data))
    written = (perf_counter() - times[-1]) / SAVED
    times.append(perf_counter())
    found = (await CheckpointLog(settings).read([OWNER]))[OWNER]
    times.append(perf_counter())
    restored = ForecastFold(settings)
    restored.restore(found.data)
    times.append(perf_counter())
    if found != Checkpoint(SAVED - 1, data) or restored.snapshot() != data:
        raise CheckpointError(f"the forecaster of {cells} cells did not come back as it was")
    copied, compressed, _, read, back = np.diff(times).tolist()
    return RecoveryRun(cells, bins, len(data) / 1e6, copied, compressed, written, read, back)


def _settings(prefix: str, bootstrap: str, cells: int) -> Settings:
    clicks = {"name": "clicks", "topic": f"{prefix}-clicks", "stream": "click"}
    count = {"stream": "click", "aggregate": "count"}
    return parse_settings(
        {
            "bins": {"width": "1h"},
            "sources": [clicks],
            "series": [{"name": kind, "kinds": [kind], **count} for kind in KINDS],
            "forecast": {"horizon": 12},
            "limits": {"max_cells": cells},
            "kafka": {"bootstrap": bootstrap, "topic_prefix": prefix, "group": prefix},
        }
    )


def _stepped(settings: Settings, cells: int, bins: int) -> ForecastFold:
    """Return a forecaster that has closed ``bins`` bins."""
    fold = ForecastFold(settings)
    list(fold.step(PartitionList((("clicks", 0),))))
    with click.progressbar(
        _cuts(cells, bins), bins, f"{cells:,} cells, {bins:,} bins", file=sys.stderr
    ) as cuts:
        for cut in cuts:
            for _ in fold.step(cut):
                pass
    return fold


def _cuts(cells: int, bins: int) -> Iterator[Cut]:
    """Yield one cut a bin; there are about as many regions as categories."""
    random = np.random.default_rng(cells)
    side = max(1, int(cells**0.5))
    numbers = np.arange(cells, dtype=np.int32)
    regions = [f"region {n}" for n in range(-(-cells // side))]
    categories = [f"category {n}" for n in range(side)]
    for number in range(bins):
        bin_ = FIRST_BIN + number
        sums = random.poisson(3.0, (1 + len(KINDS), cells)).astype(np.int64)
        sums[0] = sums[1:].sum(axis=0) + 1
        whole = BinSums(bin_, regions, categories, numbers // side, numbers % side, sums)
        yield Cut("clicks", 0, bin_, bin_, number, (whole,))


def _table(runs: list[RecoveryRun]) -> Table:
    shown = Table("cells", title="A forecaster's checkpoint; three series, twelve leads")
    steps = ("copy s", "compress s", "write s", "read s", "restore s", "back after s")
    for heading in ("bins", "MB", *steps):
        shown.add_column(heading, justify="right")
    for run in runs:
        shown.add_row(
            f"{run.cells:,}",
            f"{run.bins:,}",
            f"{run.megabytes:.1f}",
            f"{run.copy_seconds:.2f}",
            f"{run.compress_seconds:.2f}",
            f"{run.write_seconds:.2f}",
            f"{run.read_seconds:.2f}",
            f"{run.restore_seconds:.2f}",
            f"{run.read_seconds + run.restore_seconds:.2f}",
        )
    return shown
