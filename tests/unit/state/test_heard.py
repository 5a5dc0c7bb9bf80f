"""Covariates put together again: what was known of them when bins closed, and no sooner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, FOREVER, Covariate, CovariateTable, Kind
from tidecast.state.heard import Heard
from tidecast.state.known import Knowledge, Known

GRID = BinGrid(60_000_000)
CELLS = [Cell(region, category) for region in ("north", "south") for category in ("toys", "books")]
HORIZON, N_BINS = 3, 8

cells_of = st.lists(st.sampled_from(CELLS), min_size=1, unique=True)
value = st.sampled_from([-1.0, 0.0, 2.0, np.nan])


@st.composite
def covariates(draw: st.DrawFn, name: str, kind: Kind) -> Covariate:
    """Return a covariate whose rows became known at any time: by region, category, both or none."""
    keys = draw(
        st.sampled_from(
            [
                ((None, None),),
                (("north", None), ("south", None)),
                ((None, "toys"),),
                (("south", "books"), ("north", "toys")),
            ]
        )
    )
    row = st.tuples(
        st.just(FOREVER) if kind == "static" else st.integers(0, N_BINS + HORIZON),
        st.integers(0, len(keys) - 1),
        value,
        st.one_of(st.just(ALWAYS), st.integers(0, N_BINS).map(lambda bin_: GRID.end(bin_) - 1)),
    )
    rows = draw(st.lists(row, max_size=12, unique_by=lambda row: (row[0], row[1], row[3])))
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    bins, places, values, known_at = map(list, columns)
    return Covariate(
        name,
        keys,
        np.array(bins, np.int64),
        np.array(places, np.int64),
        np.array(values, np.float64),
        np.array(known_at, np.int64),
        absent=draw(value),
        kind=kind,
    )


def assert_same(found: Sequence[Known], expected: Iterable[Known]) -> None:
    """Assert that two tell the same of every cell, in whatever order."""
    by_name = {each.name: each for each in found}
    for each in expected:
        np.testing.assert_array_equal(by_name[each.name].of_cells, each.of_cells)


@given(
    covariates("price", "known"),
    covariates("size", "static"),
    st.lists(st.integers(0, N_BINS), min_size=1, unique=True).map(sorted),
    cells_of,
    st.data(),
)
def test_it_knows_at_the_end_of_each_bin_what_was_told_then(
    price: Covariate, size: Covariate, bins: list[int], cells: list[Cell], data: st.DataObject
) -> None:
    knowledge, heard = Knowledge(CovariateTable([price, size]), GRID, HORIZON), Heard(GRID)
    there = sorted(data.draw(st.integers(1, len(cells))) for _ in bins)  # cells only grow
    for bin_, n_cells in zip(bins, there, strict=True):
        heard.take(0, bin_, cells[:n_cells], knowledge.at(bin_, cells[:n_cells]))
    again = Knowledge(CovariateTable(heard.covariates()), GRID, HORIZON)
    for bin_, n_cells in zip(bins, there, strict=True):
        now = cells[:n_cells]
        assert_same(again.at(bin_, now), knowledge.at(bin_, now))


def test_what_a_bin_tells_of_those_ahead_is_not_known_before() -> None:
    heard = Heard(GRID)
    for bin_, rows in ((5, [1.0, 2.0]), (6, [7.0, 3.0])):
        known = Known("price", "known", np.array(rows)[:, None], np.zeros(1, np.int64))
        heard.take(0, bin_, CELLS[:1], [known])
    (price,) = heard.covariates()
    at = {end: price.at(range(5, 8), GRID.end(end))[:, 0].tolist() for end in (4, 5, 6)}
    nan = np.nan
    np.testing.assert_array_equal(at[4], [nan, nan, nan])
    np.testing.assert_array_equal(at[5], [1.0, 2.0, nan])
    np.testing.assert_array_equal(at[6], [1.0, 7.0, 3.0])
    assert price.since == 5


def test_what_is_told_again_is_kept_once_however_many_cells_share_it() -> None:
    heard = Heard(GRID)
    shared = np.zeros(len(CELLS), np.int64)
    for bin_ in range(10):
        known = Known("price", "known", np.full((4, 1), 5.0), shared)
        heard.take(0, bin_, CELLS, [known])
    (price,) = heard.covariates()
    assert price.bins.tolist() == list(range(13))


def test_shards_tell_of_cells_of_their_own() -> None:
    heard = Heard(GRID)
    for shard, cells in enumerate((CELLS[:1], CELLS[1:])):
        columns = np.arange(len(cells))
        known = Known("size", "static", columns[None, :] + 10.0 * shard, columns)
        heard.take(shard, 3 + shard, cells, [known])
    (size,) = heard.covariates()
    table = CovariateTable([size])
    found = table.at(range(FOREVER, FOREVER + 1), table.columns(CELLS), GRID.end(4))
    assert found[0, 0].tolist() == [0.0, 10.0, 11.0, 12.0]
