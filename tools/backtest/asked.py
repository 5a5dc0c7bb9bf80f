"""What a backtest is asked to do, and to write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidecast.streams.backtest.meaning import Absent, Aggregate

if TYPE_CHECKING:
    from tidecast.state.covariates import Kind

__all__ = ["Asked", "Wanted"]


@dataclass(frozen=True)
class Asked:
    """The options of the command, as given; None = not given."""

    horizon: int | None = None
    seasons: tuple[int, ...] = ()
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    leave_one_out: bool = False
    leave_out: tuple[str, ...] = ()
    score_last: int | None = None
    score_where: str | None = None
    freq: str | None = None
    timezone: str | None = None
    time: str | None = None
    region: str | None = None
    category: str | None = None
    value: tuple[str, ...] = ()
    censored: str | None = None
    weight: str | None = None
    aggregate: Aggregate = "sum"
    absent: Absent = "auto"
    regions: Path | None = None
    holidays: str | None = None
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    peers: bool = False
    peer_cells: int = 20
    peer_seconds: float = 600.0
    peer_seed: int = 0
    deep: Path | None = None

    @property
    def covariates(self) -> dict[str, Kind]:
        """Columns that are covariates, and of which kind."""
        named: tuple[tuple[Kind, tuple[str, ...]], ...]
        named = ("known", self.future), ("past", self.past), ("static", self.static)
        return {name: kind for kind, names in named for name in names}


@dataclass(frozen=True)
class Wanted:
    """What is told beside the tables: a cell that is explained, files; and where state is kept."""

    explain: str | None = None
    json_file: Path | None = None
    html_file: Path | None = None
    resume: Path | None = None
