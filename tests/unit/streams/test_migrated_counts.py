"""Counting goes on under other settings: what is kept as if nothing was, what is added from then.

Events are folded under the old settings up to some record and under the new ones from there; the
slabs are compared with those of runs that know only one of the two.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from partitions import MINUTE, SECOND, START
from shops import click, order

from tidecast.state.bins import iso
from tidecast.state.changes import Change
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import PartitionList
from tidecast.state.migrate import migrated_slabs
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import LateBins, Slab
from tidecast.streams.migration import migrated_source, whole_from
from tidecast.streams.source_fold import SourceFold

RULES = {"max_disorder": "10s", "allowed_lateness": "3m", "max_gap": "30m"}
CLICKS = {"name": "clicks", "topic": "c", "stream": "click", **RULES}
ORDERS = {"name": "orders", "topic": "o", "stream": "order", **RULES}
VALUE = {"name": "value", "stream": "click", "aggregate": "sum", "of": "value"}
VIEWS = {"name": "views", "stream": "click", "aggregate": "count", "kinds": ["view"]}
MEAN = {"name": "mean", "stream": "click", "aggregate": "mean", "of": "value"}
DEMAND = {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"}
RATE = {"name": "rate", "aggregate": "ratio", "numerator": "demand", "denominator": "views"}
LISTED = [("clicks", 0), ("clicks", 1), ("orders", 0)]
TABLES: dict[str, Any] = {
    "bins": {"width": "1m"},
    "sources": [CLICKS, ORDERS],
    "series": [VALUE, DEMAND],
    "forecast": {"horizon": 3},
}
OLD = parse_settings(TABLES)
MORE = parse_settings(TABLES | {"series": [VIEWS, DEMAND, MEAN, VALUE, RATE]})


def events(seed: int, minutes: int = 30) -> list[tuple[str, int, bytes]]:
    """Return (source, partition, record), disordered, some late, some after a long pause."""
    chance, found = random.Random(seed), []
    now = START
    for _ in range(minutes * 12):
        now += chance.choice([1, 5, 10]) * SECOND
        if chance.random() < 0.005:
            now += 45 * MINUTE
        late = chance.choice([0, 0, 0, 8, 40, 200, 1_000]) * SECOND
        fields = {"event_time": iso(now - late), "region": chance.choice("abc")}
        source, partition = chance.choice(LISTED)
        if source == "clicks":
            kind, value = chance.choice(["view", "cart"]), chance.randrange(100) / 4
            record = click(**fields, kind=kind, value=value)
        else:
            record = order(**fields, units=chance.randrange(9))
        found.append((source, partition, record))
    return found


class Counting:
    """The folds of all source partitions and of slabs, under one settings after another."""

    def __init__(self, config: Settings) -> None:
        self.slabs = SlabFold(SlabRules.of(config))
        self.closed: list[Slab] = []
        self.late: list[LateBins] = []
        self.use(config)
        self.partitions = {key: self.sources[key[0]].partition(key[1]) for key in LISTED}
        self.slabs.step(PartitionList(tuple(LISTED)))

    def use(self, config: Settings) -> None:
        self.settings = config
        self.sources = {source.name: SourceFold(config, source) for source in config.sources}

    def read(self, source: str, partition: int, record: bytes) -> None:
        state = self.partitions[source, partition]
        batch = Batch(np.array([state.next_offset]), [record])
        for cut in self.sources[source].step(state, batch).cuts:
            self.note(self.slabs.step(cut))

    def note(self, made: list[Slab | LateBins]) -> None:
        self.closed += [slab for slab in made if isinstance(slab, Slab)]
        self.late += [bins for bins in made if isinstance(bins, LateBins)]

    def end(self) -> None:
        for state in self.partitions.values():
            for cut in state.end(state.next_offset).cuts:
                self.note(self.slabs.step(cut))

    def migrate(self, config: Settings) -> None:
        change = Change.between(self.settings, config)
        self.use(config)
        saved = {key: pack(*state.snapshot()) for key, state in self.partitions.items()}
        saved = {key: data for key, data in saved.items() if key[0] in self.sources}
        whole = whole_from(change, [(key[0], data) for key, data in saved.items()])
        self.partitions = {}
        for key, data in saved.items():
            self.partitions[key] = state = self.sources[key[0]].partition(key[1])
            state.restore(*unpack(migrated_source(change, key[0], data)))
        joining = [(source, 0) for source in change.added_sources]
        self.slabs = migrated_slabs(change, self.slabs, whole, joining)
        for source, number in joining:
            self.partitions[source, number] = self.sources[source].partition(number)

    def values(self, *series: str) -> dict[tuple[int, int], Any]:
        """Return (bin, revision) -> values of these series, by region."""
        names = [each.name for each in self.settings.series]
        places = [names.index(name) for name in series]
        return {(slab.bin, slab.revision): slab.values[:, places] for slab in self.closed}


def run(config: Settings, log: list[tuple[str, int, bytes]]) -> Counting:
    counting = Counting(config)
    for entry in log:
        counting.read(*entry)
    counting.end()
    return counting


def plain(values: dict[tuple[int, int], Any]) -> dict[tuple[int, int], Any]:
    return {key: np.nan_to_num(array, nan=-1.0).tolist() for key, array in values.items()}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 360))
def test_kept_series_go_on_and_added_ones_count_from_the_bins_that_open(seed: int, at: int) -> None:
    log = events(seed)
    counting = Counting(OLD)
    for entry in log[:at]:
        counting.read(*entry)
    before = len(counting.closed)
    counting.migrate(MORE)
    for entry in log[at:]:
        counting.read(*entry)
    counting.end()
    counting.closed, closed = counting.closed[before:], counting.closed
    old, new = run(OLD, log), run(MORE, log)
    old.closed, new.closed = old.closed[before:], new.closed[before:]
    assert len(closed) >= before
    assert plain(counting.values("value", "demand")) == plain(old.values("value", "demand"))
    added = ("views", "mean", "rate")
    whole = counting.slabs.counted_from
    assert set(whole) == set(added)
    found, expected = counting.values(*added), new.values(*added)
    for place, name in enumerate(added):
        for key, array in found.items():
            if key[0] >= whole[name]:
                np.testing.assert_array_equal(array[:, place], expected[key][:, place])
            else:
                assert np.isnan(array[:, place]).all()
    if at > 300:
        assert any(bin_ < whole["views"] for bin_, _ in found)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 360))
def test_there_and_back_leaves_every_byte_as_it_was(seed: int, at: int) -> None:
    counting = Counting(OLD)
    for entry in events(seed)[:at]:
        counting.read(*entry)
    states = {key: pack(*state.snapshot()) for key, state in counting.partitions.items()}
    slabs = pack(*counting.slabs.snapshot())
    counting.migrate(MORE)
    counting.migrate(OLD)
    assert {key: pack(*s.snapshot()) for key, s in counting.partitions.items()} == states
    assert pack(*counting.slabs.snapshot()) == slabs


def test_what_the_gate_holds_counts_for_an_added_series() -> None:
    log = [("clicks", 0, click(event_time=iso(START + n * SECOND))) for n in range(4)]
    counting = Counting(OLD)
    for entry in log:
        counting.read(*entry)
    counting.migrate(MORE)
    for _ in range(4):
        counting.read("clicks", 0, click(event_time=iso(START + 9 * SECOND)))
    counting.end()
    assert counting.values("views")[START // MINUTE, 0].tolist() == [[8.0]]


def test_a_dropped_source_is_not_waited_for_and_its_bins_are_not_corrected() -> None:
    counting = Counting(OLD)
    for second in [20] * 6 + [85]:
        time = iso(START + second * SECOND)
        counting.read("orders", 0, order(event_time=time))
        for number in (0, 1):
            counting.read("clicks", number, click(event_time=time))
    (first,) = counting.closed
    counting.migrate(parse_settings(TABLES | {"sources": [CLICKS], "series": [VALUE]}))
    for second, number in ((50, 0), (135, 0), (135, 1)):
        counting.read("clicks", number, click(event_time=iso(START + second * SECOND)))
    (_, second_), (late,) = counting.closed, counting.late
    assert (second_.bin, second_.revision, second_.values.tolist()) == (first.bin + 1, 0, [[3.0]])
    assert (late.bin, late.events, late.source) == (first.bin, 1, "clicks")


def test_an_added_source_is_waited_for() -> None:
    counting = Counting(OLD)
    log = events(1)
    for entry in log[:200]:
        counting.read(*entry)
    before = len(counting.closed)
    more = ORDERS | {"name": "shops", "topic": "s"}
    counting.migrate(parse_settings(TABLES | {"sources": [CLICKS, ORDERS, more]}))
    for entry in log[200:]:
        counting.read(*entry)
    assert len(counting.closed) == before
    assert counting.slabs.holding_back() == ("shops", 0)
    counting.end()
    assert len(counting.closed) > before


def test_more_lateness_corrects_no_bin_whose_shares_were_forgotten() -> None:
    counting = Counting(OLD)
    for entry in events(4):
        counting.read(*entry)
    kept = set(counting.slabs.versions)
    lenient = [source | {"allowed_lateness": "1d"} for source in (CLICKS, ORDERS)]
    counting.migrate(parse_settings(TABLES | {"sources": lenient}))
    assert set(counting.slabs.versions) == kept
    for key in LISTED[:2]:
        counting.read(*key, click(event_time=iso(START)))
    before = len(counting.closed)
    counting.end()
    assert START // MINUTE not in {slab.bin for slab in counting.closed[before:]}


def test_deduplication_may_begin_and_end() -> None:
    def some(config: Settings, event_id: str) -> None:
        counting.migrate(config)
        for _ in range(2):
            counting.read("clicks", 0, click(event_time=iso(START), event_id=event_id))

    unique = [source | {"deduplicate": True} for source in (CLICKS, ORDERS)]
    counting = Counting(OLD)
    for second in [0] * 6 + [61]:
        counting.read("clicks", 0, click(event_time=iso(START + second * SECOND)))
    some(OLD, "a")
    some(parse_settings(TABLES | {"sources": unique}), "b")
    some(OLD, "c")
    counting.end()
    events_ = {slab.bin: slab.events for slab in counting.closed}
    assert events_[START // MINUTE] == 6 + 2 + 1 + 2
