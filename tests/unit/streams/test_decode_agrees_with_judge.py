"""The columnar decoder and the judge are two ways to one answer: held against each other."""

from __future__ import annotations

import pytest
from agreement import assert_agreement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oddities import DAMAGE, NAMES, NO_RECORDS, PLACES, TIMES, VALUES
from shops import shop

from tidecast.state.settings import Settings
from tidecast.streams.decode import decoder, ndjson, reader
from tidecast.streams.decode.rules import Rules

SHOPS: dict[str, Settings] = {
    "clicks": shop("click"),
    "clicks of a zone": shop(
        "click",
        time={"zone": "Europe/London"},
        kinds={"view": ["pv", "1"], "purchase": "true"},
        defaults={"category": "all", "value": 2.5},
    ),
    "clicks in ms": shop("click", time={"format": "ms"}, fields={"region": "category"}),
    "clicks with ids": shop("click", deduplicate=True, defaults={"value": 1}),
    "clicks with ids elsewhere": shop("click", deduplicate=True, fields={"event_id": "category"}),
    "clicks in s": shop("click", time={"format": "s"}),
    "clicks of a pattern": shop(
        "click", time={"format": "%d/%m/%Y %H:%M", "zone": "America/New_York"}
    ),
    "clicks of days": shop("click", time={"format": "%Y%m%d"}, defaults={"kind": "view"}),
    "clicks on a grid": shop("click", regions={"by": "grid", "cell_degrees": 7.3}),
    "clicks on hexagons": shop("click", regions={"by": "h3", "resolution": 3}),
    "orders": shop("order"),
    "orders with cancellations": shop("order", negative_units="cancellation"),
    "orders with subtractions": shop("order", negative_units="subtract", defaults={"units": 1}),
    "logistics": shop("logistics", limits={"record_bytes": 200}),
    "stock": shop("stock", kinds={"sold_out": ["view", "0"], "available": "1"}),
}


@st.composite
def valid_fields(draw: st.DrawFn, rules: Rules) -> dict[str, str]:
    """Draw a record's fields, valid for the shop, as JSON texts."""
    times = {"iso": TIMES[0], "ms": "1769860800000", "s": "1769860800", "%Y%m%d": '"20260131"'}
    time = times.get(rules.source.time.format, '"31/01/2026 12:00"')
    word = next(iter(rules.words))
    fields = {
        "event_time": time,
        "region": draw(st.sampled_from(NAMES[:2])),
        "category": draw(st.sampled_from(NAMES[:2])),
        "kind": f'"{word}"',
        "event_id": draw(st.sampled_from(['"a"', '"b-7"', "7"])),
        "lat": draw(st.sampled_from(PLACES[:2])),
        "lng": draw(st.sampled_from(PLACES[:2])),
    }
    numbers = {name: draw(st.sampled_from(["3", "2.675", "12.5"])) for name in rules.numbers}
    return {rules.source.field(name): value for name, value in (fields | numbers).items()}


@st.composite
def records(draw: st.DrawFn, rules: Rules) -> bytes | None:
    """Draw a record: some valid, most with a few things wrong."""
    if draw(st.integers(0, 40)) == 0:
        return draw(st.sampled_from(NO_RECORDS))
    pairs = list(draw(valid_fields(rules)).items())
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 1, 2, 3]))):
        pairs = draw(changed(pairs))
    colon, comma = draw(st.sampled_from([(":", ","), (": ", ", "), (" :\t", "\r, ")]))
    text = "{" + comma.join(f'"{name}"{colon}{value}' for name, value in pairs) + "}"
    return draw(damaged(text.encode("utf-8")))


