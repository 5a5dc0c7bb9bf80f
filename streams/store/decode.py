"""Decode the records of the predictions topic straight into columns.

There are as many of these records as cells, so the contract judges only those batches that the
quick way, which takes what tidecast itself writes, does not take.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from tidecast.state.errors import ContractError
from tidecast.streams.schemas.records import PredictionRecord
from tidecast.streams.store.base import Column
from tidecast.streams.store.rows import prediction_columns

__all__ = ["decode_predictions"]

_TEXTS = ("series", "region", "category")
_ARRAYS = {"mean": 2, "quantile_levels": 2, "quantiles": 3}  # axes, records among them


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
    """Decode records of one horizon, one set of levels and one number of experts."""
    if any(document["schema_version"] != 1 for document in documents):
        raise ValueError("another schema version")
    seconds = _Seconds()
    weights = [document["weights"] for document in documents]
    columns: dict[str, Column] = {
        name: [_text(document[name]) for document in documents] for name in _TEXTS
    }
    for name, axes in _ARRAYS.items():
        columns[name] = _numbers([document[name] for document in documents], "f", axes)
    return columns | {
        "origin": [seconds[document["origin"]] for document in documents],
        "valid_time": [[seconds[t] for t in document["valid_time"]] for document in documents],
        "experts": [list(weight) for weight in weights],
        "weights": _numbers([list(weight.values()) for weight in weights], "f", 3),
        "revision": _numbers([document["revision"] for document in documents], "u", 1),
    }


class _Seconds(dict[str, int]):
    """Seconds since 1970 by ISO 8601 text; a batch has few different times."""

    def __missing__(self, text: str) -> int:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None or time.microsecond:
            raise ValueError("a time without a zone, or with a fraction")
        self[text] = seconds = int(time.timestamp())
        return seconds


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _numbers(values: list[Any], kind: str, axes: int) -> NDArray[Any]:
    """Return ``values`` as an array; lists of different lengths, or of other things, raise."""
    array = np.array(values)
    if array.ndim != axes or array.dtype.kind not in ("i" if kind == "u" else "if"):
        raise ValueError("not an array of numbers")
    if kind == "u" and array.min(initial=0) < 0:
        raise ValueError("a negative number")
    return array
