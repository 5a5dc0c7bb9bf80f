"""From raw records to cuts, and from cuts to forecasts: the steps without a broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partitions import MINUTE, SECOND, START, Row, shown, sums_of
from shops import click, shop
from slabs import PLACES, SETTINGS, cuts_of, interleaved

from tidecast.models.fold import ForecastFold
from tidecast.models.forecast import Forecast
from tidecast.state.bins import iso
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import END_OF_LOG, InputMessage
from tidecast.state.partition import Batch, Outcome
from tidecast.streams.source_fold import SourceFold
from tidecast.streams.wire import encode_rejected

SHOP = shop(max_disorder="10s", allowed_lateness="30m", max_gap="1d")


def source_fold(config: Any = SHOP) -> SourceFold:
    return SourceFold(config, config.sources[0])


def at(seconds: float, **changes: Any) -> bytes:
    return click(event_time=iso(START + round(seconds * SECOND)), **changes)


def folded(records: list[bytes | None], stops: Iterable[int] = (), reborn: bool = False) -> Outcome:
    """Fold the records as partition 0, in batches that end at ``stops``."""
    source, whole, start = source_fold(), Outcome(), 0
    state = source.partition(0)
    for stop in [*sorted(stops), len(records)]:
        batch = Batch(np.arange(start, stop), records[start:stop])
        whole.add(source.step(state, batch))
        start = stop
        if reborn:
            source = source_fold()
            saved, state = pack(*state.snapshot()), source.partition(0)
            state.restore(*unpack(saved))
    return whole


WARM = [at(0)] * 6
BAD: dict[str, tuple[bytes | None, str]] = {
    "not JSON": (b"<html>", "not_json"),
    "not UTF-8": (b'{"region":"\xff"}', "not_utf8"),
    "no object": (b"[1]", "not_object"),
    "no bytes": (b"", "empty"),
    "no value": (None, "tombstone"),
    "too large": (at(1, note="x" * 2**20), "too_large"),
    "1970": (click(event_time="1970-01-01T00:00:00Z"), "time_out_of_range"),
    "2100": (click(event_time="2100-01-01T00:00:00Z"), "time_out_of_range"),
    "2099": (click(event_time="2099-06-01T00:00:00Z"), "time_jump"),
    "no time": (click(event_time=...), "missing_field"),
    "NaN": (at(1).replace(b"1.5", b"NaN"), "not_json"),
    "infinity": (at(1).replace(b"1.5", b"1e999"), "out_of_range"),
    "negative": (at(1, value=-1), "out_of_range"),
    "huge": (at(1, value=10**15), "out_of_range"),
    "wrong type": (at(1, value="much"), "wrong_type"),
    "no region": (at(1, region=...), "missing_field"),
    "null byte": (at(1, region="nor\0th"), "bad_name"),
    "unknown kind": (at(1, kind="bought"), "unknown_kind"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("place", [0, 3, 8])
def test_a_bad_record_is_refused_with_its_reason_and_changes_nothing_else(
    what: str, place: int
) -> None:
    raw, code = BAD[what]
    good = [*WARM, at(1, region="south"), at(70), at(3_700), at(3_720)]
    records = [*good[:place], raw, *good[place:], END_OF_LOG]
    outcome, clean = folded(records), folded([*good, END_OF_LOG])
    (refused,) = outcome.refused
    assert refused.reason.partition(":")[0] == code
    assert (refused.offset, refused.raw) == (place, raw)
    assert outcome.late == []
    assert outcome.accepted == len(good)
    assert said(outcome) == said(clean)


def said(outcome: Outcome) -> list[Any]:
    """Return what the cuts say, apart from offsets."""
    bins = [[(p.bin, sums_of(p)) for p in cut.bins] for cut in outcome.cuts]
    places = [(cut.since, cut.boundary, cut.ended) for cut in outcome.cuts]
    return list(zip(places, bins, strict=True))


def test_a_dead_letter_tells_where_the_record_stood_and_holds_its_bytes() -> None:
    raw = b"\xff\0<html>"
    (refused,) = folded([raw]).refused
    letter = json.loads(encode_rejected(refused, "events", "topic", 3))
    assert base64.b64decode(letter.pop("value")) == raw
    assert letter.pop("reason").startswith("not_utf8: ")
    assert letter == {
        "schema_version": 1,
        "source": "events",
        "topic": "topic",
        "partition": 3,
        "offset": 0,
    }


@given(st.lists(st.integers(0, 40), max_size=8), st.booleans())
def test_cuts_and_refusals_are_the_same_whatever_the_batches_and_restarts(
    stops: list[int], reborn: bool
) -> None:
    good = [at(37 * n, region="abc"[n % 3], value=n / 8) for n in range(20)]
    bad = [raw for raw, _ in BAD.values() if raw is None or len(raw) < 1_000]
    records = [r for pair in zip(good, [*bad, *good], strict=False) for r in pair]
    records.insert(33, END_OF_LOG)
    stops = [min(stop, len(records)) for stop in stops]
    assert shown(folded(records, stops, reborn)) == shown(folded(records))


def test_an_end_of_log_is_no_dead_letter_and_reading_goes_on_behind_it() -> None:
    outcome = folded([*WARM, at(70), END_OF_LOG, at(7_300), at(7_301), END_OF_LOG])
    assert outcome.refused == outcome.late == []
    assert outcome.accepted == 9
    assert [cut.ended for cut in outcome.cuts].count(True) == 2


def test_an_empty_batch_gives_nothing() -> None:
    source = source_fold()
    state = source.partition(0)
    assert shown(source.step(state, Batch(np.array([], np.int64), []))) == ([], [], [], 0, 0)
    assert state.next_offset == 0


@given(st.permutations(range(12)))
def test_a_cell_counts_the_same_whatever_number_it_has(order: list[int]) -> None:
    records = [*WARM, *(at(5, region=f"r{n}", value=n) for n in order), at(4_000), END_OF_LOG]
    (first,) = folded(records).cuts[0].bins
    assert sums_of(first) == {"north": (6, 6, 9_000, 6)} | {
        f"r{n}": (1, 1, 1_000 * n, 1) for n in range(12)
    }


def forecasts(messages: Iterable[InputMessage]) -> dict[int, Forecast]:
    fold = ForecastFold(SETTINGS)
    return {
        closed.slab.bin: closed.forecast
        for message in messages
        for closed in fold.step(message)
        if closed.forecast is not None
    }


def as_bytes(forecast: Forecast) -> list[bytes]:
    weights = [weight.tobytes() for _, weight in sorted(forecast.weights.items())]
    return [forecast.mean.tobytes(), forecast.quantiles.tobytes(), *weights]


@st.composite
def two_futures(draw: st.DrawFn) -> tuple[list[list[Row]], list[list[Row]], int]:
    """Draw logs, the same logs with other values from an instant on, and its bin."""
    origin = draw(st.integers(2, 12)) * 60
    one, other = [], []
    for _ in PLACES:
        times = [30.0 * n for n in range(30)]
        late = draw(st.lists(st.integers(0, 29), max_size=3))
        times += [max(0.0, times[n] - 100) for n in late]
        units = draw(st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times)))
        rows = [Row(at, "ab"[n % 2], units[n]) for n, at in enumerate(times)]
        one.append(rows)
        other.append([r._replace(units=r.units * 7 + 5) if r.at >= origin else r for r in rows])
    return one, other, (START + origin * SECOND) // MINUTE


@settings(max_examples=15)
@given(two_futures())
def test_changing_values_from_an_origin_on_changes_no_forecast_up_to_it(
    futures: tuple[list[list[Row]], list[list[Row]], int],
) -> None:
    one, other, first_changed = futures
    before, after = (
        forecasts(
            interleaved([cuts_of(rows, place) for rows, place in zip(f, PLACES, strict=True)], [])
        )
        for f in (one, other)
    )
    assert before.keys() == after.keys()
    known = [bin_ for bin_ in before if bin_ < first_changed]
    assert known
    for bin_ in known:
        assert as_bytes(before[bin_]) == as_bytes(after[bin_])
    later = [bin_ for bin_ in before if bin_ >= first_changed]
    assert any(as_bytes(before[bin_]) != as_bytes(after[bin_]) for bin_ in later)


def test_a_forecast_fold_restored_anywhere_gives_the_same_forecasts() -> None:
    rows = [Row(25.0 * n, "abc"[n % 3], n % 7) for n in range(40)]
    rows[20] = Row(300.0, "b", 50)  # late: a correction
    messages = interleaved([cuts_of(rows, place) for place in PLACES], [])
    expected = forecasts(messages)
    fold, found = ForecastFold(SETTINGS), {}
    for message in messages:
        for closed in fold.step(message):
            if closed.forecast is not None:
                found[closed.slab.bin] = as_bytes(closed.forecast)
        saved, fold = fold.snapshot(), ForecastFold(SETTINGS)
        fold.restore(saved)
    assert found == {bin_: as_bytes(forecast) for bin_, forecast in expected.items()}