@st.composite
def changed(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Draw the fields with one thing changed."""
    name = draw(st.sampled_from(sorted(VALUES)))
    value = draw(st.one_of(st.sampled_from(VALUES[name]), st.just("null")))
    how = draw(st.sampled_from(["replace", "replace", "replace", "before", "after", "drop", "mix"]))
    if how == "replace":
        return [(n, value if n == name else v) for n, v in pairs] + [("other", value)]
    if how == "drop":
        return [(n, v) for n, v in pairs if n != name]
    if how == "mix":
        return draw(st.permutations(pairs))
    return [(name, value), *pairs] if how == "before" else [*pairs, (name, value)]


@st.composite
def damaged(draw: st.DrawFn, record: bytes) -> bytes:
    """Draw the record, seldom with some bytes lost, added or changed."""
    if draw(st.integers(0, 5)):
        return record
    at = draw(st.integers(0, len(record)))
    lost = draw(st.sampled_from([0, 0, 1, 1, 5]))
    added = draw(st.sampled_from(DAMAGE))
    return record[:at] + added + record[at + lost :]


@pytest.fixture(params=["shapes and polars", "polars"])
def quick_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quick ways read even single records, so that their every answer is compared."""
    monkeypatch.setattr(ndjson, "MIN_ROWS", 1)
    monkeypatch.setattr(decoder, "MIN_ROWS", 1)
    few = 1 if request.param == "shapes and polars" else 1_000_000
    monkeypatch.setattr(reader, "MIN_SHAPED", few)


@pytest.mark.usefixtures("quick_ways")
@pytest.mark.parametrize("text", [rb"\ud800", rb"a\ud800b", rb"\u0000", rb"\ud83d\ude00"])
def test_ids_of_odd_characters_are_told_apart_as_the_judge_does(text: bytes) -> None:
    record = (
        b'{"event_time":"2026-01-31T12:00:00Z","region":"north","category":"north","kind":"view",'
        b'"event_id":"' + text + b'","lat":0,"lng":0,"value":3}'
    )
    assert_agreement(SHOPS["clicks with ids"], [[record]])


@pytest.mark.usefixtures("quick_ways")
@pytest.mark.parametrize("name", SHOPS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_record_is_decoded_as_the_judge_decides(name: str, data: st.DataObject) -> None:
    rules = Rules(SHOPS[name], SHOPS[name].sources[0])
    batches = data.draw(st.lists(st.lists(records(rules), max_size=12), min_size=1, max_size=3))
    assert_agreement(SHOPS[name], batches)


BYTES = [bytes([byte]) for byte in b'"\\{}[]:, \t\n\r069-+.eExnul\x00\x7f\xff\xc3']
ALIKE = {
    "clicks": b'{"id":7,"event_time":"2026-01-31T12:00:00.5Z","region":"n","ok":true,'
    b'"value":1.25,"category":"b\xc3\xa9","kind":"view"}',
    "clicks with ids": b'{"event_id":17,"event_time":"2026-01-31T12:00:00Z","region":"n",'
    b'"category":"b","kind":"view"}',
    "clicks with ids elsewhere": b'{"event_time":"2026-01-31T12:00:00Z","region":"n",'
    b'"category":"b-7","kind":"view"}',
    "clicks of a zone": b'{"event_time":"2026-03-29T01:30:00","region":5,"kind":"pv","value":true}',
    "clicks in ms": b'{"event_time": 1769860800000, "category": "b", "kind": "view"}',
    "clicks on a grid": b'{"lng":-0.5,"lat":51.5,"event_time":"2026-01-31T12:00Z","kind":"view",'
    b'"category":"b"}',
    "clicks of days": b'{"region":7,"category":"b","value":null,"event_time":20260131}',
    "orders with subtractions": b'{"event_time":"2026-01-31 12:00:00+01:00","region":"n",'
    b'"category":"b","kind":"order","units":-10,"amount":0.5}',
}


@pytest.mark.parametrize("name", ALIKE)
def test_every_change_of_a_single_byte_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MIN_SHAPED", 1)
    monkeypatch.setattr(decoder, "MIN_ROWS", 1_000_000)  # shapes and the judge only
    record = ALIKE[name]
    places = range(len(record))
    changed_ = [record[:i] + byte + record[i + 1 :] for i in places for byte in BYTES]
    added_ = [record[:i] + byte + record[i:] for i in places for byte in BYTES]
    lost = [record[:i] + record[i + 1 :] for i in places]
    assert_agreement(SHOPS[name], [[record] * 3, changed_, added_, lost, [record, *lost, record]])
