"""Prometheus metrics of the workers, all in one place; names carry their units."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from tidecast.state.partition import Outcome, Partition
from tidecast.state.settings import MetricsSettings

__all__ = ["ForecastMetrics", "IngestMetrics", "SinkMetrics", "serve_metrics"]

PLACE = ("source", "partition")

ACCEPTED = Counter("tidecast_accepted_records", "Records that are in a slab or will be", PLACE)
REFUSED = Counter("tidecast_refused_records", "Records sent to the dead-letter topic", PLACE)
LATE = Counter("tidecast_late_records", "Records sent to the late topic", PLACE)
CUTS = Counter("tidecast_cuts", "Cuts sent", PLACE)
OVERFLOWED = Gauge("tidecast_overflow_names", "Names of cells beyond the limit", PLACE)
WATERMARK = Gauge("tidecast_watermark_seconds", "Event-time watermark, Unix time", PLACE)
OFFSET = Gauge("tidecast_source_offset", "Offset of the next record to fold", PLACE)

HELD_BACK = Gauge(
    "tidecast_holds_time_back", "1 for the source partition that slabs wait for", PLACE
)
SLABS = Counter("tidecast_slabs", "Bins closed")
CELLS = Gauge("tidecast_cells", "Cells seen")
STEP_SECONDS = Histogram("tidecast_step_seconds", "Time from slab to forecast of one bin")

ROWS = Counter("tidecast_stored_rows", "Rows written to ClickHouse", ("table",))
INSERT_SECONDS = Histogram("tidecast_insert_seconds", "Time of one insert", ("table",))


def serve_metrics(settings: MetricsSettings) -> None:
    """Answer Prometheus on the settings' host and port; port 0 means not at all."""
    if settings.port:
        start_http_server(settings.port, addr=settings.host)


class IngestMetrics:
    """What an ingest worker counts."""

    def note(self, source: str, partition: Partition, outcome: Outcome) -> None:
        """Count one folded batch."""
        place = (source, str(partition.partition))
        ACCEPTED.labels(*place).inc(outcome.accepted)
        REFUSED.labels(*place).inc(len(outcome.refused))
        LATE.labels(*place).inc(len(outcome.late))
        CUTS.labels(*place).inc(len(outcome.cuts))
        OVERFLOWED.labels(*place).set(partition.cells.overflowed)
        OFFSET.labels(*place).set(partition.next_offset)
        if partition.watermark is not None:
            WATERMARK.labels(*place).set(partition.watermark / 1e6)


class ForecastMetrics:
    """What a forecast worker counts."""

    def __init__(self) -> None:
        self._held_back: tuple[str, int] | None = None

    def note(self, n_cells: int, seconds: float) -> None:
        """Count one closed bin."""
        SLABS.inc()
        CELLS.set(n_cells)
        STEP_SECONDS.observe(seconds)

    def held_back_by(self, place: tuple[str, int] | None) -> None:
        """Name the source partition that time waits for."""
        if self._held_back not in (None, place):
            HELD_BACK.remove(*map(str, self._held_back or ()))
        if place is not None:
            HELD_BACK.labels(*map(str, place)).set(1)
        self._held_back = place


class SinkMetrics:
    """What a sink worker counts."""

    def note(self, table: str, rows: int, seconds: float) -> None:
        """Count one insert."""
        ROWS.labels(table).inc(rows)
        INSERT_SECONDS.labels(table).observe(seconds)
