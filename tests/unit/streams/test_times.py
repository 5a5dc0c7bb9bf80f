"""What texts and numbers mean as event times; ISO texts also by the thousand."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.bins import iso
from tidecast.state.settings import TimeSettings
from tidecast.streams.decode.iso import IsoTimes
from tidecast.streams.decode.times import parse_iso, time_parser


def read(value: object, **time: str) -> str:
    return iso(time_parser(TimeSettings(**time))(value))


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-31T12:00:00Z", "UTC", "2026-01-31T12:00:00Z"),
        ("2026-01-31 12:00", "UTC", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.5Z", "UTC", "2026-01-31T12:00:00.500000Z"),
        ("2026-01-31T12:00:00.123456999Z", "UTC", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T12:00:00+02:00", "UTC", "2026-01-31T10:00:00Z"),
        ("2026-01-31T12:00-0330", "UTC", "2026-01-31T15:30:00Z"),
        ("2026-07-01T12:00:00", "Europe/London", "2026-07-01T11:00:00Z"),
        ("2026-10-25T01:30:00", "Europe/London", "2026-10-25T00:30:00Z"),  # the earlier of two
        ("2026-03-29T01:30:00", "Europe/London", "2026-03-29T01:30:00Z"),  # does not exist
        ("2026-07-01T12:00:00Z", "Europe/London", "2026-07-01T12:00:00Z"),
    ],
)
def test_iso_texts_mean_what_they_say(text: str, zone: str, expected: str) -> None:
    assert read(text, zone=zone) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31",
        "2026-1-31T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00.1234567890Z",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01",
        "2026-01-31t12:00:00z",
        "٢٠٢٦-01-31T12:00:00Z",
        "0000-01-31T12:00:00Z",
        "2023-02-29T12:00:00Z",
        "",
        None,
        20260131,
    ],
)
def test_what_is_no_iso_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        time_parser(TimeSettings())(value)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1769860800, "s", "2026-01-31T12:00:00Z"),
        (1769860800.25, "s", "2026-01-31T12:00:00.250000Z"),
        (1769860800000, "ms", "2026-01-31T12:00:00Z"),
        (1769860800000001, "us", "2026-01-31T12:00:00.000001Z"),
    ],
)
def test_numbers_count_from_the_epoch(value: float, unit: str, expected: str) -> None:
    assert read(value, format=unit) == expected


@pytest.mark.parametrize("value", ["1769860800", True, None, float("inf"), 10**400])
def test_what_is_no_number_is_no_epoch_time(value: object) -> None:
    with pytest.raises(ValueError):
        time_parser(TimeSettings(format="s"))(value)


def test_patterns_read_texts_and_whole_numbers_in_the_zone_of_the_source() -> None:
    assert read("01/12/2010 08:26", format="%d/%m/%Y %H:%M") == "2010-12-01T08:26:00Z"
    assert read(20260701, format="%Y%m%d", zone="Europe/London") == "2026-06-30T23:00:00Z"
    assert read("2026-07-01 +0200", format="%Y-%m-%d %z") == "2026-06-30T22:00:00Z"


def pick(*options: str) -> st.SearchStrategy[str]:
    return st.sampled_from(options)


def two(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map("{:02d}".format)


TEXTS = st.builds(
    "{}-{}-{}{}{}:{}{}{}".format,
    pick("0000", "0001", "1900", "1972", "2000", "2024", "2026", "2100", "9999"),
    two(0, 13),
    two(0, 32),
    pick("T", " ", "t"),
    two(0, 24),
    two(0, 60),
    st.one_of(pick("", ":00", ":60"), st.from_regex(r":[0-6]\d(\.\d{1,10})?", fullmatch=True)),
    pick("", "Z", "+01:00", "-0530", "+23:59", "-24:00", "+12:60", "z", "+01"),
)
ZONES = [ZoneInfo(z) for z in ("UTC", "Europe/London", "Africa/Monrovia", "Australia/Lord_Howe")]


@given(st.lists(TEXTS, max_size=8), st.sampled_from(ZONES))
def test_a_column_of_times_is_read_like_its_texts_one_by_one(
    texts: list[str], zone: ZoneInfo
) -> None:
    encoded = [text.encode() for text in texts]  # a digit of another script is some bytes long
    lengths = np.array([len(text) for text in encoded], np.int64)
    buffer = np.frombuffer(b"".join(encoded), np.uint8)
    times, sure = IsoTimes(zone).read(buffer, np.cumsum(lengths) - lengths, lengths)
    for text, time in zip(np.array(texts)[sure], times[sure], strict=True):
        assert parse_iso(str(text), zone) == time


def test_times_written_alike_are_all_read_by_the_column() -> None:
    texts = [f"2026-0{month}-{day:02d}T01:30:00" for month in range(1, 10) for day in range(1, 29)]
    starts = 19 * np.arange(len(texts))
    buffer = np.frombuffer("".join(texts).encode(), np.uint8)
    zone = ZoneInfo("Europe/London")
    times, sure = IsoTimes(zone).read(buffer, starts, np.full(len(texts), 19))
    assert sure.all()
    assert times.tolist() == [parse_iso(text, zone) for text in texts]
