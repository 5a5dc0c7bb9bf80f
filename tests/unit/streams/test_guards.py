"""What the guards did is counted and told."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from prometheus_client import REGISTRY

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.streams.guards import Action, GuardLog
from tidecast.streams.metrics import ForecastMetrics

CELLS = [Cell(f"region {n}", "x") for n in range(3)]
USUAL = np.array([[20.0], [30.0], [40.0]])
PROFILE = ForecastProfile(
    ("demand",), BinGrid(HOUR), 2, (0.1, 0.5, 0.9), (6,), experts=("time_of_week",)
)


class Shop:
    """A forecaster that has seen a hundred calm bins, and the log of its guards."""

    def __init__(self) -> None:
        self.forecaster = CoherentForecaster(Forecaster(PROFILE))
        self.bin = 480_000
        random = np.random.default_rng(0)
        for _ in range(100):
            self.step(random.poisson(USUAL).astype(np.float64))
        self.guards = GuardLog(self.forecaster)

    def step(self, values: np.ndarray) -> None:
        self.forecaster.step(Slab(self.bin, values), CELLS, {})
        self.bin += 1

    def news(self, *factors: float) -> list[list[Action]]:
        """Step through so many times the usual; return what was told of each bin."""
        found = []
        for factor in factors:
            self.step(factor * USUAL)
            found.append(list(self.guards.news()))
        return found


def test_an_outage_is_news_of_every_bin_and_told_at_its_begin_and_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    outage = [Action("outage", "demand", 3)]
    assert Shop().news(1.0, 0.0, 0.0, 1.0) == [[], outage, outage, []]
    told = [(record.levelname, record.message.split(";")[0]) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"]
    assert "series demand: all cells are at zero" in told[0][1]


def test_a_burst_is_news_until_it_is_a_shift() -> None:
    bursts = [Action("shared_burst", "demand", 3)]
    *first, fourth = Shop().news(40.0, 40.0, 40.0, 40.0)
    assert first == [bursts] * 3
    assert fourth == [Action("shift", "demand", 3)]


def test_a_reset_is_news_and_told(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    shop.forecaster.cells.panel.experts[0].resets += 2
    assert shop.news(1.0) == [[Action("reset", "time_of_week", 2)]]
    assert "expert time_of_week threw away insane state, 2 times" in caplog.text


def test_news_is_counted_by_series_and_reason() -> None:
    metrics = ForecastMetrics()
    news = [Action("outage", "counted", 3), Action("shift", "counted", 2), Action("reset", "me", 1)]
    for _ in range(2):
        metrics.guarded(news)
    value = REGISTRY.get_sample_value
    suspended = {"series": "counted", "reason": "outage"}
    assert value("tidecast_suspended_values_total", suspended) == 6
    assert value("tidecast_admitted_shifts_total", {"series": "counted"}) == 4
    assert value("tidecast_expert_resets_total", {"expert": "me"}) == 2
