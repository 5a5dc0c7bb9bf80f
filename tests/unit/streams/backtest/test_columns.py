"""Columns of a long table are found by their names."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import Columns, find_columns

TIME, TEXT, NUMBER, WHOLE = pl.Datetime("us"), pl.String(), pl.Float64(), pl.Int64()


def found(columns: dict[str, Any], **given: Any) -> Columns:
    return find_columns(pl.Schema(columns), **given)


@pytest.mark.parametrize(
    ("columns", "time", "region", "category", "value"),
    [
        ({"time": TIME, "region": TEXT, "category": TEXT, "value": NUMBER},
         "time", "region", "category", "value"),
        ({"InvoiceDate": TIME, "Country": TEXT, "Quantity": WHOLE, "CustomerID": WHOLE},
         "InvoiceDate", "Country", None, "Quantity"),
        ({"date": pl.Date(), "store_nbr": WHOLE, "family": TEXT, "sales": NUMBER},
         "date", "store_nbr", "family", "sales"),
        ({"ds": TEXT, "unique_id": TEXT, "y": NUMBER}, "ds", "unique_id", None, "y"),
        ({"Timestamp": WHOLE, "flow": NUMBER}, "Timestamp", None, None, "flow"),
        ({"when": TIME, "who": TEXT, "pedestrians": WHOLE}, "when", "who", None, "pedestrians"),
        ({"order_date": TIME, "item_id": TEXT, "units": WHOLE, "price": NUMBER},
         "order_date", None, "item_id", "units"),
    ],
)  # fmt: skip
def test_columns_are_known_by_usual_names(
    columns: dict[str, Any], time: str, region: str | None, category: str | None, value: str
) -> None:
    taken = found(columns)
    assert (taken.time, taken.region, taken.category, taken.values) == (
        *(time, region, category),
        (value,),
    )
    assert {*taken.unused} == {*columns} - {time, region, category, value}


def test_what_is_given_is_taken() -> None:
    columns = {
        "time": TIME,
        "sent": TIME,
        "region": TEXT,
        "town": TEXT,
        "value": NUMBER,
        "n": WHOLE,
    }
    taken = found(columns, time="sent", region="town", values=["n", "value", "n"])
    assert taken == Columns("sent", "town", None, ("n", "value"), ("time", "region"))


@pytest.mark.parametrize("name", ["censored", "sold_out", "SoldOut", "is_censored"])
@pytest.mark.parametrize("dtype", [pl.Boolean, pl.Int8])
def test_marks_of_what_was_sold_out_are_no_value(name: str, dtype: Any) -> None:
    taken = found({"time": TIME, name: dtype, "n": NUMBER})
    assert (taken.values, taken.censored, taken.unused) == (("n",), name, ())
    assert f"censored = {name}" in taken.describe()


def test_a_number_that_is_called_so_marks_nothing_unless_it_is_said() -> None:
    columns = {"time": TIME, "sold_out": NUMBER, "value": NUMBER, "closed": WHOLE}
    assert found(columns).censored is None
    assert found(columns, censored="closed").censored == "closed"


def test_a_weight_is_taken_where_values_are_means_and_is_no_value() -> None:
    columns: dict[str, Any] = {"time": TIME, "hours": NUMBER, "weight": WHOLE}
    taken = found(columns, values=["hours"], of_means=True)
    assert (taken.weight, taken.unused) == ("weight", ())
    assert "weight = weight" in taken.describe()
    assert found(columns, values=["hours"]).weight is None
    assert found(columns | {"n": WHOLE}, values=["hours"], weight="n").weight == "n"


def test_a_text_that_is_called_as_values_are_may_have_a_part_of_its_own() -> None:
    columns = {"time": TIME, "units": TEXT, "price": NUMBER}
    assert found(columns, values=["price"]).region == "units"
    assert found(columns, category="units").values == ("price",)
    assert found(columns | {"sales": NUMBER}).values == ("sales",)
    assert found({"time": TIME, "sales_channel": TEXT, "price": NUMBER}).region == "sales_channel"


def test_what_was_taken_is_said() -> None:
    taken = found({"time": TIME, "shop": TEXT, "value": NUMBER, "promo": NUMBER})
    said = "time = time; value = value; region = shop; no category; not used: promo"
    assert taken.describe() == said


def test_a_column_without_a_name_is_not_taken() -> None:
    numbered = found({"": WHOLE, "ts": TEXT, "sold": NUMBER})
    assert (numbered.time, numbered.values, numbered.unused) == ("ts", ("sold",), ())
    assert found({"time": TIME, "value": NUMBER, "": TEXT}).region is None


def test_dates_are_times_without_a_name_too() -> None:
    assert found({"": TIME, "value": NUMBER}).time == ""
    assert found({"": TIME, "store": TEXT, "value": NUMBER}).region == "store"
    assert found({"": TIME, "date": TIME, "value": NUMBER}).time == "date"


@pytest.mark.parametrize("name", ["sales_date", "OrdersTime", "count_timestamp", "volume_ts"])
def test_whole_numbers_called_as_times_are_times_of_whatever_values(name: str) -> None:
    assert found({"store": WHOLE, name: WHOLE, "demand": WHOLE}).time == name


@pytest.mark.parametrize("name", ["event_time", "bin_start", "bin"])
def test_the_time_of_an_event_comes_before_another_stamp(name: str) -> None:
    assert found({"ts": TIME, name: TIME, "value": NUMBER}).time == name


def test_columns_named_by_dates_do_no_harm_beside_times() -> None:
    assert found({"when": TIME, "2024-03-01": NUMBER, "value": WHOLE}).time == "when"
    assert found({"when": TEXT, "hour": NUMBER, "value": NUMBER}).time == "when"


@pytest.mark.parametrize(
    ("columns", "given", "says"),
    [
        ({"a": NUMBER, "b": NUMBER, "time": TIME}, {}, "the value.*--value NAME, one of a, b"),
        ({"value": NUMBER}, {}, r"the time.*no column of the table can be: value \(Float64\)"),
        ({"time": TIME, "sales": TEXT}, {}, r"the value.*no column.*sales \(String\)"),
        ({"sent": TIME, "got": TIME, "value": NUMBER}, {}, "--time NAME, one of sent, got"),
        ({"time": TIME, "value": NUMBER}, {"region": "shop"}, "no column 'shop'.*time, value"),
        ({"time": TIME, "sales": TEXT}, {}, "a missing number is an empty field"),
        ({"time": TIME, "Value": TEXT, "price": NUMBER}, {}, "'Value' is called as.*--value price"),
        ({"sales": WHOLE}, {}, r"the time.*no column of the table can be: sales \(Int64\)"),
        ({"date": NUMBER, "sold": WHOLE}, {}, "'date' is called as times .*ISO 8601"),
        ({"date": NUMBER, "sold": WHOLE}, {}, "holds no times: mend it.*or say --time sold"),
        ({"2024-03-01": pl.Date(), "7": WHOLE}, {}, "'2024-03-01': write names into the first"),
        ({"shop": TEXT, "1/3/2024": WHOLE, "2/3/2024": WHOLE}, {}, "one time into each row"),
        ({"time": TIME, "value": NUMBER}, {"covariates": ["x", "x"]}, "no column 'x'"),
        ({"time": TIME, "x": NUMBER}, {"values": ["x"], "covariates": ["x"]}, "'x' is given two"),
        ({"time": TIME, "x": NUMBER}, {"covariates": ["x", "x"]}, "'x' is given two parts"),
        ({"time": TIME, "x": NUMBER}, {"censored": "x"}, "'x' holds Float64, not truths"),
        ({"time": TIME, "x": TEXT}, {"censored": "x"}, "'x' holds String, not truths"),
    ],
)
def test_what_cannot_be_told_is_asked_for(
    columns: dict[str, Any], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(LogError, match=says):
        found(columns, **given)
