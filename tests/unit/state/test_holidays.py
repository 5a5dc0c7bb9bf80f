"""Public holidays as local days."""

from __future__ import annotations

from datetime import date

import pytest

from tidecast.state.errors import SettingsError
from tidecast.state.holidays import Holidays, holidays_between, known_codes


def test_a_country_has_its_holidays_and_a_part_of_it_its_own() -> None:
    corpus_christi = date(2024, 5, 30)
    assert date(2024, 10, 3) in Holidays("DE")
    assert corpus_christi not in Holidays("DE")
    assert corpus_christi in Holidays("DE-BY")


def test_a_day_is_one_kind_only() -> None:
    days = Holidays("GB-ENG")
    kinds = {
        date(2011, 4, 21): "eve",
        date(2011, 4, 22): "holiday",  # Good Friday
        date(2011, 4, 23): "bridge",
        date(2011, 4, 24): "bridge",
        date(2011, 4, 25): "holiday",  # Easter Monday
        date(2011, 4, 26): "day_after",
        date(2011, 4, 27): "",
    }
    assert {day: days.kind(day) for day in kinds} == kinds


@pytest.mark.parametrize("code", ["XX", "DE-XX"])
def test_an_unknown_country_or_part_is_refused_by_name(code: str) -> None:
    with pytest.raises(SettingsError, match=f"holidays = '{code}'"):
        Holidays(code)


def test_holidays_of_a_span_are_those_of_its_days_both_ends_included() -> None:
    found = holidays_between("GB-ENG", date(2011, 4, 22), date(2011, 5, 2))
    assert sorted(day.isoformat() for day in found) == [
        "2011-04-22", "2011-04-25", "2011-04-29", "2011-05-02",
    ]  # fmt: skip


def test_every_code_that_is_known_has_holidays_or_none_and_parts_follow_their_country() -> None:
    codes = known_codes()
    assert codes == sorted(set(codes))
    assert {"GB", "GB-ENG", "DE", "DE-BY", "US", "BR"} <= set(codes)
    assert all(Holidays(code).code == code for code in codes[::50])
