"""Run a replay into a store: progress while it runs, figures when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidecast.models.fold import Closed
from tidecast.state.bins import BinGrid
from tidecast.state.settings import Settings
from tidecast.state.slab_fold import SlabRules
from tidecast.streams.replay import Replayed
from tidecast.streams.store import Store
from tidecast.streams.store.blocks import forecast_block, scores_block, slab_block
from tidecast.tools.console import open_console
from tidecast.tools.progress import log_progress
from tidecast.tools.tally import Tally, accuracy_table, counts_table
from tidecast.tools.writer import StoreWriter

__all__ = ["Result", "query_of", "run_replay"]

ACCURACY = "SELECT * FROM accuracy_by_lead ORDER BY series, expert, lead"


@dataclass(frozen=True)
class Result:
    """What a replay leaves behind for its closing table."""

    replay: Replayed
    tally: Tally
    seconds: float

    def rows(self) -> list[tuple[str, str]]:
        """Return the counts, a (name, value) pair each."""
        counts = self.replay.counts
        rows = [
            ("events", f"{counts.events:,}"),
            ("accepted", f"{counts.accepted:,}"),
            ("late", f"{counts.late:,}"),
            ("refused", f"{counts.refused:,}"),
        ]
        rows += [(f"  {code}", f"{n:,}") for code, n in sorted(counts.reasons.items())]
        if counts.duplicates:
            rows.append(("duplicates", f"{counts.duplicates:,}"))
        if counts.unremembered:
            rows.append(("beyond max_event_ids", f"{counts.unremembered:,}"))
        if overflowed := self.replay.fold.slabs.cells.overflowed:
            rows.append(("beyond max_cells", f"{overflowed:,}"))
        return [
            *rows,
            ("bins", f"{self.tally.bins:,}"),
            ("cells", f"{self.tally.cells:,}"),
            ("seconds", f"{self.seconds:.1f}"),
            ("events/s", f"{counts.events / max(self.seconds, 1e-9):,.0f}"),
        ]

    def show(self) -> None:
        """Print the closing table."""
        console = open_console()
        console.print(counts_table(self.rows()))
        if self.tally.intervals:
            console.print(accuracy_table(self.tally))
        else:
            console.print("no bin was both forecast and seen: nothing to score yet")


def run_replay(settings: Settings, replayed: Replayed, store: Store) -> Result:
    """Replay into a store, showing progress; return the figures of the closing table."""
    series = [each.name for each in settings.series]
    levels = settings.forecast.quantile_levels
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    tally = Tally(series, SlabRules.of(settings).reach // grid.nominal_width + 1)
    writer = StoreWriter(store)
    started = time.perf_counter()
    try:
        for closed in _shown(replayed):
            tally.note(closed)
            writer.add("actuals", slab_block(closed.slab, closed.cells, series, grid))
            if closed.scores is not None:
                writer.add("scores", scores_block(closed.scores, series, grid))
            if closed.forecast is not None:
                for part in closed.forecast.parts(closed.cells, series):
                    writer.add("predictions", forecast_block(*part, levels, grid))
    finally:
        writer.close()
    return Result(replayed, tally, time.perf_counter() - started)


def _shown(replayed: Replayed) -> Iterator[Closed]:
    """Yield what each bin gives, moving the progress bar."""
    shown = 0
    with log_progress("replay", replayed.readers) as advance:
        for closed in replayed.closed():
            yield closed
            advance(replayed.counts.events - shown)
            shown = replayed.counts.events


def query_of(store: Path) -> str:
    """Return the command that asks an embedded store how accurate its forecasts were."""
    return f'tidecast query --store {store} "{ACCURACY}"'
