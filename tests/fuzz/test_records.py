"""A million broken records: each is accepted, late, a duplicate or refused; none is lost.

The slabs are what the contract alone gives: the judge decides about every record one by one, and
the columnar decoder must agree. TIDECAST_FUZZ_RECORDS says how many records there are; ``make
fuzz`` takes a million.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import answers_to, disagreements, judged_events
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mutants import mutated
from partitions import shown

from tidecast.state.cuts import END_OF_LOG
from tidecast.state.partition import Batch, Outcome
from tidecast.state.settings import Settings, parse_settings
from tidecast.streams.decode import Judged
from tidecast.streams.decode.rules import Rules
from tidecast.streams.logs import LogReader
from tidecast.streams.source_fold import SourceFold
from tidecast.tools.simulate import simulate

RECORDS = int(os.environ.get("TIDECAST_FUZZ_RECORDS", "60000"))
SAMPLE = 20_000  # records of each log to draw from
LENGTH = 2_000  # records of an example
SHOWN_EVERY = 50_000
CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT.parent / "shared" / "data"
EXAMPLES = CHECKOUT / "docs" / "examples"
PUBLISHED = {
    "taobao": ("taobao_clicks", DATA / "taobao_userbehavior" / "taobao_stream_2h.parquet"),
    "retail by hour": ("online_retail_hourly", DATA / "uci_online_retail/online_retail.parquet"),
    "retail by day": ("online_retail_daily", DATA / "uci_online_retail/online_retail.parquet"),
}
SIMULATED = {
    "clicks": ("clicks", {}),
    "clicks, de-duplicated": ("clicks", {"deduplicate": True}),
    "orders": ("orders", {"deduplicate": True, "negative_units": "cancellation"}),
    "logistics": ("logistics", {"max_gap": "2d"}),
}
NAMES = [*SIMULATED, *PUBLISHED]
Log = tuple[Settings, list[bytes]]


class Tally:
    """How many records were checked, and what became of them."""

    def __init__(self, show: Any) -> None:
        self.records = 0
        self.fates: Counter[str] = Counter()
        self._show = show

    def add(self, records: int, outcome: Outcome) -> None:
        before, self.records = self.records, self.records + records
        self.fates["accepted"] += outcome.accepted
        self.fates["late"] += len(outcome.late)
        self.fates["duplicate"] += outcome.duplicates
        self.fates.update(rejected.reason.partition(":")[0] for rejected in outcome.refused)
        if self.records // SHOWN_EVERY > before // SHOWN_EVERY:
            self._show(f"{self.records:,} records")

    def close(self) -> None:
        lines = [f"{self.records:,} records checked, no disagreement:"]
        lines += [f"  {fate:18}{count:>10,}" for fate, count in self.fates.most_common()]
        self._show("\n".join(lines))


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    plugins = request.config.pluginmanager
    reporter, capture = map(plugins.get_plugin, ("terminalreporter", "capturemanager"))

    def show(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(text)

    made = Tally(show)
    yield made
    made.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Log]:
    """Return the settings, of one source, and records of each log that is here."""
    shop = simulate(tmp_path_factory.mktemp("shop"), seed=7, days=5, events=3 * SAMPLE)
    found = {
        name: (config(shop.settings, source, changes), sample(shop.logs[source]))
        for name, (source, changes) in SIMULATED.items()
    }
    for name, (example, path) in PUBLISHED.items():
        if path.exists():
            table = EXAMPLES / f"{example}.toml"
            source = tomllib.loads(table.read_text(encoding="utf-8"))["sources"][0]["name"]
            found[name] = (config(table, source, {}), sample(path))
    return found


def config(path: Path, source: str, changes: dict[str, Any]) -> Settings:
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    (chosen,) = [each for each in tables["sources"] if each["name"] == source]
    tables["sources"] = [chosen | changes]
    stream = chosen["stream"]
    tables["series"] = [each for each in tables["series"] if each.get("stream") == stream]
    tables["limits"] = {"max_event_ids": 5_000, "max_cells": 50}
    return parse_settings(tables, folder=path.parent)


def sample(path: Path) -> list[bytes]:
    return list(islice((record for part in LogReader(path) for record in part), SAMPLE))


def dealt(log: Sequence[bytes | None], chance: random.Random) -> list[Sequence[bytes | None]]:
    """Return the log in batches of any size."""
    batches, at = [], 0
    while at < len(log):
        size = chance.choice((1, 10, 100, 1_000, LENGTH))
        batches.append(log[at : at + size])
        at += size
    return batches


def folded(source: SourceFold, batches: Sequence[Sequence[bytes | None]]) -> Outcome:
    """Return what the ingest makes of the batches, the end of the log included."""
    state, whole = source.partition(0), Outcome()
    for records in batches:
        offsets = np.arange(state.next_offset, state.next_offset + len(records))
        whole.add(source.step(state, Batch(offsets, records)))
    whole.add(state.end(state.next_offset))
    return whole


def judged_fold(
    source: SourceFold,
    rules: Rules,
    log: Sequence[bytes | None],
    answers: Sequence[Judged | str],
) -> Outcome:
    """Return what the contract alone makes of the log, read at once from end to end."""
    state, whole, start = source.partition(0), Outcome(), 0
    for stop in [place for place, record in enumerate([*log, END_OF_LOG]) if record == END_OF_LOG]:
        events, refusals = judged_events(rules, answers[start:stop], state.cells)
        batch = Batch(np.arange(start, stop), log[start:stop])
        whole.add(state.step(batch, events, refusals))
        whole.add(state.end(stop))
        start = stop + 1
    return whole


@pytest.mark.parametrize("name", NAMES)
def test_every_record_is_decided_and_counted_as_the_contract_says(
    name: str, logs: dict[str, Log], tally: Tally
) -> None:
    if name not in logs:
        pytest.skip("needs the public data sets in ../shared/data")
    config, records = logs[name]
    source, rules = SourceFold(config, config.sources[0]), Rules(config, config.sources[0])
    examples = -(-RECORDS // (len(logs) * LENGTH))

    @settings(max_examples=examples, phases=[Phase.generate], database=None)
    @given(st.integers(0, 2**64), st.sampled_from([0.02, 0.2, 0.6]))
    def check(seed: int, rate: float) -> None:
        chance = random.Random(seed)
        first = chance.randrange(max(len(records) - LENGTH, 1))
        log = mutated(records[first : first + LENGTH], rate, chance)
        batches = dealt(log, chance)
        answers = answers_to(config, log)
        assert disagreements(config, batches, answers)[:3] == []
        outcome = folded(source, batches)
        assert shown(outcome) == shown(judged_fold(source, rules, log, answers))
        out = len(outcome.late) + len(outcome.refused) + outcome.duplicates
        assert outcome.accepted + out == len(log) - log.count(END_OF_LOG)
        tally.add(len(log), outcome)

    check()
