"""The benchmark of leading streams."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidecast.tools.bench.leading import CONVERSION, leading, made_up_shop


def test_orders_follow_clicks_by_the_lag_and_the_conversion() -> None:
    clicks, orders = made_up_shop(lag=4, n_weeks=4, n_cells=3).transpose(2, 0, 1)
    assert orders.sum() / clicks.sum() == pytest.approx(CONVERSION, rel=0.02)
    usual = clicks.mean(axis=0)
    agreed = [((orders[lag:] - orders.mean()) * (clicks[:-lag] - usual)).sum() for lag in (2, 4, 6)]
    assert max(agreed) == agreed[1]


def test_json_is_one_object_and_nothing_else() -> None:
    options = ["--lag", "2", "--weeks", "3", "--cells", "3", "--horizon", "2", "--json"]
    done = CliRunner().invoke(leading, options, catch_exceptions=False)
    runs = json.loads(done.stdout)["runs"]
    assert [run["lags"] for run in runs] == [[2], [2]]
    assert all(run["with_clicks"] < 0.9 * run["without"] for run in runs)
    assert all(run["by_chance"] < run["with_clicks"] for run in runs)
