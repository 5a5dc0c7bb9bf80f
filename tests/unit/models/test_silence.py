"""Zeros that are too many for chance."""

from __future__ import annotations

import numpy as np

from tidecast.models.silence import LEAST_PATIENCE, Silence

SEASON = 48
USUAL = np.array([[40.0], [3.0], [0.1]])
BUSY, MIDDLING, SPARSE = range(3)


class Cells:
    """A busy cell, one of some sales an hour, and a sparse one."""

    def __init__(self, patience: int = 0) -> None:
        self.silence = Silence(3, 1, SEASON, patience)
        self.random = np.random.default_rng(0)
        self.bin = 1000

    def trade(self, n_bins: int) -> list[list[bool]]:
        return [self.see(self.random.poisson(USUAL)) for _ in range(n_bins)]

    def repeat(self, value: float, n_bins: int) -> list[list[bool]]:
        return [self.see(np.full(USUAL.shape, value)) for _ in range(n_bins)]

    def see(self, values: np.ndarray) -> list[bool]:
        values = values.astype(np.float64)
        out = self.silence.judge(self.bin, values, USUAL)
        self.silence.learn(np.where(out, np.nan, values), USUAL)
        self.bin += 1
        return [bool(flag) for flag in out[:, 0]]


def of(cell: int, found: list[list[bool]]) -> list[bool]:
    return [flags[cell] for flags in found]


def test_trade_is_no_outage() -> None:
    assert not any(any(flags) for flags in Cells().trade(1000))


def test_zeros_of_a_busy_cell_are_an_outage_at_once_and_of_another_after_some() -> None:
    cells = Cells()
    cells.trade(200)
    found = cells.repeat(0.0, 20)
    assert all(of(BUSY, found))
    assert 3 <= of(MIDDLING, found).index(True) <= 6  # exp(-3 n) < 1e-6 in the fifth bin
    assert not any(of(SPARSE, found))


def test_what_is_below_zero_never_is_trade() -> None:
    cells = Cells()
    assert cells.repeat(-1.0, 1) == [[True] * 3]
    cells.trade(200)
    assert cells.repeat(-1.0, LEAST_PATIENCE + 1) == [[True] * 3] * (LEAST_PATIENCE + 1)


def test_zeros_are_learnt_after_a_while() -> None:
    for patience, bins in ((0, LEAST_PATIENCE), (30, 30)):
        cells = Cells(patience)
        cells.trade(200)
        assert of(BUSY, cells.repeat(0.0, 40)) == [True] * bins + [False] * (40 - bins)


def test_zeros_that_came_a_season_ago_too_are_hours_of_closing() -> None:
    cells = Cells()
    cells.trade(200)
    assert of(BUSY, cells.repeat(0.0, 4)) == [True] * 4
    cells.trade(SEASON - 4)
    assert of(BUSY, cells.repeat(0.0, 5)) == [False] * 4 + [True]


def test_nothing_is_judged_before_a_season_is_known() -> None:
    cells = Cells()
    cells.trade(SEASON - 1)
    assert not any(of(BUSY, cells.repeat(0.0, 1)))


def test_missing_values_neither_end_nor_begin_an_outage() -> None:
    cells = Cells()
    cells.trade(200)
    cells.repeat(0.0, 3)
    assert cells.repeat(np.nan, 2) == [[False] * 3] * 2
    assert of(MIDDLING, cells.repeat(0.0, 2)) == [False, True]


def test_asking_changes_nothing() -> None:
    cells = Cells()
    cells.trade(200)
    before = {name: array.tolist() for name, array in cells.silence.snapshot().items()}
    assert cells.silence.would_be(cells.bin, np.zeros((3, 1)), USUAL)[BUSY, 0]
    after = {name: array.tolist() for name, array in cells.silence.snapshot().items()}
    assert before == after


def test_restored_it_goes_on_alike() -> None:
    one, other = Cells(), Cells()
    one.trade(200)
    one.repeat(0.0, 2)
    other.silence.restore(one.silence.snapshot())
    other.bin = one.bin
    assert one.repeat(0.0, 60) == other.repeat(0.0, 60)


def test_new_cells_are_watched_first() -> None:
    silence = Silence(0, 1, SEASON, 0)
    silence.grow(3)
    assert silence.snapshot()["was_zero"].shape == (SEASON // 8, 3, 1)
    assert not silence.judge(1000, np.zeros((3, 1)), USUAL).any()
