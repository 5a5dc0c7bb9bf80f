"""Regions: named by the record, or computed from a position; and where they lie."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidecast.state.errors import SettingsError
from tidecast.state.settings import RegionsSettings

__all__ = ["GridRegions", "H3Regions", "Locator", "locator", "read_positions", "region_positions"]

Position = tuple[float, float]


class Locator(Protocol):
    """What names the region of a position, and gives a region's position back."""

    def name(self, lat: float, lng: float) -> str:
        """Return the region that holds the position, in degrees."""

    def position(self, region: str) -> Position | None:
        """Return the (lat, lng) of the region's centre, or None if it is none of ours."""


class GridRegions:
    """A regular grid of ``degrees`` x ``degrees``, counted from the south pole and -180.

    Examples
    --------
    >>> grid = GridRegions(0.5)
    >>> grid.name(51.6, -0.1), grid.position("r283_359")
    ('r283_359', (51.75, -0.25))
    """

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees
        self.rows = math.ceil(180 / degrees)
        self.columns = math.ceil(360 / degrees)

    def name(self, lat: float, lng: float) -> str:
        """Return the region that holds the position; the far edges belong to the last ones."""
        row = min(math.floor((lat + 90) / self.degrees), self.rows - 1)
        column = min(math.floor((lng + 180) / self.degrees), self.columns - 1)
        return f"r{row}_{column}"

    def position(self, region: str) -> Position | None:
        """Return the middle of a region's square."""
        row, found, column = region.removeprefix("r").partition("_")
        if not (found and row.isdecimal() and column.isdecimal()):
            return None
        half = self.degrees / 2
        return int(row) * self.degrees - 90 + half, int(column) * self.degrees - 180 + half


class H3Regions:
    """The hexagons of Uber's H3 at one ``resolution``; needs the extra "h3".

    Raises
    ------
    SettingsError
        When the library is not installed.
    """

    def __init__(self, resolution: int) -> None:
        try:
            import h3
        except ImportError as error:
            raise SettingsError(
                'regions.by = "h3" needs the H3 library: pip install "tidecast[h3]"'
            ) from error
        self.resolution = resolution
        self._h3 = h3

    def name(self, lat: float, lng: float) -> str:
        """Return the H3 index of the hexagon that holds the position."""
        return str(self._h3.latlng_to_cell(lat, lng, self.resolution))

    def position(self, region: str) -> Position | None:
        """Return the hexagon's centre."""
        if not self._h3.is_valid_cell(region):
            return None
        lat, lng = self._h3.cell_to_latlng(region)
        return float(lat), float(lng)


def locator(regions: RegionsSettings) -> Locator | None:
    """Return what computes regions from positions, or None where records name theirs."""
    if regions.by == "field":
        return None
    if regions.by == "grid":
        return GridRegions(regions.cell_degrees)
    return H3Regions(regions.resolution)


def read_positions(path: Path) -> dict[str, Position]:
    """Read a CSV table with the columns region, lat, lng; more columns are fine.

    Raises
    ------
    SettingsError
        Naming the file, the line and what is wrong with it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := {"region", "lat", "lng"} - set(rows.fieldnames or ()):
                raise SettingsError(
                    f"regions.table = {str(path)!r} lacks the column(s) "
                    f"{', '.join(sorted(missing))}: write region,lat,lng in its first line"
                )
            return _positions(path, rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"regions.table = {str(path)!r} cannot be read: {error}") from error


def _positions(path: Path, rows: csv.DictReader[str]) -> dict[str, Position]:
    positions: dict[str, Position] = {}
    for row in rows:
        region = row["region"]
        try:
            lat, lng = float(row["lat"]), float(row["lng"])
        except (TypeError, ValueError):
            lat = lng = math.nan
        if not region or not (abs(lat) <= 90 and abs(lng) <= 180) or region in positions:
            raise SettingsError(
                f"regions.table = {str(path)!r}, line {rows.line_num}: give each region once, with "
                "a name, lat from -90 to 90 and lng from -180 to 180"
            )
        positions[region] = (lat, lng)
    return positions


def region_positions(regions: RegionsSettings, names: Iterable[str]) -> NDArray[np.float64]:
    """Return the positions of regions, (region, 2) as lat and lng in degrees; NaN is unknown."""
    known = read_positions(regions.table) if regions.table is not None else {}
    places = locator(regions)
    rows = [(places.position(name) if places else known.get(name)) for name in names]
    return np.array([row or (np.nan, np.nan) for row in rows], np.float64).reshape(-1, 2)
