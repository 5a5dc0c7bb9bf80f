"""Slabs of event logs, as a replay has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from shops import click, shop

from tidecast.models.fold import Closed
from tidecast.state.bins import HOUR, iso
from tidecast.state.errors import LogError
from tidecast.state.settings import Settings
from tidecast.streams.backtest.sources import LogSlabs
from tidecast.streams.logs import LogSpec
from tidecast.streams.replay import Replay

START = 480_000 * HOUR


def log(path: Path) -> Path:
    """Write clicks of two regions every ten minutes, one of them an hour late now and then."""
    minutes = [*range(0, 60 * 50, 10)]
    lines = [
        click(event_time=iso(START + m * HOUR // 60), region="ab"[m % 3 == 0]) for m in minutes
    ]
    lines += [click(event_time=iso(START + 49 * HOUR)), click(event_time=iso(START + 47 * HOUR))]
    lines.append(click(event_time=iso(START + 60 * HOUR)))
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def settings() -> Settings:
    return shop(max_disorder="1s", allowed_lateness="6h")


def test_they_are_those_of_a_replay_corrections_too(settings: Settings, tmp_path: Path) -> None:
    specs = [LogSpec(settings.sources[0], log(tmp_path / "clicks.ndjson"))]
    slabs = LogSlabs(settings, specs)
    replayed = [out for out in Replay(settings, specs).outputs() if isinstance(out, Closed)]
    found = list(slabs.after(0))
    assert slabs.total == len(found) == len(replayed)
    assert any(slab.revision for slab, _ in found)
    for (slab, cells), closed in zip(found, replayed, strict=True):
        assert (slab.bin, slab.revision, [*cells]) == (
            *(closed.slab.bin, closed.slab.revision),
            [*closed.cells],
        )
        assert slab.values.tobytes() == closed.slab.values.tobytes()
    bins = [slab.bin for slab, _ in found]
    assert (slabs.first_bin, slabs.last_bin) == (min(bins), max(bins))
    assert [*slabs.cells] == [*replayed[-1].cells]


def test_they_can_be_gone_through_again(settings: Settings, tmp_path: Path) -> None:
    slabs = LogSlabs(settings, [LogSpec(settings.sources[0], log(tmp_path / "clicks.ndjson"))])
    rest = [slab.bin for slab, _ in slabs.after(20)]
    assert rest == [slab.bin for slab, _ in slabs.after(0)][20:]


def test_series_that_count_are_known(settings: Settings, tmp_path: Path) -> None:
    slabs = LogSlabs(settings, [LogSpec(settings.sources[0], log(tmp_path / "clicks.ndjson"))])
    assert [settings.series[number].name for number in slabs.counts()] == ["traffic"]


def test_a_log_that_closes_no_bin_is_refused(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "clicks.ndjson"
    path.write_bytes(b"")
    with pytest.raises(LogError, match="close no bin"):
        LogSlabs(settings, [LogSpec(settings.sources[0], path)])
