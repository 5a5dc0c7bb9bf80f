"""Where a backtest that was stopped goes on: one checkpoint in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidecast.models.evaluate.backtest import Backtest
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.errors import CheckpointError

__all__ = ["Resume"]

NAME = "backtest.checkpoint"
FORMAT = 2  # 1 had no scaled errors of days


@dataclass(frozen=True)
class Resume:
    """The checkpoint of a run; ``fingerprint`` is of all that it depends on."""

    folder: Path
    fingerprint: str

    def save(self, backtest: Backtest, slabs: int) -> None:
        """Keep the state after so many ``slabs``; what was kept before is replaced whole."""
        cells = [list(cell) for cell in backtest.cells]
        values = {"format": FORMAT, "fingerprint": self.fingerprint, "slabs": slabs}
        data = pack({**values, "cells": cells}, backtest.snapshot())
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f"{NAME}.new"
        fresh.write_bytes(data)
        fresh.replace(self.folder / NAME)

    def load(self, backtest: Backtest) -> int:
        """Restore what was kept, if anything was; return after how many slabs it was.

        Raises
        ------
        CheckpointError
            When it is of another run: another table, other options, another format.
        """
        path = self.folder / NAME
        if not path.is_file():
            return 0
        values, arrays = unpack(path.read_bytes())
        if (values.get("format"), values.get("fingerprint")) != (FORMAT, self.fingerprint):
            raise CheckpointError(
                f"{path} belongs to a backtest of other data or options, or of another tidecast: "
                "give the same as then, or another folder with --resume"
            )
        backtest.restore(arrays, [Cell(*cell) for cell in values["cells"]])
        return int(values["slabs"])
