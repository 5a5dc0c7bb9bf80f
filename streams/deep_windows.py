"""Windows as deep models are told of them: records of the topic in, bins of cells out."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
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


def tell(listener: TakesBins, shard: int, value: bytes | None) -> None:
    """Tell ``listener`` what a record of the windows topic says; what is none is passed over."""
    try:
        record = WindowRecord.model_validate_json(value or b"")
    except ValidationError as error:
        logger.warning("a record of the windows topic is passed over: %s", error)
        return
    cells = list(map(Cell, record.regions, record.categories))
    values = np.array(record.values, np.float32).reshape(len(record.series), len(cells))
    known = [_known(each, len(cells)) for each in record.covariates or ()]
    listener.take(shard, ClosedBin(record.bin, cells, values.T, known))


def _known(told: WindowCovariate, n_cells: int) -> Known:
    columns = np.zeros(n_cells, np.int64) if told.columns is None else np.array(told.columns)
    return Known(told.name, told.kind, np.array(told.values, np.float64), columns)
