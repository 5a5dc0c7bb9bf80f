"""Prometheus metrics of the workers, all in one place; names carry their units."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Gauge, Histogram

from tidecast.state.partition import Outcome, Partition

__all__ = [
    "LAG",
    "STANDSTILL_SECONDS",
    "ForecastMetrics",
    "IngestMetrics",
    "SinkMetrics",
    "forget_places",
    "note_admission",
    "note_checkpoint",
    "note_decision",
    "note_deep_answer",
    "note_refit",
    "note_swap",
    "note_training",
]

PLACE = ("source", "partition")

ACCEPTED = Counter("tidecast_accepted_records", "Records that are in a slab or will be", PLACE)
REFUSED = Counter("tidecast_refused_records", "Records sent to the dead-letter topic", PLACE)
LATE = Counter("tidecast_late_records", "Records sent to the late topic", PLACE)
DUPLICATES = Counter("tidecast_duplicate_records", "Records counted before, by event_id", PLACE)
UNREMEMBERED = Counter(
    "tidecast_unremembered_records",
    "Accepted records whose event_id found no room: their repetitions are not known",
    PLACE,
)
LOST = Counter(
    "tidecast_lost_records", "Offsets deleted from the source before they were read", PLACE
)
CUTS = Counter("tidecast_cuts", "Cuts sent", PLACE)
OVERFLOWED = Gauge("tidecast_overflow_names", "Names of cells beyond the limit", PLACE)
WATERMARK = Gauge("tidecast_watermark_seconds", "Event-time watermark, Unix time", PLACE)
DELAY = Gauge("tidecast_watermark_delay_seconds", "Now minus the event-time watermark", PLACE)
OFFSET = Gauge("tidecast_source_offset", "Offset of the next record to fold", PLACE)

HELD_BACK = Gauge(
    "tidecast_holds_time_back", "1 for the source partition that slabs wait for", PLACE
)
SLABS = Counter("tidecast_slabs", "Bins closed")
CELLS = Gauge("tidecast_cells", "Cells seen")
STEP_SECONDS = Histogram("tidecast_step_seconds", "Time from slab to forecast of one bin")
CLOSE_DELAY = Gauge(
    "tidecast_bin_close_delay_seconds", "Time from the end of the last closed bin to its closing"
)
WEIGHT_MOVEMENT = Gauge(
    "tidecast_blend_weight_movement",
    "Mean absolute change of the blend's weights at the last bin",
    ("series",),
)
SUSPENDED = Counter(
    "tidecast_suspended_values",
    "Values that no model learns from: a burst, a shared burst or an outage",
    ("series", "reason"),
)
SHIFTS = Counter(
    "tidecast_admitted_shifts", "Cells whose burst lasted and is learnt as a shift", ("series",)
)
RESETS = Counter(
    "tidecast_expert_resets", "Times that an expert threw away insane state", ("expert",)
)
REFITS = Counter(
    "tidecast_refits",
    "Refits made, made late (bins went on without), or failed",
    ("expert", "outcome"),
)
REFIT_SECONDS = Histogram("tidecast_refit_seconds", "Time from due to decided", ("expert",))
ADMISSIONS = Counter(
    "tidecast_deep_admissions",
    "Bins forecast with a deep model, or without: late, absent or refused",
    ("outcome",),
)
ADMISSION_SECONDS = Histogram(
    "tidecast_deep_wait_seconds", "Time that a forecast waited for a deep model"
)
DEEP_ANSWERS = Counter(
    "tidecast_deep_answers",
    "Bins that the deep worker had an answer to (sound), or none: unsound or failed",
    ("outcome",),
)
DEEP_ANSWER_SECONDS = Histogram("tidecast_deep_answer_seconds", "Time to an answer")
DEEP_SWAPS = Counter(
    "tidecast_deep_swaps", "Models that the deep worker found: swapped in or refused", ("outcome",)
)
DEEP_DECISIONS = Counter(
    "tidecast_deep_decisions",
    "Models judged: promoted, rejected, rolled back, or kept as champion",
    ("outcome",),
)
DEEP_TRAININGS = Counter(
    "tidecast_deep_trainings", "Trainings beside the deep worker: made, or failed", ("outcome",)
)

ROWS = Counter("tidecast_stored_rows", "Rows written to ClickHouse", ("table",))
INSERT_SECONDS = Histogram("tidecast_insert_seconds", "Time of one insert", ("table",))
INSERT_FAILURES = Counter("tidecast_insert_failures", "Tries that found the store away")
WAITING_SECONDS = Counter("tidecast_store_waiting_seconds", "Time waited for the store")
NOT_STORED = Counter(
    "tidecast_not_stored_records",
    "Records put aside, for the store will never take them",
    ("table",),
)

LAG = Gauge(
    "tidecast_lag_records", "Records from the next to fold to the end", ("topic", "partition")
)
CHECKPOINT_AGE = Gauge(
    "tidecast_checkpoint_age_seconds", "Time since the last checkpoint was written", ("owner",)
)
CHECKPOINT_BYTES = Gauge("tidecast_checkpoint_bytes", "Size of the last checkpoint", ("owner",))
CHECKPOINT_SECONDS = Histogram(
    "tidecast_checkpoint_seconds", "Time to write a checkpoint and have it acknowledged"
)
STANDSTILL_SECONDS = Histogram(
    "tidecast_checkpoint_standstill_seconds", "Time that nothing is folded for a checkpoint"
)


def forget_places() -> None:
    """Drop the gauges of partitions: some may be another worker's from now on."""
    for gauge in (
        OVERFLOWED,
        WATERMARK,
        DELAY,
        OFFSET,
        HELD_BACK,
        CHECKPOINT_AGE,
        CHECKPOINT_BYTES,
    ):
        gauge.clear()


