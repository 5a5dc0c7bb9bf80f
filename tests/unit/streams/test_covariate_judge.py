"""What records of covariates' topics may say."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from slabs import settings_with

from tidecast.state.cuts import Announced
from tidecast.state.errors import ContractError
from tidecast.streams.covariate_judge import MOST_BINS, CovariateJudge

SETTINGS = settings_with(
    shop={"time_zone": "Europe/Berlin"},
    covariates=[
        {"name": "promotion", "topic": "told", "by": ["region"]},
        {"name": "price", "topic": "prices"},
    ],
)
JUDGE = CovariateJudge(SETTINGS, "told")
NOON = 29_497_620  # the minute of 2026-01-31T12:00 in Berlin


def judged(**fields: Any) -> Announced:
    said = {"name": "promotion", "time": "2026-01-31T12:00", "region": "north", "value": 1}
    return JUDGE.judge(7, json.dumps(said | fields).encode())


def test_a_record_is_of_the_bin_of_its_time_in_the_shops_zone() -> None:
    expected = Announced(7, "promotion", NOON, NOON, "north", None, 1.0, None)
    assert judged() == judged(time="2026-01-31T11:00:59Z", other=1, category=None) == expected


def test_until_is_the_end_of_the_last_bin() -> None:
    record = judged(until="2026-01-31T12:30", known_at="2026-01-30T00:00Z")
    assert (record.first, record.last) == (NOON, NOON + 29)
    assert record.known_at == 1_769_731_200_000_000


def test_null_is_a_missing_value() -> None:
    assert math.isnan(judged(value=None).value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "price"}, "unknown_covariate: 'price' is none of promotion"),
        ({"region": None}, "bad_place: promotion is told by region"),
        ({"category": "toys"}, "bad_place"),
        ({"time": "noon"}, "bad_time: 'noon'"),
        ({"time": 5}, "bad_record: time"),
        ({"time": "1800-01-01"}, "out_of_range: '1800-01-01'"),
        ({"until": "2026-01-31T12:00"}, "bad_span"),
        ({"until": "2026-03-31"}, f"at most {MOST_BINS:,} bins"),
        ({"value": "1"}, "bad_record: value"),
        ({"value": 1e300}, "out_of_range: value"),
        ({"value": True}, "bad_record: value"),
        ({"known_at": "soon"}, "bad_time: 'soon'"),
        ({"region": "x" * 200}, "bad_record: region"),
        ({"note": "x" * 2_000_000}, "too_large"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_the_reason(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractError, match=reason):
        judged(**fields)


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"\xff", b'{"value": NaN}'])
def test_what_is_no_record_is_refused(value: bytes | None) -> None:
    with pytest.raises(ContractError, match="bad_record"):
        JUDGE.judge(0, value)
