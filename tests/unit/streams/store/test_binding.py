"""Parameters in queries, names in quotes, columns before they are sent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from tidecast.state.errors import StoreError
from tidecast.streams.store.binding import bind, literal, quote_name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        ("it's \\ \0\n\r\t\b 🌊", r"'it\'s \\ \0\n\r\t\b 🌊'"),
        (7, "7"),
        (True, "1"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
        (None, "NULL"),
        (date(2024, 2, 29), "toDate('2024-02-29')"),
        (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), "toDateTime(60, 'UTC')"),
        (
            datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))),
            "toDateTime(3600, 'UTC')",
        ),
        (["a", "'"], r"['a', '\'']"),
        ((1, "b"), "(1, 'b')"),
        (np.float32(0.5), "0.5"),
        (np.array([1, 2]), "[1, 2]"),
    ],
)
def test_a_value_becomes_its_literal(value: object, text: str) -> None:
    assert literal(value) == text


def test_a_value_is_never_searched_for_placeholders() -> None:
    assert bind("%(a)s %(b)s", {"a": "%(b)s", "b": 1}) == "'%(b)s' 1"


def test_other_percent_signs_stand_for_themselves() -> None:
    assert bind("SELECT 5 % 2, x LIKE '%s%%'", None) == "SELECT 5 % 2, x LIKE '%s%%'"


@pytest.mark.parametrize("parameters", [{}, {"b": 1}, {"a": 1, "b": 2}])
def test_parameters_must_be_exactly_those_named(parameters: dict[str, int]) -> None:
    with pytest.raises(StoreError, match=r"names the parameters \['a'\]"):
        bind("SELECT %(a)s", parameters)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(StoreError, match="names no zone"):
        literal(datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_value_without_a_literal_is_refused() -> None:
    with pytest.raises(StoreError, match="type set"):
        literal({1})


@pytest.mark.parametrize("name", ["", "a b", "a`b", "a.b", "1a", "é"])
def test_a_name_that_needs_quoting_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="is no name"):
        quote_name(name)


def test_a_name_is_quoted() -> None:
    assert quote_name("latest_forecast") == "`latest_forecast`"
