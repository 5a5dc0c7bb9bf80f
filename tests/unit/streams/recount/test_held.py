"""How many of its late events a stored bin holds is told from its values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.cells import OVERFLOW, Cell
from tidecast.state.settings import Settings, parse_settings
from tidecast.streams.decode.judge import Judged
from tidecast.streams.recount.compare import within_cells
from tidecast.streams.recount.held import Held, held_steps, with_late
from tidecast.streams.recount.sums import CELL, TOLD, bin_sums, empty_sums, series_of

BIN = 7
SETTINGS = parse_settings(
    {
        "sources": [{"name": "clicks", "topic": "clicks", "stream": "click"}],
        "series": [
            {"name": "traffic", "stream": "click", "aggregate": "count"},
            {"name": "carts", "stream": "click", "aggregate": "count", "kinds": ["cart"]},
            {"name": "worth", "stream": "click", "aggregate": "mean", "of": "value"},
            {
                "name": "rate",
                "aggregate": "ratio",
                "numerator": "carts",
                "denominator": "traffic",
            },
        ],
    }
)
events = st.builds(
    lambda region, kind, value: Judged(0, region, "books", kind, (float(value),)),
    st.sampled_from("abc"),
    st.sampled_from(["view", "cart"]),
    st.integers(0, 3),
)


def sums_of(records: Sequence[Judged], told: Sequence[int] | None = None) -> pl.DataFrame:
    if not records:
        return empty_sums(SETTINGS, told is not None)
    at = None if told is None else np.array(told, np.int64)
    bins = np.full(len(records), BIN)
    frame = bin_sums(SETTINGS, SETTINGS.sources[0], bins, records, at)
    return pl.concat([empty_sums(SETTINGS, told is not None), frame], how="diagonal")


def stored(sums: pl.DataFrame, settings: Settings = SETTINGS) -> pl.DataFrame:
    """Return what a store holds where it was told these sums."""
    values = series_of(settings, sums)
    return sums.select(CELL).with_columns(
        pl.Series(f"{name}.value", array, pl.Float64) for name, array in values.items()
    )


def held(counted: list[Judged], late: list[Judged], found: pl.DataFrame) -> Held:
    sums, more = sums_of(counted), sums_of(late, range(len(late)))
    return held_steps(SETTINGS, BIN, sums, more, found)


@given(st.lists(events, max_size=8), st.lists(events, min_size=1, max_size=8), st.data())
def test_a_bin_with_the_first_late_events_is_known_and_one_with_all_of_them_is_whole(
    counted: list[Judged], late: list[Judged], data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, len(late)))
    found = stored(sums_of(counted + late[:count]))
    answer = held(counted, late, found)
    assert answer.is_known
    whole = stored(sums_of(counted + late)).sort(CELL)
    assert answer.is_whole == whole.equals(found.sort(CELL))
    assert answer.is_amended == (not stored(sums_of(counted)).sort(CELL).equals(found.sort(CELL)))


@given(st.lists(events, max_size=8), st.lists(events, min_size=1, max_size=8), st.data())
def test_a_bin_with_any_other_value_is_not_known(
    counted: list[Judged], late: list[Judged], data: st.DataObject
) -> None:
    found = stored(sums_of(counted + late[: data.draw(st.integers(0, len(late)))]))
    if not found.height:
        return
    place = data.draw(st.integers(0, found.height - 1))
    name = data.draw(st.sampled_from(["traffic", "carts", "worth", "rate"]))
    column = found[f"{name}.value"].to_list()
    column[place] = 99.0
    answer = held(counted, late, found.with_columns(pl.Series(f"{name}.value", column)))
    assert not answer.is_known
    assert not answer.is_whole
    assert answer.odd is not None


def click(region: str, value: float = 1.0) -> Judged:
    return Judged(0, region, "books", "view", (value,))


def test_late_events_of_two_cells_are_held_in_the_order_they_were_told_of() -> None:
    late = [click("a"), click("b")]
    second_only = stored(sums_of([click("a"), click("b"), click("b")]))
    answer = held([click("a"), click("b")], late, second_only)
    assert not answer.is_known
    assert answer.odd is None  # each cell by itself could be


def test_a_row_that_is_not_there_is_no_zero() -> None:
    late = [click("b")]
    lacking = stored(sums_of([click("a")]))
    assert not held([click("a"), click("b", 2.0)], late, lacking).is_known
    assert held([click("a")], late, lacking).is_known


def test_late_events_of_unknown_cells_are_held_by_the_overflow_cell() -> None:
    over = Judged(0, *OVERFLOW, "view", (1.0,))
    counted, late = [click("a"), click("x")], [click("y")]
    sums, more = sums_of(counted), sums_of(late, [5])
    before = stored(sums_of([click("a"), over]))
    assert held_steps(SETTINGS, BIN, sums, more, before).is_known
    whole = within_cells(with_late(sums, more), before)
    assert set(whole.select(CELL).iter_rows()) == {Cell("a", "books"), OVERFLOW}
    assert held_steps(SETTINGS, BIN, sums, more, stored(whole)).is_whole


def test_series_that_the_bin_lacks_are_not_looked_at() -> None:
    found = stored(sums_of([click("a")])).with_columns(pl.lit(np.nan).alias("worth.value"))
    sums, late = sums_of([click("a")]), sums_of([click("a")], [3])
    assert not held_steps(SETTINGS, BIN, sums, late, found).is_known
    assert held_steps(SETTINGS, BIN, sums, late, found, ["worth"]).is_known


def test_sums_with_late_events_are_those_of_all_events() -> None:
    whole = with_late(sums_of([click("a")]), sums_of([click("a"), click("b")], [1, 2]))
    assert TOLD not in whole.columns
    expected = sums_of([click("a"), click("a"), click("b")])
    assert whole.sort(CELL).select(expected.columns).equals(expected.sort(CELL))
