"""Between the values of the core and the bytes of the topics."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import orjson
from pydantic import ValidationError

from tidecast.state.bins import BinGrid, iso
from tidecast.state.cells import Cell
from tidecast.state.cuts import (
    Admission,
    Announced,
    Announcement,
    BinSums,
    Cut,
    Idle,
    InputMessage,
    Join,
    PartitionList,
    Refit,
)
from tidecast.state.errors import ContractError
from tidecast.state.known import Known
from tidecast.state.partition import Rejected
from tidecast.state.slabs import LateBins, Slab
from tidecast.streams.deep_wire import deep_fields, deep_forecast_of
from tidecast.streams.schemas.cuts import (
    AdmissionRecord,
    AnnouncedRow,
    AnnouncementRecord,
    BinRecord,
    IdleRecord,
    JoinRecord,
    PartitionListRecord,
    RefitRecord,
    input_adapter,
)

if TYPE_CHECKING:
    from tidecast.models.forecast import Forecast
    from tidecast.models.scores import Scores

__all__ = [
    "encode_input",
    "encode_late_bins",
    "encode_predictions",
    "encode_progress",
    "encode_rejected",
    "encode_scores",
    "encode_window",
    "parse_input",
]

OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def encode_input(message: InputMessage, settings: str) -> bytes:
    """Return the bytes of a cut or decision made under the settings of this fingerprint."""
    record: dict[str, object] = {"schema_version": 1, "settings": settings}
    if isinstance(message, PartitionList):
        record |= {"type": "partitions", "partitions": message.partitions}
        return orjson.dumps(record)
    if isinstance(message, Refit):
        texts = message.artifacts and [text.decode("ascii") for text in message.artifacts]
        record |= {"type": "refit", "expert": message.expert, "bin": message.bin}
        return orjson.dumps(record | {"artifacts": texts})
    if isinstance(message, Admission):
        said = message.said and deep_fields(message.said)
        record |= {"type": "admission", "origin_bin": message.origin_bin, "said": said}
        return orjson.dumps(record)
    if isinstance(message, Announcement):
        rows = [row._asdict() for row in message.rows]  # orjson writes NaN as null
        record |= {"type": "announcement", "topic": message.topic, "rows": rows}
        return orjson.dumps(record | {"partition": message.partition, "upto": message.upto})
    record |= {"source": message.source, "partition": message.partition}
    if isinstance(message, Join):
        return orjson.dumps(record | {"type": "join"})
    record["upto"] = message.upto
    record["bins"] = [_bin_record(sums) for sums in message.bins]
    if isinstance(message, Idle):
        record["type"] = "idle"
    else:
        record |= {
            "type": "cut",
            "since": message.since,
            "boundary": message.boundary,
            "ended": message.ended,
        }
    return orjson.dumps(record, option=OPTIONS)


def parse_input(value: bytes, settings: str) -> InputMessage:
    """Return the cut or decision that ``value`` holds.

    Raises
    ------
    ContractError
        When it is none, or was made under other settings.
    """
    try:
        record = input_adapter.validate_json(value)
    except ValidationError as error:
        raise ContractError(f"not a record of the cuts topic: {error}") from error
    if record.settings != settings:
        raise ContractError(
            f"the cuts topic holds records made under other settings ({record.settings}, "
            f"now {settings}): go back to those settings, or choose another kafka.topic_prefix"
        )
    if isinstance(record, PartitionListRecord):
        return PartitionList(tuple(record.partitions))
    if isinstance(record, JoinRecord):
        return Join(record.source, record.partition)
    if isinstance(record, AnnouncementRecord):
        rows = tuple(_announced(row) for row in record.rows)
        return Announcement(record.topic, record.partition, record.upto, rows)
    if isinstance(record, AdmissionRecord):
        said = None if record.said is None else deep_forecast_of(record.said)
        return Admission(record.origin_bin, said)
    if isinstance(record, RefitRecord):
        texts = record.artifacts
        artifacts = None if texts is None else tuple(text.encode() for text in texts)
        return Refit(record.expert, record.bin, artifacts)
    bins = tuple(_bin_sums(part) for part in record.bins)
    if isinstance(record, IdleRecord):
        return Idle(record.source, record.partition, record.upto, bins)
    return Cut(
        record.source,
        record.partition,
        record.since,
        record.boundary,
        record.upto,
        bins,
        record.ended,
    )


def encode_window(
    slab: Slab,
    cells: Sequence[Cell],
    series: Sequence[str],
    grid: BinGrid,
    known: Sequence[Known] = (),
) -> bytes:
    """Return the bytes of a slab, or of its correction, and of what is ``known`` with it."""
    record: dict[str, object] = {
        "schema_version": 1,
        "bin": slab.bin,
        "bin_start": iso(grid.start(slab.bin)),
        "bin_end": iso(grid.end(slab.bin)),
        "revision": slab.revision,
        "learnt": slab.revision == 0,
        "events": slab.events,
        "series": list(series),
        "regions": [cell.region for cell in cells],
        "categories": [cell.category for cell in cells],
        "values": np.ascontiguousarray(slab.values.T),  # (series, cell)
    }
    if slab.censored is not None:
        record["censored"] = [np.flatnonzero(marks) for marks in slab.censored.T]
    if slab.counts is not None:
        rows = np.ascontiguousarray(slab.counts.T)  # (series, cell)
        record["counts"] = [None if np.isnan(row).any() else row for row in rows]
    if known:
        record["covariates"] = [
            {
                "name": each.name,
                "kind": each.kind,
                "columns": each.columns if each.values.shape[1] > 1 else None,
                "values": np.ascontiguousarray(each.values),  # orjson writes NaN as null
            }
            for each in known
        ]
    return orjson.dumps(record, option=OPTIONS)


def encode_progress(shard: int, next_bin: int, position: int, grid: BinGrid) -> bytes:
    """Return the bytes that say how far a shard's time has come."""
    return orjson.dumps(
        {
            "schema_version": 1,
            "shard": shard,
            "next_bin": next_bin,
            "time": iso(grid.start(next_bin)),
            "position": position,
        }
    )


