"""What the simulated shop says of its logs is what ingesting them finds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tidecast.state.cuts import BinSums
from tidecast.state.settings import load_settings
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.tools.simulate import SimulatedShop, simulate

HOUR = 3_600_000_000
REASONS = {
    "not_json": ("not_json", "truncated"),
    "missing_field": ("missing_region", "missing_time"),
    "wrong_type": ("category_not_text", "number_as_text"),
    "out_of_range": ("negative_number",),
    "unknown_kind": ("unknown_kind",),
    "time_out_of_range": ("year_1970",),
    "time_jump": ("year_2099",),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    return simulate(tmp_path_factory.mktemp("shop"), seed=3, days=10, events=40_000)


@pytest.fixture(scope="module")
def ingested(shop: SimulatedShop) -> tuple[Replay, dict[tuple[str, int], BinSums]]:
    """Return the replay of the logs, and the last that its cuts said of each source's bins."""
    settings = load_settings(shop.settings, {})
    logs = [str(path) for path in shop.logs.values()]
    replay = Replay(settings, parse_log_specs(logs, settings))
    bins = {(cut.source, part.bin): part for cut in replay.cuts() for part in cut.bins}
    return replay, bins


def test_the_ingest_accepts_and_refuses_as_the_shop_counted(
    shop: SimulatedShop, ingested: tuple[Replay, dict[tuple[str, int], BinSums]]
) -> None:
    found = ingested[0].counts
    counts = shop.counts.values()
    assert found.events == shop.lines
    assert found.accepted == sum(c.accepted for c in counts)
    assert found.late == sum(c.late for c in counts)
    assert found.reasons == {
        reason: sum(c.malformed[way] for c in counts for way in ways)
        for reason, ways in REASONS.items()
    }


def test_every_slab_is_what_the_truth_says_was_received(
    shop: SimulatedShop, ingested: tuple[Replay, dict[tuple[str, int], BinSums]]
) -> None:
    found = {}
    for (source, number), part in ingested[1].items():
        for cell, sums in zip(part.cells, part.sums.T.astype(np.float64), strict=True):
            key = (number * HOUR, cell.region, cell.category)
            if source == "orders":
                found["demand", *key] = sums[1] / 1000
            elif source == "clicks":
                found["traffic", *key] = sums[1]
            elif sums[2]:
                found["delivery_hours", *key] = sums[1] / 1000 / sums[2]
    truth = pl.read_parquet(shop.truth).with_columns(pl.col("bin_start").dt.epoch("us"))
    keys = truth.select("series", "bin_start", "region", "category").rows()
    missing = {"demand": 0.0, "traffic": 0.0, "delivery_hours": np.nan}
    values = np.array([found.pop(key, missing[key[0]]) for key in keys])
    np.testing.assert_allclose(values, truth["received"].to_numpy(), rtol=1e-12, equal_nan=True)
    assert found == {}
