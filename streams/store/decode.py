"""Decode the records of the predictions topic straight into columns.

There are as many of these records as cells, so the contract judges only those batches that the
quick way, which takes what tidecast itself writes, does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from tidecast.state.errors import ContractError
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.store.base import Column
from tidecast.streams.store.rows import prediction_columns

__all__ = ["decode_predictions"]


def decode_predictions(records: Sequence[bytes]) -> dict[str, Column]:
    """Return the columns of ``predictions``, one row a record.

    Raises
    ------
    ContractError
        When a record is no PredictionRecord.
    """
    try:
        return _decode_alike([orjson.loads(record) for record in records])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return _judge(records)


def _judge(records: Sequence[bytes]) -> dict[str, Column]:
    try:
        parsed = [PredictionRecord.model_validate_json(record) for record in records]
    except ValidationError as error:
        raise ContractError(f"not a record of the predictions topic: {error}") from error
    return {**prediction_columns(parsed)}


def _decode_alike(documents: list[dict[str, Any]]) -> dict[str, Column]:
    """Decode records of one horizon and one set of levels."""
    if any(document["schema_version"] != 1 for document in documents):
        raise ValueError("another schema version")

    def each(name: str) -> list[Any]:
        return [document[name] for document in documents]

    # All cells of a series share these: what is the same as in the record before is done once.
    times, which_times = _runs(each("valid_time"))
    levels, which_levels = _runs(each("quantile_levels"))
    weights, which_weights = _runs(each("weights"))
    experts = [list(weight) for weight in weights]
    seconds = _Seconds()
    return {
        "series": _texts(each("series")),
        "region": _texts(each("region")),
        "category": _texts(each("category")),
        "origin": [seconds[time] for time in each("origin")],
        "valid_time": _numbers([[seconds[t] for t in row] for row in times], 2)[which_times],
        "mean": _numbers(each("mean"), 2),
        "quantile_levels": _numbers(levels, 2)[which_levels],
        "quantiles": _numbers(each("quantiles"), 3),
        "experts": [experts[number] for number in which_weights],
        "weights": _tables([list(weight.values()) for weight in weights], which_weights),
        "revision": _counts(each("revision")),
    }


class _Seconds(dict[str, int]):
    """Seconds since 1970 by ISO 8601 text; a batch has few different times."""

    def __missing__(self, text: str) -> int:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None or time.microsecond:
            raise ValueError("a time without a zone, or with a fraction")
        self[text] = seconds = int(time.timestamp())
        return seconds


def _runs(values: list[Any]) -> tuple[list[Any], list[int]]:
    """Return the first value of each run of equal ones, and which of them each value equals."""
    firsts: list[Any] = []
    numbers = []
    for value in values:
        if not firsts or value != firsts[-1]:
            firsts.append(value)
        numbers.append(len(firsts) - 1)
    return firsts, numbers


def _tables(tables: list[Any], which: list[int]) -> Column:
    """Return which table, (expert, lead), each row has; lists where some have more experts."""
    if len({len(table) for table in tables}) == 1:
        return _numbers(tables, 3)[which]
    rows = [_numbers(table, 2).astype(np.float64).tolist() for table in tables]
    return [rows[number] for number in which]


def _texts(values: list[Any]) -> list[str]:
    if any(type(value) is not str for value in values):
        raise TypeError("not a text")
    return values


def _counts(values: list[Any]) -> list[int]:
    if any(type(value) is not int or value < 0 for value in values):
        raise TypeError("not a count")
    return values


def _numbers(values: list[Any], axes: int) -> NDArray[Any]:
    """Return nested lists as an array; lists of different lengths, or of other things, raise."""
    shape = [len(values)]
    for _ in range(axes - 1):
        (size,) = {len(row) for row in values}
        shape.append(size)
        values = list(chain.from_iterable(values))
    array = np.array(values)
    if array.ndim != 1 or array.dtype.kind not in "if":
        raise TypeError("not numbers")
    return array.reshape(shape)
