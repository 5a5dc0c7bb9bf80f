"""Whose public holidays the days look like on which a shop was shut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tidecast.state.holidays import Holidays
from tidecast.tools.backtest.asked import Asked
from tidecast.tools.backtest.plan import plan_table

DAYS = [date(2011, 1, 1) + timedelta(number) for number in range(365)]
ENGLISH = Holidays("GB-ENG")
KEPT = [day for day in DAYS if day in ENGLISH and day.weekday() < 6]


def told(folder: Path, is_shut: Callable[[date], bool], asked: Asked | None = None) -> str:
    """Return what is told of a shop that is shut on Sundays, and on such days."""
    path = folder / "t.csv"
    rows = [
        f"{day},{region},{0 if day.weekday() == 6 or is_shut(day) else 3}"
        for day in DAYS
        for region in ("north", "south")
    ]
    path.write_text("\n".join(["date,region,value", *rows]))
    notes = plan_table(path, asked or Asked(freq="1D")).notes
    return "".join(note for note in notes if "public holidays" in note)


def test_a_shop_that_keeps_the_holidays_of_a_country_is_told_its_code(tmp_path: Path) -> None:
    assert len(KEPT) == 10
    assert told(tmp_path, lambda day: day in ENGLISH) == (
        "nothing was sold on 10 of 10 public holidays of GB-ENG, such as 2011-01-01: if they are "
        "the shop's, --holidays GB-ENG makes them known ahead"
    )


def test_shut_for_other_reasons_too_it_is_still_known(tmp_path: Path) -> None:
    week = range(DAYS.index(date(2011, 12, 26)), 365)
    assert "of GB-ENG," in told(tmp_path, lambda day: day in ENGLISH or DAYS.index(day) in week)


@pytest.mark.parametrize(
    "is_shut",
    [
        lambda _: False,
        lambda day: day in KEPT[:4],
        lambda day: day.day == 17,
        lambda day: day.month == 8,
    ],
    ids=["never", "a few of them", "once a month", "in summer"],
)
def test_days_that_are_no_holidays_are_not_taken_for_some(
    tmp_path: Path, is_shut: Callable[[date], bool]
) -> None:
    assert told(tmp_path, is_shut) == ""


def test_who_names_holidays_is_told_of_no_others(tmp_path: Path) -> None:
    asked = Asked(freq="1D", holidays="GB")
    assert told(tmp_path, lambda day: day in ENGLISH, asked) == ""


def test_rows_that_are_not_there_are_no_sales(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{day},3" for day in DAYS if day not in ENGLISH]
    path.write_text("\n".join(["date,value", *rows]))
    (note,) = (n for n in plan_table(path, Asked(freq="1D")).notes if "holidays" in n)
    assert "10 of 10 public holidays of GB-ENG" in note
