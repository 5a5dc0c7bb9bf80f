"""Run a replay into a store: progress while it runs, figures when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console

from tidecast.models.fold import Closed
from tidecast.state.settings import Settings
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.replay import Replay
from tidecast.streams.store import Store
from tidecast.tools.progress import log_progress
from tidecast.tools.tally import Tally, accuracy_table, counts_table
from tidecast.tools.writer import StoreWriter

__all__ = ["Result", "run_replay"]


@dataclass(frozen=True)
class Result:
    """What a replay leaves behind for its closing table."""

    replay: Replay
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
        return [
            *rows,
            ("bins", f"{self.tally.bins:,}"),
            ("cells", f"{self.tally.cells:,}"),
            ("seconds", f"{self.seconds:.1f}"),
            ("events/s", f"{counts.events / max(self.seconds, 1e-9):,.0f}"),
        ]

    def show(self) -> None:
        """Print the closing table."""
        console = Console()
        console.print(counts_table(self.rows()))
        console.print(accuracy_table(self.tally))


def run_replay(settings: Settings, replayed: Replay, store: Store) -> Result:
    """Replay into a store, showing progress; return the figures of the closing table."""
    output = ForecastOutput(settings)
    tables = {
        output.topics.predictions: "predictions",
        output.topics.windows: "actuals",
        output.topics.scores: "scores",
    }
    tally = Tally([series.name for series in settings.series])
    writer = StoreWriter(store)
    started = time.perf_counter()
    try:
        for closed in _shown(replayed):
            tally.bins += closed.slab.revision == 0
            tally.cells = len(closed.cells)
            if closed.scores is not None:
                tally.add(closed.scores)
            for topic, _, value in output.records(closed):
                writer.add(tables[topic], value)
    finally:
        writer.close()
    return Result(replayed, tally, time.perf_counter() - started)


def _shown(replayed: Replay) -> Iterator[Closed]:
    """Yield what each bin gives, moving the progress bar."""
    shown = 0
    with log_progress("replay", replayed.readers) as advance:
        for closed in replayed.closed():
            yield closed
            advance(replayed.counts.events - shown)
            shown = replayed.counts.events
