"""What `tidecast tail` prints."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tidecast.state.errors import ContractError
from tidecast.streams.subscriber import Received
from tidecast.tools.tail import Wanted, line, select

PREDICTION: dict[str, Any] = {
    "schema_version": 1,
    "series": "demand",
    "region": "north",
    "category": "toys",
    "origin": "2024-01-01T12:00:00Z",
    "valid_time": ["2024-01-01T13:00:00Z", "2024-01-01T14:00:00Z"],
    "mean": [10.0, 12.5],
    "quantile_levels": [0.1, 0.5, 0.9],
    "quantiles": [[7.0, 10.0, 13.0], [8.0, 12.0, 17.0]],
    "weights": {"seasonal_naive": [0.5, 0.5], "holt_winters": [0.5, 0.5]},
    "revision": 0,
}


def received(**changes: Any) -> Received:
    return Received(json.dumps(PREDICTION | changes).encode(), partition=2, offset=7)


def test_a_line_shows_origin_cell_next_bin_and_horizon() -> None:
    assert line(received().parse()) == (
        "2024-01-01 12:00:00 demand north/toys: next 10.00 [7.00, 13.00] at 0.1-0.9, in 2: 12.50"
    )


def test_a_forecast_of_one_lead_and_level_makes_a_shorter_line() -> None:
    changes = {"valid_time": ["2024-01-01T13:00:00Z"], "mean": [10.0], "weights": {}}
    record = received(**changes, quantile_levels=[0.5], quantiles=[[10.0]]).parse()
    assert line(record) == "2024-01-01 12:00:00 demand north/toys: next 10.00"


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), True),
        (Wanted("demand", "north", "toys"), True),
        (Wanted(series="traffic"), False),
        (Wanted(region="south"), False),
        (Wanted(category="books"), False),
    ],
)
def test_filters_keep_what_is_wanted(wanted: Wanted, taken: bool) -> None:
    assert bool(list(select([received()], wanted))) is taken


@pytest.mark.parametrize(
    "bad",
    [
        Received(b"not json", 0, 1),
        Received(b"", 0, 1),
        received(schema_version=2),
        received(mean="many"),
    ],
)
def test_a_record_that_breaks_its_contract_is_logged_and_passed_over(
    bad: Received, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [item for item, _ in select([bad, received()], Wanted())] == [received()]
    assert "breaks its contract" in caplog.text


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match=r"partition 2, offset 7.*schema_version"):
        received(schema_version=2).parse()
