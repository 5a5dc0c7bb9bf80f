"""What may go of the windows topic, without a broker."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from kafka import TopicPartition
from slabs import settings_with

from tidecast.state.settings import Settings
from tidecast.streams import trim

WINDOWS = TopicPartition("tidecast.windows", 0)
SCORES = TopicPartition("tidecast.scores", 0)
CUTS = TopicPartition("tidecast.cuts", 0)
STORED = "stored by the sink"


def spare(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, committed: int, end: int
) -> dict[str, int]:
    """Return how many records may go of each topic, of ``end`` in all."""
    monkeypatch.setattr(trim, "_cuts", lambda *_: (CUTS, 0, "all needed"))
    wanted = [(WINDOWS, committed, STORED), (SCORES, committed, STORED)]
    monkeypatch.setattr(trim, "_committed", lambda *_: wanted)
    extents = (dict.fromkeys((CUTS, WINDOWS, SCORES), n) for n in (0, end))
    monkeypatch.setattr(trim, "_extents", lambda *_: tuple(extents))
    monkeypatch.setattr(trim, "translated", nullcontext)
    monkeypatch.setattr(trim, "connect_consumer", nullcontext)
    return {s.topic: s.count for s in trim.find_spare(settings, ("windows", "scores"))}


def test_what_is_stored_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    found = spare(monkeypatch, settings_with(), committed=9_000, end=10_000)
    assert (found[WINDOWS.topic], found[SCORES.topic]) == (9_000, 9_000)


@pytest.mark.parametrize(("end", "goes"), [(10_000, 10_000 - 4_032), (4_000, 0)])
def test_deep_models_keep_the_windows_that_they_look_back_at(
    monkeypatch: pytest.MonkeyPatch, end: int, goes: int
) -> None:
    settings = settings_with(forecast={"experts": ["seasonal_naive", "deep"]})
    found = spare(monkeypatch, settings, committed=end, end=end)
    assert (found[WINDOWS.topic], found[SCORES.topic]) == (goes, end)
