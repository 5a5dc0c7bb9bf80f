"""Positions: where regions lie, as far as the settings tell."""

from __future__ import annotations

from collections.abc import Sequence

from tidecast.state.cells import Cell
from tidecast.state.regions import locator, read_positions
from tidecast.state.settings import RegionsSettings

__all__ = ["Positions"]


class Positions:
    """Where the regions seen so far lie, as far as the settings tell."""

    def __init__(self, regions: RegionsSettings) -> None:
        self._locator = locator(regions)
        self._known = read_positions(regions.table) if regions.table is not None else {}
        self._seen = 0

    def of(self, cells: Sequence[Cell]) -> dict[str, tuple[float, float]]:
        """Return (lat, lng) of the regions of ``cells`` that have a position."""
        if self._locator is not None:
            for region in {cell.region for cell in cells[self._seen :]} - self._known.keys():
                if (position := self._locator.position(region)) is not None:
                    self._known[region] = position
        self._seen = len(cells)
        return self._known
