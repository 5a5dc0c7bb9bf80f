"""The window of the last slabs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.checkpoint import pack, unpack
from tidecast.state.window import Window

NAN = float("nan")


def slab(*values: float) -> np.ndarray:
    return np.array(values)[:, None]  # (cell, series)


def shown(window: Window, cell: int = 0) -> list[float]:
    return window.values[:, cell, 0].tolist()


def filled() -> Window:
    window = Window(4, 1)
    for bin_ in range(10, 16):
        window.append(bin_, slab(bin_))
    return window


def test_the_window_holds_the_last_slabs_oldest_first() -> None:
    assert shown(filled()) == [12, 13, 14, 15]
    assert filled().lag(0).tolist() == [[15]]
    assert filled().lag(3).tolist() == [[12]]


def test_what_lies_before_the_first_slab_is_missing() -> None:
    window = Window(3, 1)
    window.append(5, slab(1))
    np.testing.assert_equal(shown(window), [NAN, NAN, 1])
    np.testing.assert_equal(window.lag(99).tolist(), [[NAN]])


def test_a_new_cell_has_a_missing_past() -> None:
    window = filled()
    window.append(16, slab(16, 7))
    np.testing.assert_equal(shown(window, 1), [NAN, NAN, NAN, 7])
    assert shown(window) == [13, 14, 15, 16]


def test_skipped_bins_are_missing() -> None:
    window = filled()
    window.append(18, slab(18))
    np.testing.assert_equal(shown(window), [15, NAN, NAN, 18])


def test_a_gap_longer_than_the_window_empties_it() -> None:
    window = filled()
    window.append(10**9, slab(1))
    np.testing.assert_equal(shown(window), [NAN, NAN, NAN, 1])


def test_a_correction_replaces_its_bin_and_no_other() -> None:
    window = filled()
    window.correct(13, slab(99))
    assert shown(window) == [12, 99, 14, 15]
    window.append(16, slab(16))
    assert shown(window) == [99, 14, 15, 16]


def test_a_correction_of_a_bin_that_has_left_changes_nothing() -> None:
    window = filled()
    window.correct(11, slab(99))
    assert shown(window) == [12, 13, 14, 15]


@pytest.mark.parametrize("ahead", [1, 2, 3, 4, 5])
def test_a_correction_of_a_bin_that_was_slept_through_changes_nothing(ahead: int) -> None:
    window = filled()
    window.correct(15 + ahead, slab(99))
    assert shown(window) == [12, 13, 14, 15]


def test_a_correction_may_bring_new_cells() -> None:
    window = filled()
    window.correct(14, slab(14, 5))
    np.testing.assert_equal(shown(window, 1), [NAN, NAN, 5, NAN])


def test_values_cannot_be_written_by_those_who_read_them() -> None:
    with pytest.raises(ValueError, match="read-only"):
        filled().values[0, 0, 0] = 1


steps = st.lists(
    st.tuples(st.sampled_from(["append", "correct"]), st.integers(1, 6), st.integers(1, 3)),
    max_size=25,
)


@given(steps, st.integers(0, 25))
def test_the_window_is_a_table_of_the_last_bins_also_after_a_snapshot(
    steps: list[tuple[str, int, int]], at: int
) -> None:
    window, table, last, n_cells = Window(5, 1), {}, 0, 0
    for number, (what, distance, width) in enumerate(steps):
        if number == at:
            _, arrays = unpack(pack({}, window.snapshot()))
            window = Window(5, 1)
            window.restore(arrays)
        n_cells = max(n_cells, width)
        column = np.arange(n_cells) + 10.0 * number
        if what == "append":
            last += distance
            table[last] = column
            window.append(last, column[:, None])
        elif table:
            bin_ = last + 1 - distance
            if distance <= 5:
                table[bin_] = column
            window.correct(bin_, column[:, None])
    if not table:
        return
    expected = np.full((5, window.n_cells), NAN)
    for row, bin_ in enumerate(range(last - 4, last + 1)):
        known = table.get(bin_, np.array([]))
        expected[row, : len(known)] = known
    np.testing.assert_array_equal(window.values[:, :, 0], expected)


def test_the_slab_of_a_bin_is_missing_where_the_window_does_not_reach() -> None:
    window = Window(context_length=2, n_series=1)
    for bin_ in (7, 8, 9):
        window.append(bin_, np.array([[float(bin_)]]))
    found = [window.at(bin_)[0, 0] for bin_ in range(6, 11)]
    assert np.array_equal(found, [np.nan, np.nan, 8.0, 9.0, np.nan], equal_nan=True)


def test_many_slabs_are_those_of_each_lag_and_missing_after_the_newest() -> None:
    window = Window(context_length=3, n_series=2)
    for bin_ in range(5):
        window.append(bin_, 10.0 * bin_ + np.arange(8.0).reshape(4, 2))
    lags = np.array([[0, 2], [3, -1]])
    found = window.lags(lags, slice(1, None, 2))
    for place, lag in np.ndenumerate(lags):
        expected = window.lag(lag)[1::2] if lag >= 0 else np.full((2, 2), np.nan, np.float32)
        np.testing.assert_array_equal(found[place], expected)
    assert not np.shares_memory(found, window.values)
