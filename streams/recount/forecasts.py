"""Predictions counted: each series and cell once an origin, and in the store as in the topic."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import polars as pl

from tidecast.state.bins import iso
from tidecast.streams.store import Store

__all__ = ["ForecastBook", "Rows"]

CHUNK_ROWS = 200_000
KEY = ("origin", "series", "cell")
Rows = tuple[Sequence[str], Sequence[tuple[str, str]]]  # series, and their rows
SCHEMA: list[tuple[str, pl.DataType]] = [
    ("origin", pl.Int64()),
    ("series", pl.Int32()),
    ("cell", pl.Int32()),
    ("revision", pl.Int32()),
    ("content", pl.UInt64()),
    ("due", pl.Boolean()),
]
SQL = (
    "SELECT toUnixTimestamp(origin), series, region, category, revision, "
    "arrayMap(t -> toUnixTimestamp(t), valid_time), mean, quantile_levels, quantiles, experts, "
    "weights FROM predictions FINAL "
    "WHERE origin >= toDateTime(%(first)s) AND origin <= toDateTime(%(last)s)"
)


class Codes:
    """Numbers for names, in the order of their appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        code = self._codes.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        return code


class ForecastBook:
    """Predictions by origin, series and cell: their revision, and a hash of what they say."""

    def __init__(self) -> None:
        self.records = 0
        self._series = Codes()
        self._cells = Codes()
        self._rows: list[tuple[int, int, int, int, int, bool]] = []
        self._whole = pl.DataFrame(schema=SCHEMA)
        self._times: dict[str, int] = {}

    def note(self, due: bool, value: bytes) -> None:
        """Take one record of the topic; ``due`` ones must be in the store.

        Raises
        ------
        ValueError, TypeError, KeyError, AttributeError
            When it is none.
        """
        record = orjson.loads(value)
        origin = self._seconds(record["origin"])
        times = [self._seconds(time) for time in record["valid_time"]]
        weights = record["weights"]
        self._add(
            *(origin, record["series"], record["region"], record["category"], record["revision"]),
            *(times, record["mean"], record["quantile_levels"], record["quantiles"]),
            *(list(weights), list(weights.values()), due),
        )
        self.records += 1

    def _add(
        self,
        origin: int,
        series: str,
        region: str,
        category: str,
        revision: int,
        *content_and_due: Any,
    ) -> None:
        *content, due = content_and_due
        cell = self._cells[f"{region}\0{category}"]
        row = (origin, self._series[series], cell, revision, _hash(*content), due)
        self._rows.append(row)
        if len(self._rows) >= CHUNK_ROWS:
            self.frame()

    def frame(self) -> pl.DataFrame:
        """Return a row a different record; those with the largest revision of their key."""
        fresh = pl.DataFrame(self._rows, schema=SCHEMA, orient="row")
        whole = pl.concat([self._whole, fresh])
        whole = whole.filter(pl.col("revision") == pl.col("revision").max().over(KEY))
        self._whole = whole.group_by(*KEY, "revision", "content").agg(pl.col("due").any())
        self._whole = self._whole.select(name for name, _ in SCHEMA)
        self._rows = []
        return self._whole

    def contradictions(self) -> list[str]:
        """Return the forecasts that two records of the same revision tell differently."""
        return self._named(self.frame().group_by(KEY).len().filter(pl.col("len") > 1))

    def origins(self) -> list[int]:
        """Return all origins, in seconds since 1970, in order."""
        return sorted(self.frame()["origin"].unique().to_list())

    def forecast_of(self, cell: tuple[str, str]) -> set[str]:
        """Return the series that a cell, or a sum, was forecast of at any origin."""
        of_cell = self.frame().filter(pl.col("cell") == self._cells["\0".join(cell)])
        return {self._series.names[code] for code in of_cell["series"].unique()}

    def compare_cells(self, expected: Mapping[int, Sequence[Rows]]) -> Iterator[tuple[str, str]]:
        """Yield (what is wrong, which) where an origin has not what is ``expected`` once.

        That is, for each origin, series and the (region, category) that each of them has: of
        cells, and of sums.
        """
        parts = {part["origin"][0]: part for part in self.frame().partition_by("origin")}
        none = self._whole.clear()
        for origin, groups in expected.items():
            found = set(parts.get(origin, none).select("series", "cell").iter_rows())
            wanted = {
                (self._series[name], self._cells["\0".join(cell)])
                for series, cells in groups
                for name in series
                for cell in cells
            }
            for what, those in (
                ("predictions missing", wanted - found),
                ("predictions nobody expects", found - wanted),
            ):
                for one, cell in sorted(those):
                    yield what, self._name(origin, one, cell)

    def compare_store(self, store: Store, origins: Sequence[int]) -> Iterator[tuple[str, str]]:
        """Yield (what is wrong, which) where the store has not what the topic says."""
        stored = ForecastBook()
        stored._series, stored._cells = self._series, self._cells
        sizes = dict(self.frame().group_by("origin").len().iter_rows())
        piece: list[int] = []
        for origin in origins:
            piece.append(origin)
            if sum(sizes.get(each, 0) for each in piece) >= CHUNK_ROWS or origin == origins[-1]:
                for row in store.query(SQL, {"first": piece[0], "last": piece[-1]}).rows:
                    stored._add(*row, True)
                yield from self._differ(stored.frame(), piece)
                stored._whole = stored._whole.clear()
                piece = []

    def _differ(self, stored: pl.DataFrame, origins: Sequence[int]) -> Iterator[tuple[str, str]]:
        ours = self._whole.filter(pl.col("origin").is_between(origins[0], origins[-1]))
        both = ours.join(stored, on=KEY, how="left", suffix="_stored")
        is_away = pl.col("content_stored").is_null()
        older = pl.col("revision_stored") < pl.col("revision")
        other = (pl.col("revision_stored") == pl.col("revision")) & (
            pl.col("content_stored") != pl.col("content")
        )
        for what, condition in (
            ("predictions not stored", is_away & pl.col("due")),
            ("predictions stored in an older revision", older & pl.col("due")),
            ("predictions stored otherwise", other),
        ):
            for name in self._named(both.filter(condition)):
                yield what, name
        for name in self._named(stored.join(ours, on=KEY, how="anti")):
            yield "predictions stored that are not in the topic", name

    def _named(self, rows: pl.DataFrame) -> list[str]:
        return [self._name(*row) for row in rows.select(KEY).sort(KEY).iter_rows()]

    def _name(self, origin: int, series: int, cell: int) -> str:
        region, category = self._cells.names[cell].split("\0")
        return f"{iso(origin * 1_000_000)} {self._series.names[series]} {region}/{category}"

    def _seconds(self, text: str) -> int:
        if text not in self._times:
            self._times[text] = int(datetime.fromisoformat(text).timestamp())
        return self._times[text]


def _hash(
    times: Sequence[int],
    mean: Sequence[float],
    levels: Sequence[float],
    quantiles: Sequence[Sequence[float]],
    experts: Sequence[str],
    weights: Sequence[Sequence[float]],
) -> int:
    """Return a hash of what the store keeps of a forecast: 32-bit numbers, whole seconds."""
    parts = (
        np.asarray(times, "<i8").tobytes(),
        np.asarray(mean, "<f4").tobytes(),
        np.asarray(levels, "<f8").tobytes(),
        np.asarray(quantiles, "<f4").tobytes(),
        "\0".join(experts).encode(),
        np.asarray(weights, "<f4").tobytes(),
    )
    digest = hashlib.blake2b(b"|".join(parts), digest_size=8).digest()
    return int.from_bytes(digest, "little")
