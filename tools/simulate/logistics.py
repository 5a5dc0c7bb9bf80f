"""Deliveries: hours grow with the distance from the depot and with the load of the region."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.tools.simulate.shop import DEPOT, HOUR, REGIONS, Calendar

__all__ = ["deliver"]

HANDLING = 6.0  # hours at least, in the depot
KM_PER_HOUR = 28.0
LOAD = 9.0  # hours more where a day brings twice the usual orders
FAILED = 0.02
OPENS, CLOSES = 8, 20  # when couriers ring, local time

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def deliver(calendar: Calendar, orders: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the delivery of each order; a failed attempt is tried again a day later.

    ``hours`` are elapsed from the order to the event.
    """
    placed = orders["time"].to_numpy()
    arrival = _doorbell(calendar, placed + _travel(calendar, orders, rng), rng)
    failed = rng.random(placed.size) < FAILED
    attempts = _events(orders, placed, arrival, np.where(failed, "failed", "delivered"))
    again = _events(orders, placed, arrival + 24 * HOUR, np.full(placed.size, "delivered"))
    return pl.concat([attempts, again.filter(failed)])


def _travel(calendar: Calendar, orders: pl.DataFrame, rng: np.random.Generator) -> Integers:
    region = orders["region"].to_numpy()
    hour = calendar.hour_of(orders["time"].to_numpy())
    road = np.array([_distance_km(r.lat, r.lng) / KM_PER_HOUR for r in REGIONS])
    load = _load(len(calendar), hour, region)[hour, region]
    noise = rng.gamma(3.0, 2.0, region.size)
    hours = HANDLING + road[region] + LOAD * load + noise
    return np.asarray(hours * HOUR, np.int64)


def _load(hours: int, hour: Integers, region: Integers) -> Floats:
    """Return by (hour, region) how far the orders of the last day exceed the usual, in parts."""
    counts = np.zeros((hours, len(REGIONS)))
    np.add.at(counts, (hour, region), 1.0)
    total = np.vstack([np.zeros(len(REGIONS)), counts.cumsum(axis=0)])
    last_day = total[1:] - total[np.maximum(np.arange(1, hours + 1) - 24, 0)]
    usual = np.maximum(np.median(last_day[last_day.any(axis=1)], axis=0), 1.0)
    return np.asarray(np.maximum(last_day / usual - 1.0, 0.0))


def _doorbell(calendar: Calendar, ready: Integers, rng: np.random.Generator) -> Integers:
    """Move what is ready outside the couriers' hours to the next of their shifts."""
    last = len(calendar) - 1
    local = calendar.local_hour[np.minimum(calendar.hour_of(ready), last)]
    wait = np.where(local < OPENS, OPENS - local, np.where(local >= CLOSES, 24 + OPENS - local, 0))
    shift = (rng.random(ready.size) * 4 * HOUR).astype(np.int64)
    return ready + np.where(wait > 0, wait * HOUR + shift, 0)


def _distance_km(lat: float, lng: float) -> float:
    north = (lat - DEPOT.lat) * 111.2
    east = (lng - DEPOT.lng) * 111.2 * np.cos(np.radians(DEPOT.lat))
    return float(np.hypot(north, east))


def _events(
    orders: pl.DataFrame, placed: Integers, time: Integers, kind: NDArray[np.str_]
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": time,
            "region": orders["region"],
            "category": orders["category"],
            "kind": kind,
            "order": orders["order"],
            "hours": np.round((time - placed) / HOUR, 2),
            "units": orders["units"],
        }
    )
