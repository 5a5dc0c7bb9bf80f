"""What a change of settings may carry over, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest
from slabs import TABLES, settings_with

from tidecast.state.changes import Change
from tidecast.state.errors import SettingsError

CLICKS, ORDERS = TABLES["sources"]
VALUE, DEMAND = TABLES["series"]
VIEWS = {"name": "views", "stream": "click", "aggregate": "count", "kinds": ["view"]}
MEAN = {"name": "usual_value", "stream": "click", "aggregate": "mean", "of": "value"}
OLD = settings_with()


def change(**tables: Any) -> Change:
    return Change.between(OLD, settings_with(**tables))


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"bins": {"width": "5m"}}, "bins.width changes from 60000000 to 300000000"),
        ({"shop": {"time_zone": "Asia/Tokyo"}}, "shop.time_zone changes"),
        ({"shop": {"holidays": "JP"}}, "shop.holidays changes"),
        ({"regions": {"holidays": {"east": "JP"}}}, r"regions\.holidays changes"),
        ({"forecast": {"horizon": 4}}, "forecast.horizon changes from 3 to 4: .*by lead"),
        ({"forecast": {"horizon": 3, "season_lengths": [7]}}, "forecast.season_lengths changes"),
        ({"forecast": {"horizon": 3, "experts": ["linear"]}}, "forecast.experts changes"),
        ({"regions": {"by": "grid"}}, "regions changes .*other names"),
        ({"kafka": {"topic_prefix": "other"}}, "kafka.topic_prefix changes"),
        ({"series": [VALUE | {"decimals": 2}, DEMAND]}, r"series 'value' .*\(decimals\)"),
        ({"series": [VALUE, DEMAND | {"kinds": ["order"]}]}, r"series 'demand' .*\(kinds\)"),
        ({"sources": [CLICKS | {"topic": "c2"}, ORDERS]}, r"source 'clicks' .*\(topic\)"),
        (
            {"sources": [CLICKS | {"fields": {"region": "r"}}, ORDERS]},
            r"source 'clicks' .*\(fields\): drop it and add one",
        ),
    ],
)
def test_what_would_mean_something_else_is_refused_with_the_reason(
    tables: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        change(**tables)


def test_every_refusal_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)bins\.width.*forecast\.horizon"):
        change(bins={"width": "5m"}, forecast={"horizon": 4})


def test_what_comes_and_goes_is_said_in_lines() -> None:
    returns = ORDERS | {"name": "returns", "topic": "r"}
    found = change(
        series=[DEMAND, VIEWS],
        sources=[CLICKS | {"max_disorder": "9s"}, returns],
        forecast={"horizon": 3, "quantile_levels": [0.25, 0.5, 0.9]},
        limits={"max_cells": 5},
    )
    assert found.says() == [
        "adds series views",
        "drops series value",
        "adds source returns",
        "drops source orders",
        "adds quantile level 0.25",
        "drops quantile level 0.05",
        "drops quantile level 0.1",
        "drops quantile level 0.95",
        "changes max_disorder of source clicks",
        "changes limits.max_cells",
    ]


def test_seasons_written_out_as_they_are_by_default_change_nothing() -> None:
    assert not change(forecast={"horizon": 3, "season_lengths": [1440]}).says()


def test_rows_of_sums_are_found_by_the_series_they_belong_to() -> None:
    more = settings_with(series=[VIEWS, MEAN, DEMAND, VALUE])
    assert Change.between(OLD, more).rows("clicks") == [0, -1, -1, -1, 1]
    assert Change.between(more, OLD).rows("clicks") == [0, 4]
    assert Change.between(OLD, more).rows("orders") == [0, 1]
    assert Change.between(OLD, more).series == [-1, -1, 1, 0]
