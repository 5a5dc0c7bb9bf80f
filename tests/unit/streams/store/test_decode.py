"""The quick way from prediction records to columns agrees with the contract's."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.errors import ContractError
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.store.decode import decode_predictions
from tidecast.streams.store.rows import prediction_columns


def record(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "series": "demand",
        "region": "north",
        "category": "it's \u0000 🌊",
        "origin": "2023-11-14T22:00:00Z",
        "valid_time": ["2023-11-14T23:00:00Z", "2023-11-15T00:00:00Z"],
        "mean": [1.5, 2],
        "quantile_levels": [0.1, 0.5, 0.9],
        "quantiles": [[1.0, 1.5, 2.0], [1, 2, 3]],
        "weights": {"naive": [0.25, 0.5], "linear": [0.75, 0.5]},
        "revision": 0,
    } | changes


def plain(columns: Any) -> dict[str, list[Any]]:
    return {
        name: column.tolist() if isinstance(column, np.ndarray) else list(column)
        for name, column in columns.items()
    }


def judged(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return prediction_columns(
        [PredictionRecord.model_validate_json(orjson.dumps(record)) for record in records]
    )


OTHERS: list[dict[str, Any]] = [
    {},
    {"weights": {"linear": [0.0, 0.5], "naive": [1.0, 0.5]}},
    {"weights": {}},
    {"weights": {"naive": [1.0, 1.0]}},
    {"quantile_levels": [0.25, 0.5, 0.75]},
    {"quantile_levels": [0.5], "quantiles": [[1.0], [2.0]]},
    {"mean": [3.0], "quantiles": [[1, 2, 3]], "valid_time": ["2023-11-14T23:00:00Z"]},
    {"origin": "2023-11-14T22:00:00+01:00", "revision": 7},
    {"origin": "2023-11-14T22:00:00"},
    {"valid_time": ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.9Z"]},
    {"mean": [0.1, 12345678901234567890.0], "later": {"field": True}},
]


@given(st.lists(st.sampled_from(OTHERS), max_size=8))
def test_both_ways_give_the_same_columns(changes: list[dict[str, Any]]) -> None:
    records = [record(**change) for change in changes]
    assert plain(decode_predictions([orjson.dumps(r) for r in records])) == judged(records)


def test_records_of_more_and_of_fewer_experts_are_decoded_the_quick_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = [record(), record(weights={"naive": [1.0, 1.0]}), record()]
    expected = judged(records)
    monkeypatch.setattr("tidecast.streams.store.decode._judge", None)
    assert plain(decode_predictions([orjson.dumps(r) for r in records])) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"series": 5},
        {"region": None},
        {"origin": "yesterday"},
        {"mean": ["much", "more"]},
        {"mean": [1.0, None]},
        {"mean": "12"},
        {"quantiles": [[1.0], 2.0]},
        {"weights": [[1.0, 1.0]]},
        {"revision": -1},
        {"revision": 0.5},
    ],
)
def test_a_record_that_breaks_the_contract_is_refused_among_good_ones(
    change: dict[str, Any],
) -> None:
    records = [record(), record(**change), record()]
    with pytest.raises(ContractError, match="predictions topic"):
        decode_predictions([orjson.dumps(r) for r in records])


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b"\xff", b'{"tidecast":"end-of-log"}']
)
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises(ContractError):
        decode_predictions([value])
