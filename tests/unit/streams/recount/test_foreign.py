"""Records of others in our topics are no end of a recount; the sink must have told of them."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from shops import shop

from tidecast.streams.recount.audit import Verdict
from tidecast.streams.recount.checks import Checks
from tidecast.streams.recount.forecasts import ForecastBook
from tidecast.streams.recount.foreign import Foreign
from tidecast.streams.recount.published import SlabBook
from tidecast.streams.recount.rejects import Rejects

FOREIGN = (b"{poison", b"\x00\xff", b"", b"[]", b"7", b'{"schema_version":1}')
WINDOW = {
    "schema_version": 1,
    "bin": 5,
    "bin_start": "2026-01-31T12:00:00Z",
    "bin_end": "2026-01-31T13:00:00Z",
    "revision": 0,
    "events": 2,
    "series": ["traffic"],
    "regions": ["north"],
    "categories": ["books"],
    "values": [[2.0]],
}
PREDICTION = {
    "origin": "2026-01-31T12:00:00Z",
    "valid_time": ["2026-01-31T13:00:00Z"],
    "series": "traffic",
    "region": "north",
    "category": "books",
    "mean": [1.0],
    "quantile_levels": [0.5],
    "quantiles": [[1.0]],
    "weights": {"last": [1.0]},
    "revision": 0,
}


def encoded(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


@pytest.mark.parametrize("value", FOREIGN)
def test_a_record_of_others_is_noted_and_the_recount_goes_on(value: bytes) -> None:
    foreign, slabs, book = Foreign(), SlabBook(), ForecastBook()
    for offset, window in enumerate((encoded(WINDOW), value, None)):
        foreign.take(partial(slabs.note, offset), ("windows", 0, offset), window)
    for offset, prediction in enumerate((value, encoded(PREDICTION))):
        foreign.take(partial(book.note, True), ("predictions", 3, offset), prediction)
    rejects = Rejects()
    foreign.take(partial(rejects.note_late, 0), ("late", 0, 0), value)
    foreign.take(rejects.note_dead, ("dead-letters", 0, 0), value)
    slabs.finish()
    rejected = [("late", 0, 0), ("dead-letters", 0, 0)]
    assert foreign.places == [("windows", 0, 1), ("predictions", 3, 0), *rejected]
    assert rejects.reasons == {}
    assert slabs.bins == [5]
    assert slabs.frame(5).rows() == [("north", "books", 2.0, 0.0)]  # not censored
    assert book.frame().height == 1


def test_a_window_that_lacks_something_moves_no_bin() -> None:
    slabs = SlabBook(last_bin=6)
    half = {name: value for name, value in WINDOW.items() if name != "values"} | {"bin": 7}
    with pytest.raises(ValueError, match="values"):
        slabs.note(0, encoded(half))
    slabs.note(1, encoded(WINDOW))
    slabs.finish()
    assert slabs.bins == [5]


def judged(put_aside: list[int], committed: int) -> Verdict:
    """Return the verdict on records of others at the offsets 3 and 8 of the windows topic."""
    live: Any = SimpleNamespace(
        settings=shop(),
        counted=lambda: None,
        foreign=Foreign(),
        rejects=Rejects(),
        stored={("windows", 0): committed},
    )
    live.foreign.places += [("windows", 0, 3), ("windows", 0, 8)]
    for offset in put_aside:
        letter = {"topic": "windows", "partition": 0, "offset": offset, "reason": "not_stored: no"}
        live.rejects.note_dead(encoded(letter))
    verdict = Verdict()
    Checks(live, verdict).foreign()
    return verdict


def test_the_sink_must_have_put_aside_what_it_has_passed() -> None:
    assert judged([3], committed=8).is_clean
    assert judged([3, 8], committed=9).is_clean
    verdict = judged([3], committed=9)
    assert verdict.examples == {"no record of ours, and no dead letter": ["windows/0 at 8"]}
    assert verdict.figures == {"records of others": 2}
