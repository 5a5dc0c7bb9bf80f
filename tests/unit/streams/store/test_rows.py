"""Columns of the store, from records and from arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.forecast import Forecast
from tidecast.models.scores import Scores
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.streams.schemas.forecasts import PredictionRecord, ScoreRecord
from tidecast.streams.schemas.windows import WindowRecord
from tidecast.streams.store.base import Column
from tidecast.streams.store.blocks import forecast_block, scores_block, slab_block
from tidecast.streams.store.rows import actual_columns, prediction_columns, score_columns
from tidecast.streams.wire import encode_predictions, encode_scores, encode_window

HOUR = 3600
GRID = BinGrid(HOUR * 1_000_000, "UTC")
CELLS = [Cell("north", "tea"), Cell("south", "tea"), Cell("south", "it's")]
SERIES = ["demand", "traffic"]
LEVELS = [0.1, 0.5, 0.9]


def plain(columns: Mapping[str, Column]) -> dict[str, list[object]]:
    return {
        name: column.tolist() if isinstance(column, np.ndarray) else list(column)
        for name, column in columns.items()
    }


def forecast() -> Forecast:
    numbers = np.arange(2 * 3 * 2 * 3, dtype=np.float32).reshape(2, 3, 2, 3)
    weights = np.array([[0.25, 0.5], [0.75, 1.0]], np.float32)
    return Forecast(
        origin_bin=99,
        mean=np.ascontiguousarray(numbers[..., 1]),
        quantiles=numbers,
        weights={"naive": weights, "linear": 1 - weights},
    )


def scores() -> Scores:
    shape = (2, 2, 2)  # (expert, series, lead)
    n = np.array([[[3, 2], [3, 0]], [[3, 2], [0, 0]]])
    pinball = np.arange(8.0).reshape(shape)
    pinball[1] = np.nan
    return Scores(
        bin=99,
        experts=("tidecast", "naive"),
        intervals=(0.5, 0.8),
        n=n,
        abs_error=np.arange(10.0, 18.0).reshape(shape),
        squared_error=np.arange(20.0, 28.0).reshape(shape),
        actual=np.arange(30.0, 38.0).reshape(shape),
        pinball=pinball,
        covered=np.arange(8).reshape(shape),
        revision=3,
    )


def test_a_prediction_record_is_one_row_with_times_in_seconds() -> None:
    record = PredictionRecord.model_validate(
        {
            "series": "demand",
            "region": "north",
            "category": "tea",
            "origin": "2023-11-14T22:00:00Z",
            "valid_time": ["2023-11-14T23:00:00Z", "2023-11-15T00:00:00Z"],
            "mean": [1.0, 2.0],
            "quantile_levels": [0.5],
            "quantiles": [[1.0], [2.0]],
            "weights": {"naive": [0.25, 0.5], "linear": [0.75, 0.5]},
            "revision": 3,
        }
    )
    assert prediction_columns([record]) == {
        "series": ["demand"],
        "region": ["north"],
        "category": ["tea"],
        "origin": [1_699_999_200],
        "valid_time": [[1_700_002_800, 1_700_006_400]],
        "mean": [[1.0, 2.0]],
        "quantile_levels": [[0.5]],
        "quantiles": [[[1.0], [2.0]]],
        "experts": [["naive", "linear"]],
        "weights": [[[0.25, 0.5], [0.75, 0.5]]],
        "revision": [3],
    }


def test_a_window_record_is_one_row_a_series_and_cell_and_null_is_nan() -> None:
    record = WindowRecord.model_validate(
        {
            "bin": 99,
            "bin_start": "1970-01-05T03:00:00Z",
            "bin_end": "1970-01-05T04:00:00Z",
            "revision": 2,
            "events": 7,
            "series": ["demand", "hours"],
            "regions": ["north", "south"],
            "categories": ["tea", "tea"],
            "values": [[1.0, 2.0], [None, 4.0]],
            "censored": [[1], []],
        }
    )
    columns = actual_columns([record])
    assert columns["series"] == ["demand", "demand", "hours", "hours"]
    assert columns["region"] == ["north", "south", "north", "south"]
    assert columns["bin_start"] == [99 * HOUR] * 4
    assert columns["bin_end"] == [100 * HOUR] * 4
    assert columns["censored"] == [0, 1, 0, 0]
    assert columns["revision"] == [2] * 4
    assert columns["value"][:2] + columns["value"][3:] == [1.0, 2.0, 4.0]
    assert math.isnan(columns["value"][2])


def test_a_score_record_is_one_row_an_expert_series_and_lead_that_was_scored() -> None:
    record = ScoreRecord.model_validate_json(encode_scores(scores(), SERIES, GRID))

    columns = score_columns([record], shard=4)
    rows = list(zip(*(columns[name] for name in ("expert", "series", "lead", "n")), strict=True))
    assert rows == [
        ("tidecast", "demand", 1, 3),
        ("tidecast", "demand", 2, 2),
        ("tidecast", "traffic", 1, 3),
        ("naive", "demand", 1, 3),
        ("naive", "demand", 2, 2),
    ]
    assert columns["abs_error"] == [10.0, 11.0, 12.0, 14.0, 15.0]
    assert columns["intervals"] == [[0.5, 0.8]] * 3 + [[], []]
    assert columns["covered"] == [[0, 4], [1, 5], [2, 6], [], []]
    assert columns["valid_time"] == [100 * HOUR] * 5
    assert columns["shard"] == [4] * 5
    assert [math.isnan(value) for value in columns["pinball"]] == [False] * 3 + [True] * 2


def test_no_records_give_empty_columns() -> None:
    assert prediction_columns([])["mean"] == []
    assert actual_columns([])["value"] == []
    assert set(score_columns([])) == set(scores_block(scores(), SERIES, GRID))


def test_a_forecasts_arrays_give_the_columns_of_its_records() -> None:
    records = [
        PredictionRecord.model_validate_json(value)
        for value in encode_predictions(forecast(), CELLS, SERIES, LEVELS, GRID)
    ]
    assert plain(forecast_block(forecast(), CELLS, SERIES, LEVELS, GRID)) == prediction_columns(
        records
    )


MARKS = np.array([[True, False], [False, True], [False, False]])


@pytest.mark.parametrize("censored", [None, MARKS])
@pytest.mark.parametrize("width", [HOUR * 1_000_000, "day"])
def test_a_slabs_arrays_give_the_columns_of_its_record(
    width: int | str, censored: NDArray[np.bool_] | None
) -> None:
    grid = BinGrid(width, "Europe/London")  # type: ignore[arg-type]
    values = np.array([[1.0, 2.0], [3.5, np.nan], [0.0, 6.0]])
    slab = Slab(bin=88, values=values, events=7, revision=1, censored=censored)
    record = WindowRecord.model_validate_json(encode_window(slab, CELLS, SERIES, grid))

    columns = plain(slab_block(slab, CELLS, SERIES, grid))
    expected = actual_columns([record])
    np.testing.assert_array_equal(columns.pop("value"), expected.pop("value"))
    assert columns == expected


def test_the_arrays_of_scores_give_the_columns_of_their_record() -> None:
    record = ScoreRecord.model_validate_json(encode_scores(scores(), SERIES, GRID))

    columns = plain(scores_block(scores(), SERIES, GRID, shard=2))
    expected = score_columns([record], shard=2)
    np.testing.assert_array_equal(columns.pop("pinball"), expected.pop("pinball"))
    assert columns == expected


def test_a_forecast_of_no_cells_gives_no_rows() -> None:
    nothing = Forecast(0, np.zeros((2, 0, 2)), np.zeros((2, 0, 2, 3)), {})
    columns = forecast_block(nothing, [], SERIES, LEVELS, GRID)
    assert {len(column) for column in columns.values()} == {0}
