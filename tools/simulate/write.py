"""Simulate a shop: draw it, let its feed go wrong, and write the logs with the truth beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.state.bins import from_micros
from tidecast.state.errors import SettingsError
from tidecast.tools.simulate.events import EVENTS_PER_VIEW, draw_events
from tidecast.tools.simulate.faults import FAULTS, arrive, break_lines
from tidecast.tools.simulate.happenings import Happening, plan
from tidecast.tools.simulate.rates import expected_orders, view_rates
from tidecast.tools.simulate.records import record_lines
from tidecast.tools.simulate.settings import settings_text
from tidecast.tools.simulate.shop import CATEGORIES, REGIONS, Calendar
from tidecast.tools.simulate.truth import truth_frame

__all__ = ["SimulatedShop", "SourceCounts", "simulate"]

FEWEST_DAYS = 4
FEWEST_EVENTS = 2_000
HAPPENINGS = "happenings.csv"


@dataclass(frozen=True)
class SourceCounts:
    """What one log holds: ``accepted + late + refused == lines``.

    ``late`` are the records beyond the allowed lateness, read as one partition in bins of an
    hour; ``duplicates`` (second records of an event) are among the accepted and the late;
    ``malformed`` tells the refused by what is wrong with them.
    """

    lines: int
    accepted: int
    late: int
    refused: int
    duplicates: int
    malformed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SimulatedShop:
    """Where a simulated shop lies, and what exactly is in it."""

    folder: Path
    settings: Path
    logs: dict[str, Path]
    truth: Path
    counts: dict[str, SourceCounts]
    happenings: tuple[Happening, ...]

    @property
    def lines(self) -> int:
        """The records of all logs."""
        return sum(counts.lines for counts in self.counts.values())


def simulate(folder: Path, seed: int = 1, days: int = 28, events: int = 300_000) -> SimulatedShop:
    """Write about ``events`` records of ``days`` days into ``folder``, which is made.

    The same arguments give the same bytes. Files: ``clicks.ndjson``, ``orders.ndjson``,
    ``logistics.ndjson`` in order of arrival, ``regions.csv``, ``tidecast.toml``,
    ``happenings.csv`` and ``truth.parquet`` (see ``truth_frame``).

    Raises
    ------
    SettingsError
        When there are too few days or events for everything that is to happen in them, or the
        folder holds files that are no simulated shop's.
    """
    if days < FEWEST_DAYS or events < FEWEST_EVENTS:
        raise SettingsError(
            f"{days} days and {events} events are too few for a shop: "
            f"simulate at least {FEWEST_DAYS} days and {FEWEST_EVENTS} events"
        )
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    calendar = Calendar.of_days(days)
    planned = plan(calendar)
    _write_tables(folder, planned.happenings)
    drawing, failing = np.random.default_rng(seed).spawn(2)
    rates = view_rates(calendar, planned, events / EVENTS_PER_VIEW, drawing)
    drawn = draw_events(calendar, planned, rates, drawing)
    counts, accepted = {}, {}
    for source, frame in drawn.items():
        counts[source], accepted[source] = _write_log(folder, source, frame, failing)
    units = np.array([1 + category.extra_units for category in CATEGORIES])
    expected = {"traffic": rates, "demand": expected_orders(rates, planned) * units}
    truth = truth_frame(calendar, drawn, accepted, expected)
    truth.write_parquet(folder / "truth.parquet")
    return SimulatedShop(
        folder=folder,
        settings=folder / "tidecast.toml",
        logs={source: folder / f"{source}.ndjson" for source in drawn},
        truth=folder / "truth.parquet",
        counts=counts,
        happenings=planned.happenings,
    )


def _check_folder(folder: Path) -> None:
    """Refuse a folder with files of others, whose place ours might take."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / HAPPENINGS).exists():
        raise SettingsError(f"{folder} holds files of others: name a new folder, or an empty one")


def _write_log(
    folder: Path, source: str, events: pl.DataFrame, rng: np.random.Generator
) -> tuple[SourceCounts, NDArray[np.int64]]:
    """Write a source's log; return its counts, and how often each event was accepted."""
    arrivals = arrive(events["time"].to_numpy(), FAULTS[source], rng)
    lines, malformed = break_lines(record_lines(source, events[arrivals.rows]), rng)
    (folder / f"{source}.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    refused, late = sum(malformed.values()), int(arrivals.too_late.sum())
    counts = SourceCounts(
        lines=len(lines),
        accepted=len(lines) - refused - late,
        late=late,
        refused=refused,
        duplicates=int(arrivals.repeated.sum()),
        malformed=malformed,
    )
    return counts, np.bincount(arrivals.rows[~arrivals.too_late], minlength=events.height)


def _write_tables(folder: Path, happenings: tuple[Happening, ...]) -> None:
    places = "".join(f"{r.name},{r.lat},{r.lng}\n" for r in REGIONS)
    (folder / "regions.csv").write_text("region,lat,lng\n" + places, encoding="utf-8")
    rows = "".join(
        f"{h.kind},{h.region},{h.category},{from_micros(h.start):%Y-%m-%dT%H:%M:%SZ},"
        f"{from_micros(h.end):%Y-%m-%dT%H:%M:%SZ},{h.factor}\n"
        for h in happenings
    )
    header = "kind,region,category,start,end,factor\n"
    (folder / HAPPENINGS).write_text(header + rows, encoding="utf-8")
    (folder / "tidecast.toml").write_text(settings_text(), encoding="utf-8")
