"""Covariates of bins and cells, as they were known at any time."""

from __future__ import annotations

import numpy as np

from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, Covariate, CovariateTable, Key

CELLS = [Cell("north", "toys"), Cell("south", "toys"), Cell("south", "books")]
Row = tuple[int, Key, float, int]


def covariate(*rows: Row, absent: float = np.nan) -> Covariate:
    keys = tuple(dict.fromkeys(row[1] for row in rows))
    return Covariate(
        "promotion",
        keys,
        np.array([row[0] for row in rows], np.int64),
        np.array([keys.index(row[1]) for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.int64),
        absent,
    )


def at(of: Covariate, bins: range, known_by: int = 10**18) -> list[list[float]]:
    table = CovariateTable([of])
    found = table.at(bins, table.columns(CELLS), known_by)[0]
    return np.nan_to_num(found, nan=-1.0).tolist()


def test_values_go_to_the_cells_of_their_region_category_or_both() -> None:
    assert at(covariate((7, ("south", None), 2.0, ALWAYS)), range(7, 8)) == [[-1.0, 2.0, 2.0]]
    assert at(covariate((7, (None, "toys"), 2.0, ALWAYS)), range(7, 8)) == [[2.0, 2.0, -1.0]]
    assert at(covariate((7, ("south", "toys"), 2.0, ALWAYS)), range(7, 8)) == [[-1.0, 2.0, -1.0]]
    assert at(covariate((7, (None, None), 2.0, ALWAYS)), range(7, 8)) == [[2.0, 2.0, 2.0]]


def test_what_is_not_there_is_missing_or_what_absence_means() -> None:
    row = (7, ("north", None), 1.0, ALWAYS)
    assert at(covariate(row), range(6, 9)) == [[-1.0] * 3, [1.0, -1.0, -1.0], [-1.0] * 3]
    assert at(covariate(row, absent=0.0), range(6, 8)) == [[0.0] * 3, [1.0, 0.0, 0.0]]


def test_a_value_is_not_seen_before_it_was_known() -> None:
    of = covariate((7, (None, None), 1.0, 500))
    assert at(of, range(7, 8), known_by=499) == [[-1.0] * 3]
    assert at(of, range(7, 8), known_by=500) == [[1.0] * 3]


def test_of_several_values_the_one_known_last_counts_however_they_are_ordered() -> None:
    rows = [(7, (None, None), 3.0, 300), (7, (None, None), 1.0, 100), (7, (None, None), 2.0, 200)]
    of = covariate(*rows)
    assert [at(of, range(7, 8), known_by=t)[0][0] for t in (100, 250, 300)] == [1.0, 2.0, 3.0]


def test_what_is_not_a_sane_number_is_missing() -> None:
    rows = [(n, (None, None), value, ALWAYS) for n, value in enumerate((np.inf, np.nan, 1e300))]
    assert at(covariate(*rows), range(3)) == [[-1.0] * 3] * 3


def test_no_covariates_are_no_values() -> None:
    table = CovariateTable()
    assert table.at(range(5), table.columns(CELLS), 0).shape == (0, 5, 3)
