"""Windows as deep models are told of them: records of the topic in, bins of cells out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tidecast.models.deep.context import ClosedBin
from tidecast.state.cells import Cell
from tidecast.state.known import Known
from tidecast.streams.schemas.windows import WindowCovariate, WindowRecord

__all__ = ["tell"]

logger = logging.getLogger(__name__)


class TakesBins(Protocol):
    """Takes in closed bins of shards, and corrections."""

    def take(self, shard: int, closed: ClosedBin) -> None:
        """Take in one of them."""


def tell(listener: TakesBins, series: Sequence[str], shard: int, value: bytes | None) -> None:
    """Tell ``listener`` what a record of the windows topic says of ``series``, in their order.

    What is no record is passed over. Of a series that was added later nothing is known.
    """
    try:
        record = WindowRecord.model_validate_json(value or b"")
    except ValidationError as error:
        logger.warning("a record of the windows topic is passed over: %s", error)
        return
    cells = list(map(Cell, record.regions, record.categories))
    known = [_known(each, len(cells)) for each in record.covariates or ()]
    listener.take(shard, ClosedBin(record.bin, cells, _values(record, series), known))


def _values(record: WindowRecord, series: Sequence[str]) -> NDArray[np.float32]:
    """Return the values of ``series``: (cell, series), NaN = missing."""
    told = dict(zip(record.series, record.values, strict=True))
    values = np.full((len(record.regions), len(series)), np.nan, np.float32)
    for place, name in enumerate(series):
        if name in told:
            values[:, place] = told[name]
    return values


def _known(told: WindowCovariate, n_cells: int) -> Known:
    columns = np.zeros(n_cells, np.int64) if told.columns is None else np.array(told.columns)
    return Known(told.name, told.kind, np.array(told.values, np.float64), columns)
