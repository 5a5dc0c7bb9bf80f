"""The truth beside the logs: what a feed that is never late nor repeats itself would show."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.tools.simulate.shop import CATEGORIES, REGIONS, Calendar

__all__ = ["SERIES", "truth_frame"]

SERIES = {
    "demand": ("orders", "order", "units"),
    "traffic": ("clicks", "view", None),
    "delivery_hours": ("logistics", "delivered", "hours"),
}
"""Each series: its source, the kind of event it counts, the number it adds up or averages."""

SHAPE = (len(REGIONS), len(CATEGORIES))

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def truth_frame(
    calendar: Calendar,
    events: dict[str, pl.DataFrame],
    accepted: dict[str, Integers],
    expected: dict[str, Floats],
) -> pl.DataFrame:
    """Return one row per (series, hour, cell).

    ``accepted`` says by source how often each event was accepted: 0 when its records came too
    late, 2 when it came twice. ``expected`` holds by series the rates that the events were drawn
    from, (hour, region, category).

    Columns: series, region, category, bin_start, bin_end, ``value`` (of every event once),
    ``received`` (of the accepted records), ``expected``. NaN is the mean of nothing, and an
    unknown expectation.
    """
    parts = []
    for series, (source, kind, number) in SERIES.items():
        chosen = events[source]["kind"].to_numpy() == kind
        frame = events[source].filter(chosen)
        slot = _slot(calendar, frame)
        addends = np.ones(frame.height) if number is None else frame[number].to_numpy()
        size = len(calendar) * SHAPE[0] * SHAPE[1]
        mean = series == "delivery_hours"
        value = _aggregate(slot, addends, np.ones(frame.height), size, mean)
        received = _aggregate(slot, addends, accepted[source][chosen], size, mean)
        rates = expected[series].ravel() if series in expected else np.full(size, np.nan)
        parts.append(_frame(calendar, series, value, received, rates))
    return pl.concat(parts)


def _slot(calendar: Calendar, frame: pl.DataFrame) -> Integers:
    hour = calendar.hour_of(frame["time"].to_numpy())
    place = frame["region"].to_numpy() * SHAPE[1] + frame["category"].to_numpy()
    return np.asarray(hour * (SHAPE[0] * SHAPE[1]) + place)


def _aggregate(
    slot: Integers, addends: Floats, times: Integers | Floats, size: int, mean: bool
) -> Floats:
    total = np.bincount(slot, addends * times, size).astype(np.float64)
    if not mean:
        return total
    counts = np.bincount(slot, times, size).astype(np.float64)
    means: Floats = np.divide(total, counts, out=np.full(size, np.nan), where=counts > 0)
    return means


def _frame(
    calendar: Calendar, series: str, value: Floats, received: Floats, expected: Floats
) -> pl.DataFrame:
    hour, region, category = np.indices((len(calendar), *SHAPE)).reshape(3, -1)
    start = pl.Series(calendar.start[hour]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        {
            "series": np.full(value.size, series),
            "region": np.array([r.name for r in REGIONS])[region],
            "category": np.array([c.name for c in CATEGORIES])[category],
            "bin_start": start,
            "bin_end": start.dt.offset_by("1h"),
            "value": value,
            "received": received,
            "expected": expected,
        }
    )
