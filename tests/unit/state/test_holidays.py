"""Public holidays as local days."""

from __future__ import annotations

from datetime import date

import pytest

from tidecast.state.errors import SettingsError
from tidecast.state.holidays import Holidays


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
