"""Times of a long table."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from tidecast.state.bins import HOUR, BinGrid, iso
from tidecast.state.errors import LogError, SettingsError
from tidecast.streams.backtest.times import micros_of, parse_frequency, undecided

UTC = BinGrid(HOUR)
BERLIN = BinGrid(HOUR, "Europe/Berlin")


def told(times: pl.Series, grid: BinGrid = UTC) -> list[str | None]:
    return [None if at is None else iso(at) for at in micros_of(times, "time", grid)]


@pytest.mark.parametrize(
    ("text", "width"),
    [("1h", HOUR), ("h", HOUR), ("5min", HOUR // 12), ("15T", HOUR // 4), ("30m", HOUR // 2),
     ("1D", "day"), ("d", "day"), ("24h", "day"), ("90 s", 90_000_000), ("2 hours", 2 * HOUR)],
)  # fmt: skip
def test_a_frequency_may_be_written_as_people_do(text: str, width: int | str) -> None:
    assert parse_frequency(text) == width


@pytest.mark.parametrize("text", ["", "M", "1M", "15 M", "1W", "7h", "0h", "2d", "hourly", "-1h"])
def test_a_frequency_that_does_not_divide_a_day_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="it must divide a day"):
        parse_frequency(text)


@pytest.mark.parametrize(
    "texts",
    [["2024-03-01 12:00:00"], ["2024-03-01T12:00:00"], ["2024-03-01T12:00:00Z"],
     ["2024-03-01T13:00:00+01:00"]],
)  # fmt: skip
def test_texts_are_iso_8601(texts: list[str]) -> None:
    assert told(pl.Series(texts)) == ["2024-03-01T12:00:00Z"]


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_numbers_are_of_the_unix_epoch_in_the_unit_that_their_size_tells(factor: int) -> None:
    assert told(pl.Series([1_709_294_400 * factor, None])) == ["2024-03-01T12:00:00Z", None]


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["01/02/2024", "02/02/2024"], "2024-02-01T00:00:00Z"),
        (["01/02/2024", None, "13/02/2024"], "2024-02-01T00:00:00Z"),
        (["01/02/2024", None, "02/13/2024"], "2024-01-02T00:00:00Z"),
        (["1-2-2024", "2-13-2024"], "2024-01-02T00:00:00Z"),
        (["12/1/2010 8:26", "12/13/2010 17:05"], "2010-12-01T08:26:00Z"),
        (["01/02/2024 08:00:00", "02/13/2024", "02/13/2024 9:00"], "2024-01-02T08:00:00Z"),
        (["01/02/2024 08:00:00 PM", "02/13/2024 12:00:00 AM"], "2024-01-02T20:00:00Z"),
        (["13/02/2024 08:00 pm", "01/02/2024 12:00 am"], "2024-02-13T20:00:00Z"),
    ],
)
def test_one_date_tells_of_all_whether_day_or_month_comes_first(
    texts: list[str | None], first: str
) -> None:
    assert told(pl.Series(texts))[0] == first


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["02/02/2024", None, "01/02/2024", "12/12/2024"], (1, 2, 2024)),
        (["1-2-2024 10:00", "2-2-2024 11:00"], (1, 2, 2024)),
        (["01/02/2024", "13/02/2024"], None),
        (["01/02/2024", "02/13/2024"], None),
        (["02/02/2024", "03/03/2024"], None),
        (["01.02.2024", "02.02.2024"], None),  # nobody writes the month first with points
        (["2024-02-01"], None),
        ([], None),
    ],
)
def test_dates_that_might_be_others_are_found(
    texts: list[str | None], found: tuple[int, int, int] | None
) -> None:
    assert undecided(pl.Series(texts, dtype=pl.String)) == found


def test_times_without_an_offset_are_the_shops_own() -> None:
    local = pl.Series([datetime(2024, 7, 1, 12), datetime(2024, 1, 1, 12)])  # noqa: DTZ001
    assert told(local, BERLIN) == ["2024-07-01T10:00:00Z", "2024-01-01T11:00:00Z"]
    aware = local.dt.replace_time_zone("UTC")
    assert told(aware, BERLIN)[0] == "2024-07-01T12:00:00Z"


def test_an_hour_that_the_clocks_left_out_is_none_and_one_that_came_twice_is_the_first() -> None:
    local = pl.Series([datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30)])  # noqa: DTZ001
    assert told(local, BERLIN) == [None, "2024-10-27T00:30:00Z"]


def test_days_begin_at_local_midnight() -> None:
    days = pl.Series([date(2024, 7, 1)])
    assert told(days, BinGrid("day", "Europe/Berlin")) == ["2024-06-30T22:00:00Z"]


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (pl.Series([1, 2, 3]), "whole numbers up to 3, which are no times"),
        (pl.Series([20240301]), "up to 20240301, which are no times"),
        (pl.Series(["soon"]), "texts such as 'soon'"),
        (pl.Series([None, "2024-12-31", "2024-13-01"]), "texts such as '2024-13-01'"),
        (pl.Series(["12/31/2024", "31/12/2024"]), "texts such as '12/31/2024'"),
        (pl.Series(["1/2/2024", "12/31/2024", "2/30/2024"]), "texts such as '2/30/2024'"),
        (pl.Series(["soon", "2024-12-31T00:00Z", "later"]), "texts such as 'soon'"),
        (pl.Series(["2024-03-01 12:00", "2024-03-01 12:00Z"]), "texts such as '2024-03-01 12:00Z'"),
        (pl.Series(["2024-03-01 12:00Z", "2024-03-01 12:00"]), "texts such as '2024-03-01 12:00'"),
        (pl.Series([1.5]), "holds Float64, not times"),
        (pl.Series([datetime(1850, 1, 1)]), "before 1970"),  # noqa: DTZ001
        (pl.Series([date(24, 2, 1)]), "write years in four digits"),  # 01/02/24, to polars
    ],
)
def test_what_is_no_time_is_named(times: pl.Series, says: str) -> None:
    with pytest.raises(LogError, match=says):
        micros_of(times, "time", UTC)
