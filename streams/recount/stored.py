"""The store's actuals, read bin by bin in large pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.state.settings import Settings
from tidecast.streams.recount.sums import CELL, CENSORED, figures
from tidecast.streams.store import Store

__all__ = ["StoredActuals"]

SECOND = 1_000_000
PIECE_ROWS = 200_000


class StoredActuals:
    """What a store says really happened."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._values = [f"{name}.value" for name in figures(settings)]
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self._store = store
        found = store.query(
            "SELECT toUnixTimestamp(bin_start) AS at, max(revision), count() FROM actuals FINAL "
            "GROUP BY at ORDER BY at"
        )
        self._rows = {self.bin_at(int(at)): int(rows) for at, _, rows in found.rows}
        self.revisions = {self.bin_at(int(at)): int(revision) for at, revision, _ in found.rows}

    @property
    def bins(self) -> list[int]:
        """The bins that the store has actuals of, in order."""
        return sorted(self._rows)

    def bin_at(self, start: int) -> int:
        """Return the bin that starts at ``start``, in seconds since 1970."""
        return int(self._grid.index(pl.Series([start * SECOND]).to_numpy())[0])

    def frames(self, bins: Sequence[int]) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield each of the ascending ``bins`` with its `figures`: region, category, FIGURE.value.

        NaN is a mean of nothing; null is a row that is not there.
        """
        piece: list[int] = []
        for bin_ in bins:
            piece.append(bin_)
            if sum(self._rows.get(each, 0) for each in piece) >= PIECE_ROWS:
                yield from self._read(piece)
                piece = []
        if piece:
            yield from self._read(piece)

    def _read(self, bins: Sequence[int]) -> Iterator[tuple[int, pl.DataFrame]]:
        found = self._store.query(
            "SELECT toUnixTimestamp(bin_start), region, category, series, value, censored "
            "FROM actuals FINAL "
            "WHERE bin_start >= toDateTime(%(first)s) AND bin_start <= toDateTime(%(last)s)",
            {
                "first": self._grid.start(bins[0]) // SECOND,
                "last": self._grid.start(bins[-1]) // SECOND,
            },
        )
        schema = {
            "start": pl.Int64,
            "region": pl.String,
            "category": pl.String,
            "series": pl.String,
            "value": pl.Float64,
            "censored": pl.Float64,
        }
        frame = pl.DataFrame(found.rows, schema=schema, orient="row")
        marks = frame.with_columns(pl.col("series") + CENSORED, value="censored")
        frame = pl.concat([frame, marks]).with_columns(pl.col("series") + ".value")
        wide = frame.pivot("series", index=["start", *CELL], values="value")
        lacking = [name for name in self._values if name not in wide.columns]
        wide = wide.with_columns(pl.lit(None, pl.Float64).alias(name) for name in lacking)
        wide = wide.select("start", *CELL, *self._values)
        parts = {part["start"][0]: part for part in wide.partition_by("start")}
        for bin_ in bins:
            start = self._grid.start(bin_) // SECOND
            yield bin_, parts.get(start, wide.clear()).drop("start")
