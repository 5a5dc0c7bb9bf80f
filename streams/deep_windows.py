"""Windows as deep models are told of them: records of the topic in, bins of cells out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from tidecast.state.cells import Cell
from tidecast.streams.schemas.records import WindowRecord

__all__ = ["tell"]

logger = logging.getLogger(__name__)


class TakesBins(Protocol):
    """Takes in closed bins of shards, and corrections; ``values`` are (cell, series)."""

    def take(
        self, shard: int, bin_: int, cells: Sequence[Cell], values: NDArray[np.floating]
    ) -> None:
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
    listener.take(shard, record.bin, cells, values.T)  # (cell, series)
