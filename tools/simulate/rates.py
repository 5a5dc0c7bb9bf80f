"""How many views and orders each hour of each cell expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.simulate.happenings import Plan
from tidecast.tools.simulate.shop import CATEGORIES, HOUR, REGIONS, Calendar

__all__ = ["CONVERSION", "expected_orders", "order_lag", "view_rates"]

CONVERSION = 0.35
LAG_MEDIAN = 0.4  # hours from the view of an item to its order
LAG_SPREAD = 1.1
LONGEST_LAG = 24.0
MOOD_MEMORY = 0.95  # of one hour in the next
MOOD_SPREAD = 0.12

Floats = NDArray[np.float64]


def view_rates(calendar: Calendar, plan: Plan, total: float, rng: np.random.Generator) -> Floats:
    """Return the expected views, (hour, region, category), adding up to ``total``."""
    base = np.outer([r.part for r in REGIONS], [c.part for c in CATEGORIES])
    mood = _moods(len(calendar), rng)[:, :, None]  # (hour, region, 1)
    rates = base * _rhythm(calendar)[:, None, :] * mood * plan.views  # (hour, region, category)
    return np.asarray(rates * (total / rates.sum()))


def order_lag(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the times from view to order, in microseconds: log-normal, at most a day."""
    hours = LAG_MEDIAN * np.exp(LAG_SPREAD * rng.standard_normal(n))
    return (np.minimum(hours, LONGEST_LAG) * HOUR).astype(np.int64)


def expected_orders(views: Floats, plan: Plan) -> Floats:
    """Return the expected orders, (hour, region, category), of the expected views.

    A view anywhere in its hour is ordered ``order_lag`` later, so the orders of an hour come
    from the views of that hour and the 25 before it.
    """
    rng = np.random.default_rng(0)  # integrates numerically; the same for every seed of a shop
    n = 1_000_000
    shift = ((rng.random(n) * HOUR + order_lag(n, rng)) // HOUR).astype(np.int64)
    weights = np.bincount(shift) / n
    buyers = views * CONVERSION * plan.conversion
    orders = np.zeros_like(views)
    for hours, weight in enumerate(weights[: len(views)]):
        orders[hours:] += weight * buyers[: len(views) - hours]
    return orders * plan.in_stock


def _rhythm(calendar: Calendar) -> Floats:
    """Return the factor of each hour, (hour, category): day, week and growth."""
    hours = np.arange(24)
    morning = np.exp(-0.5 * ((hours - 11.0) / 2.6) ** 2)
    evening = np.exp(-0.5 * ((hours - 20.5) / 2.0) ** 2)
    weeks = np.arange(len(calendar)) / 168
    columns = []
    for category in CATEGORIES:
        daily = 0.06 + morning + category.evening * evening
        weekly = np.where(calendar.weekday >= 5, category.weekend, 1.0)
        hourly = (daily / daily.mean())[calendar.local_hour]
        columns.append(hourly * weekly * category.growth**weeks)
    return np.stack(columns, axis=1)


def _moods(hours: int, rng: np.random.Generator) -> Floats:
    """Return slow random factors of mean 1, (hour, region): weather, football, the news."""
    shocks = rng.standard_normal((hours, len(REGIONS)))
    level = shocks[0]
    logs = np.empty_like(shocks)
    for hour in range(hours):
        level = MOOD_MEMORY * level + np.sqrt(1 - MOOD_MEMORY**2) * shocks[hour]
        logs[hour] = level
    return np.exp(MOOD_SPREAD * logs - MOOD_SPREAD**2 / 2)
