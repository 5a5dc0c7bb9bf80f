"""The columnar decoder held against the judge, record by record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import xxhash

from tidecast.state.cells import Cell, CellIndex
from tidecast.state.errors import ContractError
from tidecast.state.event_ids import NO_ID
from tidecast.state.events import Events, Refusal
from tidecast.state.settings import Settings
from tidecast.streams.decode import Decoder, Judge, Judged
from tidecast.streams.decode.rules import Rules

__all__ = ["answers_to", "assert_agreement", "disagreements", "judged_events"]

Answer = tuple[Any, ...] | str


def answers_to(settings: Settings, records: Iterable[bytes | None]) -> list[Judged | str]:
    """Return what each record says, or why it is refused: the judge decides."""
    judge = Judge(Rules(settings, settings.sources[0]))
    return [_judged(judge, record) for record in records]


def _judged(judge: Judge, record: bytes | None) -> Judged | str:
    try:
        return judge.judge(record)
    except ContractError as error:
        return str(error)


def _scaled(number: float, decimals: int) -> int:
    return 0 if math.isnan(number) else round(number * 10.0**decimals)


def added(event: Judged, rules: Rules) -> list[int]:
    """Return the addends of one event, from the definition of terms."""
    row = []
    for term in rules.terms:
        number = event.numbers[rules.numbers.index(term.of)] if term.of else 1.0
        value = int(not math.isnan(number)) if term.counts else _scaled(number, term.decimals)
        row.append(value if not term.kinds or event.kind in term.kinds else 0)
    return row


def id_hash(event: Judged) -> int:
    """Return the hash of the event's id, from the definition of ids."""
    text = event.event_id.encode("utf-8", "surrogatepass")
    return xxhash.xxh3_64_intdigest(text) if text else NO_ID


def _expected(answer: Judged | str, rules: Rules, cells: CellIndex) -> Answer:
    if isinstance(answer, str):
        return answer
    cell = cells.add(Cell(answer.region, answer.category))
    return (answer.time, cell, added(answer, rules), id_hash(answer))


def _found(events: Events, refusals: Sequence[Refusal], count: int) -> list[Answer | None]:
    found: list[Answer | None] = [None] * count
    ids = [NO_ID] * len(events) if events.ids is None else events.ids.tolist()
    columns = (events.time.tolist(), events.cell.tolist(), events.terms.tolist(), ids)
    for place, values in zip(events.index.tolist(), zip(*columns, strict=True), strict=True):
        found[place] = values
    for refusal in refusals:
        assert found[refusal.index] is None
        found[refusal.index] = refusal.reason
    assert sorted(events.index.tolist()) == events.index.tolist()
    return found


def disagreements(
    settings: Settings,
    batches: Sequence[Sequence[bytes | None]],
    answers: Sequence[Judged | str],
) -> list[tuple[bytes | None, Answer | None, Answer]]:
    """Decode the batches with one decoder; return (record, found, expected) where they differ.

    ``answers`` are the judge's to all the records.
    """
    quick = Decoder(settings, settings.sources[0])
    found_cells, cells = CellIndex(max_cells=6), CellIndex(max_cells=6)
    differ, left = [], iter(answers)
    for batch in batches:
        events, refusals = quick.decode(batch, found_cells)
        assert (events.ids is not None) == quick.rules.source.deduplicate
        found = _found(events, refusals, len(batch))
        expected = [_expected(next(left), quick.rules, cells) for _ in batch]
        if found != expected:
            triples = zip(batch, found, expected, strict=True)
            differ += [(record, one, other) for record, one, other in triples if one != other]
    if not differ:
        assert found_cells.cells == cells.cells
    return differ


def judged_events(
    rules: Rules, answers: Sequence[Judged | str], cells: CellIndex
) -> tuple[Events, list[Refusal]]:
    """Return what a decoder must return of the records with these ``answers``."""
    valid = [(place, event) for place, event in enumerate(answers) if isinstance(event, Judged)]
    numbers = [cells.add(Cell(event.region, event.category)) for _, event in valid]
    terms = np.array([added(event, rules) for _, event in valid], np.int64)
    events = Events(
        np.array([place for place, _ in valid], np.int64),
        np.array([event.time for _, event in valid], np.int64),
        np.array(numbers, np.int32),
        terms.reshape(len(valid), len(rules.terms)),
        np.array([id_hash(event) for _, event in valid], np.uint64),
    )
    return events, [Refusal(n, why) for n, why in enumerate(answers) if isinstance(why, str)]


def assert_agreement(settings: Settings, batches: Sequence[Sequence[bytes | None]]) -> None:
    """Hold every record against the judge; show the first ones that differ."""
    answers = answers_to(settings, chain.from_iterable(batches))
    assert disagreements(settings, batches, answers)[:3] == []
