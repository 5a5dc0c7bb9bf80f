"""Series are made of integer sums."""

from __future__ import annotations

import numpy as np

from tidecast.state.settings import parse_settings
from tidecast.state.terms import (
    all_terms,
    series_counts,
    series_marks,
    series_values,
    source_terms,
)

SETTINGS = parse_settings(
    {
        "sources": [
            {"name": "clicks", "topic": "clicks", "stream": "click"},
            {"name": "orders", "topic": "orders", "stream": "order"},
        ],
        "series": [
            {
                "name": "conversion",
                "aggregate": "ratio",
                "numerator": "demand",
                "denominator": "traffic",
            },
            {"name": "traffic", "stream": "click", "aggregate": "count", "kinds": ["view"]},
            {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"},
            {
                "name": "price",
                "stream": "order",
                "aggregate": "mean",
                "of": "amount",
                "decimals": 2,
            },
        ],
    }
)
# rows: traffic, demand (thousandths), amount (hundredths), orders with an amount
SUMS = np.array([[4, 0, 0], [6_000, 1_500, 0], [1_999, 0, 0], [2, 0, 0]])


def test_a_count_is_its_sum() -> None:
    assert series_values(SETTINGS, SUMS)[:, 1].tolist() == [4, 0, 0]


def test_a_sum_is_scaled_back_from_fixed_point() -> None:
    assert series_values(SETTINGS, SUMS)[:, 2].tolist() == [6, 1.5, 0]


def test_a_mean_divides_the_sum_by_how_many_carried_the_number() -> None:
    np.testing.assert_equal(series_values(SETTINGS, SUMS)[:, 3].tolist(), [9.995, np.nan, np.nan])


def test_a_ratio_divides_two_other_series_and_is_missing_over_nothing() -> None:
    np.testing.assert_equal(series_values(SETTINGS, SUMS)[:, 0].tolist(), [1.5, np.nan, np.nan])


def test_a_source_adds_to_the_terms_of_its_stream_in_the_order_of_all_terms() -> None:
    orders = source_terms(SETTINGS, SETTINGS.sources[1])
    assert [term.of for term in orders] == ["units", "amount", "amount"]
    assert [term.counts for term in orders] == [False, False, True]
    assert list(all_terms(SETTINGS)[1:]) == list(orders)


def test_values_of_no_cells_are_an_empty_table() -> None:
    assert series_values(SETTINGS, SUMS[:, :0]).shape == (0, 4)


MARKED = parse_settings(
    {
        "sources": [
            {"name": "orders", "topic": "orders", "stream": "order"},
            {"name": "stock", "topic": "stock", "stream": "stock"},
        ],
        "series": [
            {
                "name": "demand",
                "stream": "order",
                "aggregate": "sum",
                "of": "units",
                "censored_by": {"stream": "stock", "kinds": ["sold_out", "closed"]},
            },
            {"name": "orders", "stream": "order", "aggregate": "count"},
        ],
    }
)


def test_events_that_mark_are_a_term_of_their_own_source() -> None:
    (mark,) = source_terms(MARKED, MARKED.sources[1])
    assert (mark.series, mark.kinds, mark.marks) == (0, ("sold_out", "closed"), True)
    assert [term.marks for term in all_terms(MARKED)] == [False, True, False]


def test_marks_censor_the_cells_of_their_series_and_leave_values_alone() -> None:
    sums = np.array([[5_000, 0, 7_000], [2, 1, 0], [3, 0, 4]])  # units, marks, orders
    assert series_values(MARKED, sums).tolist() == [[5, 3], [0, 0], [7, 4]]
    marks = series_marks(MARKED, sums)
    assert marks is not None
    assert marks.tolist() == [[True, False], [True, False], [False, False]]


def test_without_a_mark_nothing_is_censored() -> None:
    assert series_marks(SETTINGS, SUMS) is None
    assert series_marks(MARKED, np.zeros((3, 2), np.int64)) is None


def test_counts_tell_how_much_a_mean_or_ratio_is_of() -> None:
    counts = series_counts(SETTINGS, SUMS)
    assert counts is not None
    np.testing.assert_equal(counts[:, 0].tolist(), [4, 0, 0])  # conversion: views
    np.testing.assert_equal(counts[:, 3].tolist(), [2, 0, 0])  # price: orders with an amount
    assert np.isnan(counts[:, 1:3]).all()


def test_sums_and_counts_alone_have_no_counts_behind_them() -> None:
    assert series_counts(MARKED, np.zeros((3, 2), np.int64)) is None
