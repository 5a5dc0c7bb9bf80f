"""Whether a series as a whole is down, or in a burst."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.feed import Feed
from tidecast.models.guard import PATIENCE

SEASON = 24
Values = NDArray[np.float64]


class Shop:
    """A feed of cells with a usual of their own, hour by hour."""

    def __init__(self, usual: Sequence[float]) -> None:
        self.usual = np.array(usual)[:, None]
        self.feed = Feed(n_series=1, season=SEASON)
        self.random = np.random.default_rng(0)
        self.bin = 1000

    def judge(self, values: Values, reach: Values | float = 1e9) -> tuple[bool, bool]:
        found = self.feed.judge(self.bin, values, np.broadcast_to(reach, values.shape), self.usual)
        self.bin += 1
        return bool(found[0][0]), bool(found[1][0])

    def run(self, slabs: Iterable[Values]) -> list[tuple[bool, bool]]:
        return [self.judge(values) for values in slabs]

    def trade(self, n_bins: int = 100) -> Iterable[Values]:
        return (self.random.poisson(self.usual).astype(float) for _ in range(n_bins))

    def repeat(self, factor: float, n_bins: int) -> Iterable[Values]:
        return (factor * self.usual for _ in range(n_bins))


def test_ordinary_trade_is_neither() -> None:
    for usual in ([20.0] * 5, [0.05] * 5, [0.3] * 40):
        assert set(Shop(usual).run(Shop(usual).trade(1000))) == {(False, False)}


def test_zeros_of_a_busy_feed_are_an_outage_at_once() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade())
    assert shop.run(shop.repeat(0.0, 3)) == [(True, False)] * 3
    assert shop.run(shop.repeat(1.0, 3)) == [(False, False)] * 3


def test_zeros_of_a_sparse_feed_are_an_outage_once_chance_is_out_of_the_question() -> None:
    shop = Shop([0.5, 1.0])
    shop.run(shop.trade())
    down = [is_down for is_down, _ in shop.run(shop.repeat(0.0, 16))]
    first = down.index(True)
    assert 8 <= first <= 14  # exp(-1.5 n) < 1e-6 after 10 bins, a little later where totals vary
    assert all(down[first:])


def test_zeros_of_all_cells_but_one_are_no_outage() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade())
    one = np.array([[0.0], [0.0], [1.0], [0.0], [0.0]])
    assert shop.run([one] * 10) == [(False, False)] * 10


def test_a_missing_feed_is_no_outage() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade())
    assert shop.run([np.full((5, 1), np.nan)] * 3) == [(False, False)] * 3


def test_zeros_that_came_a_season_ago_too_are_hours_of_closing() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade())
    assert shop.run(shop.repeat(0.0, 4)) == [(True, False)] * 4
    shop.run(shop.trade(SEASON - 4))
    assert shop.run(shop.repeat(0.0, 5)) == [(False, False)] * 4 + [(True, False)]


def test_zeros_that_last_for_a_season_are_learnt() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade())
    down = [is_down for is_down, _ in shop.run(shop.repeat(0.0, SEASON + 5))]
    assert down == [True] * SEASON + [False] * 5


def test_nothing_is_judged_before_a_season_is_known() -> None:
    shop = Shop([20.0] * 5)
    shop.run(shop.trade(SEASON - 1))
    assert shop.run(shop.repeat(0.0, 1)) == [(False, False)]


def test_a_burst_of_all_cells_is_suspended_for_a_few_bins() -> None:
    shop = Shop([20.0, 0.1, 0.3, 5.0])
    shop.run(shop.trade())
    found = shop.run(shop.repeat(15.0, 10))
    assert found == [(False, True)] * PATIENCE + [(False, False)] * (10 - PATIENCE)


def test_a_burst_of_one_cell_is_none_of_the_feed() -> None:
    shop = Shop([20.0, 0.1, 0.3, 5.0])
    shop.run(shop.trade())
    burst = shop.usual * np.array([[50.0], [1.0], [1.0], [1.0]])
    assert shop.run([burst]) == [(False, False)]


def test_new_cells_are_no_burst_of_the_others_however_large() -> None:
    shop = Shop([20.0, 0.1, 0.3, 5.0])
    shop.run(shop.trade())
    shop.usual = np.append(shop.usual, np.zeros((5, 1)), axis=0)
    values = np.where(shop.usual > 0, shop.usual, 150.0)
    reach = np.where(shop.usual > 0, 1e9, np.inf)
    assert shop.judge(values, reach) == (False, False)
    assert shop.judge(np.where(shop.usual > 0, 15.0 * values, values), reach) == (False, True)


def test_no_more_than_its_reach_counts_of_a_value() -> None:
    shop = Shop([20.0, 0.1, 0.3, 5.0])
    shop.run(shop.trade())
    assert shop.judge(shop.usual * 15.0, reach=0.5) == (False, False)


def test_a_feed_without_cells_is_neither() -> None:
    shop = Shop([])
    assert shop.run([np.zeros((0, 1))] * 50) == [(False, False)] * 50


def test_a_restored_feed_goes_on_alike() -> None:
    one, other = Shop([0.5, 1.0]), Shop([0.5, 1.0])
    one.run(one.trade())
    other.feed.restore(one.feed.snapshot())
    other.bin = one.bin
    assert one.run(one.repeat(0.0, 20)) == other.run(other.repeat(0.0, 20))
