"""The items of each category, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.simulate.shop import CATEGORIES

__all__ = ["ITEMS", "Items", "draw_items"]

ITEMS = 60  # in each category


@dataclass(frozen=True)
class Items:
    """Items by their number within the category, with the price of one unit."""

    number: NDArray[np.int64]
    price: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> Items:
        """Return the chosen rows."""
        return Items(self.number[rows], self.price[rows])


def draw_items(category: NDArray[np.int64], rng: np.random.Generator) -> Items:
    """Draw an item for each row: the first few of a category are the most wanted."""
    means = np.array([c.price for c in CATEGORIES])
    prices = np.round(means[:, None] * rng.gamma(4.0, 0.25, (means.size, ITEMS)), 2)
    number = (ITEMS * rng.random(category.size) ** 2.5).astype(np.int64)
    return Items(number, np.maximum(prices, 0.5)[category, number])