def encode_predictions(
    forecast: Forecast,
    cells: Sequence[Cell],
    series: Sequence[str],
    levels: Sequence[float],
    grid: BinGrid,
) -> Iterator[bytes]:
    """Yield one record a series and cell; what they share is encoded once."""
    last = forecast.origin_bin
    leads = forecast.mean.shape[2]
    shared = {
        "origin": iso(grid.end(last)),
        "valid_time": _fragment([iso(grid.end(last + lead)) for lead in range(1, leads + 1)]),
        "quantile_levels": _fragment(list(levels)),
        "revision": 0,
    }
    for number, name in enumerate(series):
        weights = {expert: weight[number] for expert, weight in forecast.weights.items()}
        common = {"schema_version": 1, "series": name, **shared, "weights": _fragment(weights)}
        for cell, mean, quantiles in zip(
            cells, forecast.mean[number], forecast.quantiles[number], strict=True
        ):
            yield orjson.dumps(
                {
                    **common,
                    "region": cell.region,
                    "category": cell.category,
                    "mean": mean,
                    "quantiles": quantiles,
                },
                option=OPTIONS,
            )


def encode_scores(scores: Scores, series: Sequence[str], grid: BinGrid) -> bytes:
    """Return the bytes of how one bin's forecasts fared."""
    return orjson.dumps(
        {
            "schema_version": 1,
            "valid_time": iso(grid.end(scores.bin)),
            "revision": scores.revision,
            "series": list(series),
            "experts": scores.experts,
            "n": scores.n,
            "abs_error": scores.abs_error,
            "squared_error": scores.squared_error,
            "actual": scores.actual,
            "pinball": scores.pinball,
            "intervals": scores.intervals,
            "covered": scores.covered,
        },
        option=OPTIONS,
    )


def encode_rejected(rejected: Rejected, source: str, topic: str, partition: int) -> bytes:
    """Return the bytes of a dead letter or late record."""
    raw = rejected.raw
    return orjson.dumps(
        {
            "schema_version": 1,
            "source": source,
            "topic": topic,
            "partition": partition,
            "offset": rejected.offset,
            "reason": rejected.reason,
            "value": None if raw is None else base64.b64encode(raw).decode(),
        }
    )


def encode_late_bins(late: LateBins, grid: BinGrid) -> bytes:
    """Return the bytes that say which events of a bin came too late for its slab."""
    return orjson.dumps(
        {
            "schema_version": 1,
            "type": "late_bins",
            "source": late.source,
            "partition": late.partition,
            "bin": late.bin,
            "bin_start": iso(grid.start(late.bin)),
            "bin_end": iso(grid.end(late.bin)),
            "upto": late.upto,
            "events": late.events,
            "regions": [cell.region for cell in late.cells],
            "categories": [cell.category for cell in late.cells],
            "reason": "late_bins: the bin closed without them, too long ago to be corrected",
        }
    )


def _fragment(value: object) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value, option=OPTIONS))


def _bin_record(sums: BinSums) -> dict[str, object]:
    return {
        "bin": sums.bin,
        "regions": sums.regions,
        "categories": sums.categories,
        "region": sums.region,
        "category": sums.category,
        "sums": np.ascontiguousarray(sums.sums),
    }


def _announced(row: AnnouncedRow) -> Announced:
    fields = row.model_dump()
    return Announced(**fields | {"value": math.nan if row.value is None else row.value})


def _bin_sums(record: BinRecord) -> BinSums:
    return BinSums(
        record.bin,
        record.regions,
        record.categories,
        np.array(record.region, np.int32),
        np.array(record.category, np.int32),
        np.array(record.sums, np.int64).reshape(len(record.sums), len(record.region)),
    )