def note_checkpoint(owner: str, size: int, seconds: float) -> None:
    """Note that a checkpoint of ``size`` bytes was written."""
    written = time.time()
    CHECKPOINT_AGE.labels(owner).set_function(lambda: time.time() - written)
    CHECKPOINT_BYTES.labels(owner).set(size)
    CHECKPOINT_SECONDS.observe(seconds)


def note_refit(expert: str, outcome: str, seconds: float) -> None:
    """Note that a refit was decided; ``outcome`` is made, late or failed."""
    REFITS.labels(expert, outcome).inc()
    REFIT_SECONDS.labels(expert).observe(seconds)


def note_admission(outcome: str, seconds: float) -> None:
    """Note that a bin is forecast with a deep model (admitted), or why it is without."""
    ADMISSIONS.labels(outcome).inc()
    ADMISSION_SECONDS.observe(seconds)


def note_deep_answer(outcome: str, seconds: float) -> None:
    """Note that the deep worker has answered a bin (sound), or could not."""
    DEEP_ANSWERS.labels(outcome).inc()
    DEEP_ANSWER_SECONDS.observe(seconds)


def note_swap(outcome: str) -> None:
    """Note that the deep worker has met another model: swapped in, or refused."""
    DEEP_SWAPS.labels(outcome).inc()


def note_decision(outcome: str) -> None:
    """Note that a model was judged: promoted, rejected, rolled_back, or kept as champion."""
    DEEP_DECISIONS.labels(outcome).inc()


def note_training(outcome: str) -> None:
    """Note that a network was trained beside the deep worker (made), or was not (failed)."""
    DEEP_TRAININGS.labels(outcome).inc()


class IngestMetrics:
    """What an ingest worker counts."""

    def note(self, source: str, partition: Partition, outcome: Outcome) -> None:
        """Count one folded batch."""
        place = (source, str(partition.partition))
        ACCEPTED.labels(*place).inc(outcome.accepted)
        REFUSED.labels(*place).inc(len(outcome.refused))
        LATE.labels(*place).inc(len(outcome.late))
        DUPLICATES.labels(*place).inc(outcome.duplicates)
        UNREMEMBERED.labels(*place).inc(outcome.unremembered)
        CUTS.labels(*place).inc(len(outcome.cuts))
        OVERFLOWED.labels(*place).set(partition.cells.overflowed)
        OFFSET.labels(*place).set(partition.next_offset)
        if partition.watermark is not None:
            watermark = partition.watermark / 1e6
            WATERMARK.labels(*place).set(watermark)
            DELAY.labels(*place).set_function(lambda: time.time() - watermark)

    def lost(self, source: str, partition: int, records: int) -> None:
        """Count records that were deleted before they were read."""
        LOST.labels(source, str(partition)).inc(records)


class ForecastMetrics:
    """What a forecast worker counts."""

    def __init__(self) -> None:
        self._weights: Mapping[str, NDArray[np.floating]] = {}

    def note(self, n_cells: int, bin_end: float, seconds: float) -> None:
        """Count one closed bin that ended at ``bin_end``, Unix time."""
        SLABS.inc()
        CELLS.set(n_cells)
        CLOSE_DELAY.set(time.time() - bin_end)
        STEP_SECONDS.observe(seconds)

    def weights(self, series: list[str], weights: Mapping[str, NDArray[np.floating]]) -> None:
        """Note the blend's weights at a bin, (series, lead) for every expert that spoke."""
        before, self._weights = self._weights, weights
        if not weights or list(weights) != list(before):
            return  # somebody sleeps that spoke, or speaks that slept; at first nobody does
        moves = np.stack([np.abs(now - before[name]) for name, now in weights.items()])
        for name, of_series in zip(series, moves.swapaxes(0, 1), strict=True):
            WEIGHT_MOVEMENT.labels(name).set(of_series.mean(dtype=np.float64))

    def guarded(self, news: Iterable[tuple[str, str, int]]) -> None:
        """Count what the guards did at a bin: what, in which series or expert, how often."""
        for what, name, count in news:
            if what == "reset":
                RESETS.labels(name).inc(count)
            elif what == "shift":
                SHIFTS.labels(name).inc(count)
            else:
                SUSPENDED.labels(name, what).inc(count)

    def held_back_by(self, place: tuple[str, int] | None) -> None:
        """Name the source partition that time waits for."""
        HELD_BACK.clear()
        if place is not None:
            HELD_BACK.labels(*map(str, place)).set(1)


class SinkMetrics:
    """What a sink worker counts."""

    def note(self, table: str, rows: int, seconds: float) -> None:
        """Count one insert."""
        ROWS.labels(table).inc(rows)
        INSERT_SECONDS.labels(table).observe(seconds)

    def note_failure(self, waiting_seconds: float) -> None:
        """Count one try that found the store away, and the wait that follows."""
        INSERT_FAILURES.inc()
        WAITING_SECONDS.inc(waiting_seconds)

    def note_refused(self, table: str) -> None:
        """Count one record that was put aside."""
        NOT_STORED.labels(table).inc()
