"""Benchmarks, each a command of ``tidecast bench``."""

from __future__ import annotations

import click

from tidecast.tools.lazy import Entry, LazyGroup

__all__ = ["bench"]

SUMMARIES = {
    "ingest": "Our ingest worker beside its peers, on one broker.",
    "replay": "Logs to slabs and forecasts, without a broker.",
    "latency": "From the last event of a bin to its forecasts in ClickHouse.",
    "step": "One bin step, by number of cells.",
    "bursts": "What bursts, dead feeds and shifts leave behind in forecasts.",
    "newcomers": "Cells that appear mid-way, with and without those like them.",
    "leading": "Orders forecast with the clicks that lead them, and without.",
    "transfer": "What a network pretrained elsewhere is worth after some days of data.",
    "checkpoints": "Ingest with a checkpoint a second, and without.",
    "recovery": "A forecaster saved and brought back, by cells and history.",
    "backbones": "The published task of PEMS08 by every backbone, as long each.",
    "deep": "Training, answers and start of deep networks, by backbone.",
}


ENTRIES = {name: Entry(f"{__name__}.{name}", name, line) for name, line in SUMMARIES.items()}
"""Each is imported when it is run: a contender's process must not carry all of them."""


@click.group(cls=LazyGroup, entries=ENTRIES)
def bench() -> None:
    """Measure speed, memory and latency, on this machine."""
