"""The events themselves: views that become carts, orders, deliveries and returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.tools.simulate.happenings import Plan
from tidecast.tools.simulate.items import Items, draw_items
from tidecast.tools.simulate.logistics import deliver
from tidecast.tools.simulate.rates import CONVERSION, order_lag
from tidecast.tools.simulate.shop import CATEGORIES, HOUR, Calendar

__all__ = ["EVENTS_PER_VIEW", "draw_events"]

BURSTINESS = 0.15  # variance of the gamma factor that makes the views negative binomial
CART = 0.3
CANCELLED = 0.03
RETURNED = 0.05
DAY = 24 * HOUR
SECOND = 1_000_000

EVENTS_PER_VIEW = 1 + CART + CONVERSION * (3 + CANCELLED + RETURNED)

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Visits:
    """One row per view: when, where, by whom, of what."""

    time: Integers
    region: Integers
    category: Integers
    user: Integers
    items: Items

    def take(self, rows: Integers) -> Visits:
        """Return the chosen rows."""
        return Visits(
            self.time[rows],
            self.region[rows],
            self.category[rows],
            self.user[rows],
            self.items.take(rows),
        )


def draw_events(
    calendar: Calendar, plan: Plan, rates: NDArray[np.float64], rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    """Return the true events of each source, in order of time, each exactly once.

    Columns are those of the records; ``time`` is in microseconds UTC, and ``region`` and
    ``category`` are numbers of ``REGIONS`` and ``CATEGORIES``.
    """
    views = _visits(calendar, rates, rng)
    orders, order_time = _orders(calendar, plan, views, rng)
    units = 1 + rng.poisson(np.array([c.extra_units for c in CATEGORIES])[orders.category])
    order_events = _order_frame(orders, order_time, units, "order")
    shipped, cancelled = _cancelled(order_events, rng)
    delivered = deliver(calendar, shipped, rng)
    returned = _returned(delivered, shipped, rng)
    frames = {
        "clicks": pl.concat([_views(views), _carts(views, rng), _purchases(orders, order_time)]),
        "orders": pl.concat([order_events, cancelled, returned]),
        "logistics": delivered,
    }
    return {name: _finish(frame, name, calendar.end) for name, frame in frames.items()}


def _visits(calendar: Calendar, rates: NDArray[np.float64], rng: np.random.Generator) -> Visits:
    burst = rng.gamma(1 / BURSTINESS, BURSTINESS, rates.shape)
    counts = rng.poisson(rates * burst).ravel()
    hour, cell = np.divmod(np.repeat(np.arange(counts.size), counts), rates[0].size)
    region, category = np.divmod(cell, len(CATEGORIES))
    time = calendar.start[hour] + (rng.random(hour.size) * HOUR).astype(np.int64)
    users = max(hour.size // 20, 1)
    user = (users * rng.random(hour.size) ** 2).astype(np.int64)  # some come more often
    return Visits(time, region, category, user, draw_items(category, rng))


def _orders(
    calendar: Calendar, plan: Plan, views: Visits, rng: np.random.Generator
) -> tuple[Visits, Integers]:
    """Return the views that end in an order, and when: a thing out of stock is not ordered."""
    hour = calendar.hour_of(views.time)
    chance = CONVERSION * plan.conversion[hour, views.region, views.category]
    rows = np.flatnonzero(rng.random(hour.size) < chance)
    buyers = views.take(rows)
    time = buyers.time + order_lag(rows.size, rng)
    at = np.minimum(calendar.hour_of(time), len(calendar) - 1)
    sold = plan.in_stock[at, buyers.region, buyers.category] > 0
    kept = np.flatnonzero(sold & (time < calendar.end))
    kept = kept[np.argsort(time[kept], kind="stable")]
    return buyers.take(kept), time[kept]


def _click_frame(visits: Visits, time: Integers, kind: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": time,
            "region": visits.region,
            "category": visits.category,
            "kind": np.full(time.size, kind),
            "user": visits.user,
            "item": visits.items.number,
            "value": visits.items.price,
        }
    )


def _views(views: Visits) -> pl.DataFrame:
    return _click_frame(views, views.time, "view")


def _carts(views: Visits, rng: np.random.Generator) -> pl.DataFrame:
    rows = np.flatnonzero(rng.random(views.time.size) < CART)
    chosen = views.take(rows)
    return _click_frame(chosen, chosen.time + rng.integers(5, 900, rows.size) * SECOND, "cart")


def _purchases(orders: Visits, order_time: Integers) -> pl.DataFrame:
    """Return the click on "buy": two seconds before the order it makes."""
    return _click_frame(orders, order_time - 2 * SECOND, "purchase")


def _order_frame(orders: Visits, time: Integers, units: Integers, kind: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": time,
            "region": orders.region,
            "category": orders.category,
            "kind": np.full(time.size, kind),
            "order": np.arange(time.size),
            "user": orders.user,
            "item": orders.items.number,
            "units": units,
            "amount": np.round(units * orders.items.price, 2),
        }
    )


def _cancelled(orders: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the orders that are shipped, and the cancellations of the others."""
    chosen = rng.random(orders.height) < CANCELLED
    later = (rng.exponential(2 * HOUR, orders.height)).astype(np.int64)
    cancelled = orders.with_columns(pl.col("time") + later, kind=pl.lit("cancellation")).filter(
        chosen
    )
    return orders.filter(~chosen), cancelled


def _returned(
    delivered: pl.DataFrame, orders: pl.DataFrame, rng: np.random.Generator
) -> pl.DataFrame:
    """Return the goods sent back, two to nine days after they came."""
    back = delivered.filter(pl.col("kind") == "delivered").filter(
        rng.random(int((delivered["kind"] == "delivered").sum())) < RETURNED
    )
    later = rng.integers(2 * DAY, 9 * DAY, back.height)
    came = back.select("order", "time").with_columns(pl.col("time") + later)
    return (orders.drop("time").join(came, on="order").with_columns(kind=pl.lit("return"))).select(
        orders.columns
    )


def _finish(frame: pl.DataFrame, source: str, end: int) -> pl.DataFrame:
    """Sort by time, in whole milliseconds, and number the events of the span."""
    inside = frame.with_columns(pl.col("time") // 1000 * 1000).filter(pl.col("time") < end)
    ordered = inside.sort("time", maintain_order=True)
    letter = source[0]
    return ordered.with_columns(
        event_id=pl.format(
            letter + "-{}", pl.int_range(ordered.height).cast(pl.String).str.zfill(8)
        )
    )
