"""Between deep forecasts and their bytes: arrays as they lie in memory, in base64."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.errors import ContractError
from tidecast.streams.schemas.windows import DeepForecastRecord

__all__ = ["deep_fields", "deep_forecast_of", "encode_deep_forecast", "parse_deep_forecast"]

NUMBER = np.dtype("<f4")


def encode_deep_forecast(said: DeepForecast) -> bytes:
    """Return the bytes of a deep model's answer."""
    return orjson.dumps(deep_fields(said))


def parse_deep_forecast(value: bytes) -> DeepForecast:
    """Return the answer that ``value`` holds.

    Raises
    ------
    ContractError
        When it is none.
    """
    try:
        record = DeepForecastRecord.model_validate_json(value)
    except ValidationError as error:
        raise ContractError(f"not a record of the deep forecasts' topic: {error}") from error
    return deep_forecast_of(record)


def deep_fields(said: DeepForecast) -> dict[str, Any]:
    """Return the fields of an answer's record."""
    return {
        "schema_version": 1,
        "model": said.model,
        "origin_bin": said.origin_bin,
        "shape": said.mean.shape,
        "mean": _encoded(said.mean),
        "scale": _encoded(said.scale),
    }


def deep_forecast_of(record: DeepForecastRecord) -> DeepForecast:
    """Return what a record says.

    Raises
    ------
    ContractError
        When its arrays are not of its shape.
    """
    arrays = (_decoded(data, record.shape) for data in (record.mean, record.scale))
    return DeepForecast(record.origin_bin, record.model, *arrays)


def _encoded(array: NDArray[np.float32]) -> str:
    return base64.b64encode(np.ascontiguousarray(array, NUMBER).tobytes()).decode("ascii")


def _decoded(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    if len(data) != NUMBER.itemsize * math.prod(shape):
        raise ContractError(f"{len(data):,} bytes are no deep forecast of shape {shape}")
    return np.frombuffer(data, NUMBER).astype(np.float32).reshape(shape)
