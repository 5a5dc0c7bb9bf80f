"""The rules of the contract, one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from shops import click, order, shop

from tidecast.state.errors import ContractError, SettingsError
from tidecast.state.settings import Settings
from tidecast.streams.decode import Judge, Judged
from tidecast.streams.decode.rules import Rules

NOON = 1_769_860_800_000_000  # 2026-01-31T12:00:00Z


def judge(record: bytes | None, settings: Settings | None = None) -> Judged:
    settings = settings or shop()
    return Judge(Rules(settings, settings.sources[0])).judge(record)


def reason(record: bytes | None, settings: Settings | None = None) -> str:
    with pytest.raises(ContractError) as caught:
        judge(record, settings)
    return str(caught.value)


def code(record: bytes | None, settings: Settings | None = None) -> str:
    return reason(record, settings).partition(":")[0]


def test_a_click_is_read() -> None:
    assert judge(click()) == Judged(NOON, "north", "books", "view", (1.5,))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, "tombstone"),
        (b"", "empty"),
        (b" ", "not_json"),
        (b"{", "not_json"),
        (b"nonsense", "not_json"),
        (click() + b"x", "not_json"),
        (click() + click(), "not_json"),
        (click(value=math.nan), "not_json"),
        (click(value=-math.inf), "not_json"),
        (b"\xff" + click(), "not_utf8"),
        (b"\xef\xbb\xbf" + click(), "not_json"),
        (b"[]", "not_object"),
        (b"null", "not_object"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b" " * 20_000_000, "too_large"),
        (click(region=...), "missing_field"),
        (click(category=None), "missing_field"),
        (click(kind=...), "missing_field"),
        (click(event_time=...), "missing_field"),
        (click(region=""), "bad_name"),
        (click(region="x" * 129), "bad_name"),
        (click(region="a\x00b"), "bad_name"),
        (click(region="a\nb"), "bad_name"),
        (click(region="\ud800"), "bad_name"),
        (click(category="(overflow)"), "bad_name"),
        (click(category="(all)"), "bad_name"),
        (click(region="(all)"), "bad_name"),
        (click(region=True), "wrong_type"),
        (click(region=1.5), "wrong_type"),
        (click(region={"name": "north"}), "wrong_type"),
        (click(region=["north"]), "wrong_type"),
        (click(kind="order"), "unknown_kind"),
        (click(kind=["view"]), "unknown_kind"),
        (click(value="1"), "wrong_type"),
        (click(value=True), "wrong_type"),
        (click(value=-1), "out_of_range"),
        (click(value=1e10), "out_of_range"),
        (click().replace(b"1.5", b"1e400"), "out_of_range"),
        (click(event_time="yesterday"), "bad_time"),
        (click(event_time=1769860800), "bad_time"),
        (click(event_time="2026-02-29T00:00:00Z"), "bad_time"),
        (click(event_time="1970-01-01T00:00:00Z"), "time_out_of_range"),
        (click(event_time="2100-01-01T00:00:00Z"), "time_out_of_range"),
    ],
)
def test_a_bad_record_is_refused_with_a_code(record: bytes | None, expected: str) -> None:
    assert code(record) == expected


def test_a_reason_names_the_field_of_the_record_and_stays_short() -> None:
    settings = shop(fields={"value": "price"}, kinds={"view": [f"word{i}" for i in range(200)]})
    assert reason(click(kind="word1", price="1"), settings) == (
        "wrong_type: price: Input should be a valid number"
    )
    assert len(reason(click(), settings)) == 300


def test_whole_numbers_are_names() -> None:
    assert judge(click(region=5, category=-0.0)).region == "5"
    assert judge(click(region=5.0, category=-0.0)).category == "0"


def test_a_name_is_kept_as_it_is() -> None:
    assert judge(click(region=" Nord é ")).region == " Nord é "


def test_more_fields_and_line_breaks_are_fine() -> None:
    record = click(user={"id": [1, "x"]}).replace(b",", b",\n")
    assert judge(record + b"\n") == judge(click())


def test_of_a_field_that_stands_twice_the_first_counts() -> None:
    assert judge(click().replace(b"{", b'{"region":"south",')).region == "south"


def test_an_optional_number_may_be_null_or_absent() -> None:
    assert math.isnan(judge(click(value=None)).numbers[0])
    assert math.isnan(judge(click(value=...)).numbers[0])


def test_an_order_needs_units() -> None:
    assert code(order(units=None), shop("order")) == "missing_field"


def test_fields_kinds_and_defaults_are_the_sources() -> None:
    settings = shop(
        fields={"region": "land", "event_time": "at"},
        kinds={"view": ["pv", "7"]},
        defaults={"category": "all", "value": 2},
    )
    record = click(region=..., land="DE", event_time=..., at="2026-01-31T12:00:00Z", kind=7)
    assert judge(record.replace(b'"books"', b"null").replace(b"1.5", b"null"), settings) == (
        Judged(NOON, "DE", "all", "view", (2.0,))
    )
    assert code(click(land="DE", at="2026-01-31T12:00:00Z"), settings) == "unknown_kind"


@pytest.mark.parametrize(
    ("written", "event_id"),
    [
        ("a-7", "a-7"),
        (7, "7"),
        (7.0, "7"),
        ("7.0", "7.0"),
        ("", ""),
        (7.5, ""),
        (True, ""),
        (None, ""),
        ([7], ""),
        ({"id": 7}, ""),
    ],
)
def test_a_text_or_a_whole_number_is_an_id_and_anything_else_is_none(
    written: Any, event_id: str
) -> None:
    settings = shop(deduplicate=True, fields={"event_id": "uuid"})
    assert judge(click(uuid=written), settings).event_id == event_id


def test_an_id_is_read_only_where_the_source_is_deduplicated() -> None:
    assert judge(click(event_id="a")).event_id == ""


def test_an_id_may_not_be_a_number_that_is_counted() -> None:
    with pytest.raises(SettingsError, match="'value' is read both as text and as a number"):
        judge(click(), shop(deduplicate=True, fields={"event_id": "value"}))


def test_negative_units_are_refused_by_default() -> None:
    assert code(order(units=-1), shop("order")) == "out_of_range"
    assert code(order(amount=-1), shop("order")) == "out_of_range"


def test_negative_units_make_a_cancellation_where_the_source_says_so() -> None:
    settings = shop("order", negative_units="cancellation")
    assert judge(order(units=-2, amount=-5.5), settings)[3:5] == ("cancellation", (2.0, 5.5))
    assert judge(order(units=2), settings).kind == "order"


def test_negative_units_are_subtracted_where_the_source_says_so() -> None:
    settings = shop("order", negative_units="subtract")
    assert judge(order(units=-2), settings)[3:5] == ("order", (-2.0, 9.99))


def test_the_largest_number_depends_on_the_decimals_of_its_series() -> None:
    settings = shop("order")
    assert judge(order(amount=1e10), settings).numbers[1] == 1e10  # two decimals
    assert code(order(amount=1.0001e10), settings) == "out_of_range"


def test_regions_come_from_positions_on_a_grid() -> None:
    settings = shop(regions={"by": "grid", "cell_degrees": 0.5})
    assert judge(click(lat=51.6, lng=-0.1, region=...), settings).region == "r283_359"
    assert code(click(lat=51.6), settings) == "missing_field"
    assert code(click(lat=90.1, lng=0), settings) == "out_of_range"
    assert code(click(lat="51", lng=0), settings) == "wrong_type"


def test_regions_come_from_positions_on_hexagons() -> None:
    settings = shop(regions={"by": "h3", "resolution": 6})
    assert judge(click(lat=51.6, lng=-0.1), settings).region == "86195da67ffffff"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"fields": {"value": "region"}}, "both as text and as a number"),
        ({"defaults": {"region": ""}}, "defaults.region"),
        ({"time": {"format": "%Q"}}, "strptime"),
    ],
)
def test_contradicting_settings_are_refused(source: dict[str, Any], message: str) -> None:
    settings = shop(**source)
    with pytest.raises(SettingsError, match=message):
        Judge(Rules(settings, settings.sources[0]))
