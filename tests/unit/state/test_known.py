"""What of covariates is known when a bin closes."""

from __future__ import annotations

import numpy as np

from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, FOREVER, Covariate, CovariateTable, Kind
from tidecast.state.known import known_of

CELLS = [Cell("north", "toys"), Cell("south", "toys"), Cell("south", "books")]


def regional(name: str, kind: Kind, *rows: tuple[int, str, float, int]) -> Covariate:
    """Return a covariate of regions by rows of bin, region, value and when it was known."""
    keys = tuple(dict.fromkeys((region, None) for _, region, _, _ in rows))
    return Covariate(
        name,
        keys,
        np.array([bin_ for bin_, *_ in rows]),
        np.array([keys.index((region, None)) for _, region, _, _ in rows]),
        np.array([value for _, _, value, _ in rows]),
        np.array([known_at for *_, known_at in rows]),
        kind=kind,
    )


TABLE = CovariateTable(
    [
        regional(
            "promotion",
            "known",
            (7, "south", 1.0, ALWAYS),
            (8, "south", 2.0, 500),
            (8, "south", 3.0, 501),
            (7, "east", 9.0, ALWAYS),
        ),
        regional("spending", "past", (7, "south", 4.0, ALWAYS)),
        regional("size", "static", (FOREVER, "north", 5.0, ALWAYS)),
    ]
)


def test_it_is_what_was_known_then_of_the_bin_and_those_ahead_and_of_what_is_static() -> None:
    promotion, size = known_of(TABLE, range(7, 10), CELLS, known_by=500)
    nan = np.nan
    expected = [[nan, 1.0, 1.0], [nan, 2.0, 2.0], [nan, nan, nan]]
    np.testing.assert_array_equal(promotion.of_cells, expected)
    np.testing.assert_array_equal(size.of_cells, [[5.0, nan, nan]])
    assert [(each.name, each.kind) for each in (promotion, size)] == [
        ("promotion", "known"),
        ("size", "static"),
    ]


def test_cells_of_a_region_share_a_column_and_regions_without_cells_have_none() -> None:
    promotion, _ = known_of(TABLE, range(7, 8), CELLS, known_by=500)
    assert promotion.values.shape == (1, 2)
    assert promotion.columns[1] == promotion.columns[2] != promotion.columns[0]
