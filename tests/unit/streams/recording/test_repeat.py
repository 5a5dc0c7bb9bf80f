"""A recording gives what its run gave, to the byte and in order, or says why it cannot."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from partitions import SECOND, START
from recordings import Run
from refits import FITTED
from shops import click, shop

from tidecast.models.fold import ForecastFold
from tidecast.state.bins import iso
from tidecast.state.cuts import END_OF_LOG, Admission, Cut, Refit
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.errors import CheckpointError, LogError
from tidecast.streams.recording import Recorded

SHOP = shop(max_disorder="10s", allowed_lateness="3m", max_gap="1h", deduplicate=True)
SHOP = SHOP.model_copy(update={"bins": SHOP.bins.model_copy(update={"width": 60 * SECOND})})


def at(seconds: float, region: str = "north", name: str = "") -> bytes:
    fields = {"event_id": name} if name else {}
    return click(event_time=iso(START + round(seconds * SECOND)), region=region, **fields)


def minutes(first: int, last: int, region: str = "north") -> list[bytes | None]:
    return [at(second, region) for second in range(60 * first, 60 * last, 20)]


@st.composite
def logs(draw: st.DrawFn) -> list[bytes | None]:
    """Draw a log with disorder, corrections, duplicates, gaps and bad records."""
    now = draw(st.sampled_from([0.0, 60.0, 130.0]))
    log: list[bytes | None] = [at(now)] * 6  # believed by the first record a minute later
    now += 60
    steps = st.tuples(
        st.sampled_from([0, 5, 20, 20, 40, 70, 400]),
        st.sampled_from([0, 0, 0, 5, 30, 100, 300, -90_000]),
        st.sampled_from("abc"),
        st.sampled_from(["", "", "", "x", "y"]),
    )
    for on, delay, region, name in draw(st.lists(steps, max_size=40)):
        now += on
        log.append(at(now - delay, region, name))
        if name == "y":
            log.append(b"broken")
    return [*log, END_OF_LOG] if draw(st.booleans()) else log


actions = st.tuples(
    st.sampled_from(["read"] * 6 + ["idle", "idle", "save", "die"]),
    st.integers(0, 2),
    st.integers(1, 15),
)


@settings(max_examples=20)
@given(
    st.lists(logs(), min_size=3, max_size=3),
    st.lists(actions, max_size=25),
    st.integers(0, 30),
    st.integers(0, 30),
    st.lists(st.integers(1, 60), max_size=3),
)
def test_whatever_workers_went_through_the_recording_gives_what_they_sent(
    drawn: list[list[bytes | None]],
    actions: list[tuple[str, int, int]],
    listed_at: int,
    joined_at: int,
    stops: list[int],
) -> None:
    run = Run(SHOP, drawn)
    rest = [("read", number, 100) for number in range(3)]
    joined = False
    for turn, (action, number, count) in enumerate([*actions, *rest]):
        if turn == min(listed_at, len(actions)):
            run.list_partitions(2)
        if not joined and turn == min(joined_at, len(actions)):
            run.do("join", 2)
            joined = True
        if number < 2 or joined:
            run.do(action, number, count)
    with TemporaryDirectory() as folder:
        run.keep(Path(folder), stops)
        recorded = Recorded(SHOP, Path(folder))
        sent = list(recorded.records())
    rejected = ("tidecast.dead-letters", "tidecast.late")
    ours = [s for s in sent if s[0] not in rejected or b"late_bins" in s[2]]
    assert ours == run.sent()
    counts = recorded.counts
    ends = sum(END_OF_LOG in log for log in drawn)
    held = sum(len(reader.state.gate.held) for reader in run.readers)
    told = counts.accepted + counts.late + counts.refused + counts.duplicates
    assert counts.events == sum(map(len, drawn)) == told + ends + held


def one_run(*logs: list[bytes | None]) -> Run:
    run = Run(SHOP, logs)
    run.list_partitions(len(logs))
    for number in range(len(logs)):
        run.do("read", number, 1_000)
    return run


def test_outputs_and_closed_bins_are_those_of_the_records(tmp_path: Path) -> None:
    run = one_run([*minutes(0, 9), END_OF_LOG])
    run.keep(tmp_path)
    closed = list(Recorded(SHOP, tmp_path).closed())
    windows = [sent for sent in run.sent() if sent[0].endswith("windows")]
    assert [c.slab.events for c in closed] == [0, *[3] * 9]  # max_disorder before the first event
    assert len(windows) == len(list(Recorded(SHOP, tmp_path).outputs()))


def test_what_has_no_cut_yet_is_counted_but_gives_nothing(tmp_path: Path) -> None:
    run = one_run(minutes(0, 9))
    bins = [c.slab.bin for c in Recorded(SHOP, run.keep(tmp_path / "first").folder).closed()]
    run.readers[0].log += minutes(9, 20)
    recorded = Recorded(SHOP, run.keep(tmp_path / "second").folder)
    assert [closed.slab.bin for closed in recorded.closed()] == bins
    assert recorded.counts.accepted == 60


def test_a_cut_that_the_records_do_not_give_is_named(tmp_path: Path) -> None:
    run = one_run(minutes(0, 9))
    run.readers[0].log[4] = at(80, "south")
    run.keep(tmp_path)
    with pytest.raises(LogError, match=r"at offset 3 of the cuts topic stands a cut of events/0"):
        list(Recorded(SHOP, tmp_path).closed())


def test_records_that_were_never_recorded_are_missed(tmp_path: Path) -> None:
    run = one_run(minutes(0, 9))
    del run.readers[0].log[-10:]
    run.keep(tmp_path)
    with pytest.raises(LogError, match="cannot be repeated"):
        list(Recorded(SHOP, tmp_path).closed())


def test_an_idle_decision_that_the_records_do_not_give_is_named(tmp_path: Path) -> None:
    run = one_run(minutes(0, 4))
    run.do("idle", 0)
    run.readers[0].log[-1] = at(239, "south")
    run.keep(tmp_path)
    with pytest.raises(LogError, match="that events/0 is idle at offset 12"):
        list(Recorded(SHOP, tmp_path).closed())


def test_other_settings_are_refused_with_the_way_out(tmp_path: Path) -> None:
    one_run(minutes(0, 4)).keep(tmp_path)
    with pytest.raises(LogError, match="give the settings that the workers ran under"):
        Recorded(shop(max_disorder="11s"), tmp_path)


def test_a_recording_begins_with_what_the_forecaster_began_with(tmp_path: Path) -> None:
    first = Recorded(SHOP, one_run(minutes(0, 9)).keep(tmp_path / "first").folder)
    list(first.closed())
    first.fold.end_warm_up()
    run = one_run(minutes(8, 12))
    recording = run.keep(tmp_path / "second")
    recording.keep_warm_up(first.fold.snapshot())
    recorded = Recorded(SHOP, tmp_path / "second")
    assert recorded.fold.slabs.floor is not None
    assert min(c.slab.bin for c in recorded.closed()) == first.fold.slabs.next_bin


def test_a_source_partition_without_records_may_be_idle_from_where_it_begins(
    tmp_path: Path,
) -> None:
    run = Run(SHOP, [minutes(0, 5)])
    run.list_partitions(2)
    run.do("read", 0, 1_000)
    nothing = run.readers[0].source.partition(1)
    nothing.next_offset = 7  # its records were deleted before anybody read them
    run.inputs.append(nothing.idle())
    run.keep(tmp_path)
    sent = run.sent()
    assert len([s for s in sent if s[0].endswith("windows")]) > 0
    assert list(Recorded(SHOP, tmp_path).records()) == sent


def test_what_a_worker_sent_again_after_a_crash_counts_once(tmp_path: Path) -> None:
    run = Run(SHOP, [minutes(0, 9), minutes(2, 9, "south")])
    run.list_partitions(2)
    run.do("read", 0, 1_000)
    before = len(run.inputs)
    run.do("idle", 1)
    run.do("die", 0)
    run.do("read", 1, 10)
    run.do("read", 0, 1_000)
    run.do("die", 1)
    run.do("idle", 1)  # by a worker that knows nothing yet
    run.do("read", 1, 1_000)
    assert len(run.inputs) > 2 * before
    run.keep(tmp_path)
    assert list(Recorded(SHOP, tmp_path).records()) == run.sent()


def test_a_source_that_had_lost_its_first_records_is_repeated(tmp_path: Path) -> None:
    run = Run(SHOP, [minutes(0, 9)], begin=1_000)
    run.list_partitions(1)
    run.do("read", 0, 1_000)
    run.keep(tmp_path, [10])
    assert list(Recorded(SHOP, tmp_path).records()) == run.sent()


def test_records_that_the_workers_lost_but_the_recorder_did_not_are_no_part_of_the_run(
    tmp_path: Path,
) -> None:
    run = Run(SHOP, [minutes(0, 9)])
    run.list_partitions(1)
    run.do("read", 0, 10)
    run.readers[0].state.next_offset = 15  # a dead letter says: offsets 10 to 14 are lost
    run.do("read", 0, 1_000)
    run.keep(tmp_path)
    with pytest.raises(LogError, match="or before the worker read them"):
        list(Recorded(SHOP, tmp_path).closed())


def test_a_topic_made_anew_on_the_way_is_refused(tmp_path: Path) -> None:
    run = one_run(minutes(0, 9))
    reader = run.readers[0]
    reader.state.begin_anew()
    reader.log = minutes(9, 20)
    run.do("read", 0, 1_000)
    run.keep(tmp_path)
    with pytest.raises(LogError, match="or the topic was made anew"):
        list(Recorded(SHOP, tmp_path).closed())


def test_cells_may_be_named_in_any_order(tmp_path: Path) -> None:
    run = one_run([at(s, region) for s in range(0, 400, 15) for region in "abc"])
    cut = next(message for message in run.inputs if isinstance(message, Cut) and message.bins)
    (sums,) = cut.bins[:1]
    assert len(sums.cells) == 3
    turned = type(sums)(
        sums.bin,
        sums.regions,
        sums.categories,
        sums.region[::-1].copy(),
        sums.category[::-1].copy(),
        sums.sums[:, ::-1].copy(),
    )
    place = run.inputs.index(cut)
    run.inputs[place] = Cut(
        cut.source, cut.partition, cut.since, cut.boundary, cut.upto, (turned, *cut.bins[1:])
    )
    run.keep(tmp_path)
    assert [s for s in Recorded(SHOP, tmp_path).records() if "letters" not in s[0]] == run.sent()


def refitted(tmp_path: Path, *decided: tuple[bytes, ...] | None) -> Run:
    """Return a run whose first refit was decided so, all of it while bins waited; recorded."""
    forecast = SHOP.forecast.model_copy(update={"season_lengths": (4,)})
    run = one_run(minutes(0, 15))
    run.settings = SHOP.model_copy(update={"forecast": forecast})
    fold = ForecastFold(run.settings, refits_are_decided=True)
    for message in run.inputs:
        list(fold.step(message))
    due = fold.forecaster.refits.due
    assert due is not None
    assert fold.is_waiting
    run.inputs += [Refit(*due, artifacts) for artifacts in decided]
    run.keep(tmp_path)
    return run


def test_refits_act_as_they_were_decided(tmp_path: Path) -> None:
    run = refitted(tmp_path / "made", (FITTED, b""))
    found = list(Recorded(run.settings, tmp_path / "made").records())
    assert found == run.sent()
    without = refitted(tmp_path / "without", None)
    other = list(Recorded(run.settings, tmp_path / "without").records())
    assert other == without.sent()
    assert len(other) == len(found)
    assert other != found


def test_what_a_deep_model_said_in_time_is_repeated(tmp_path: Path) -> None:
    run = one_run(minutes(0, 8))
    forecast = SHOP.forecast.model_copy(update={"experts": ("seasonal_naive", "deep")})
    run.settings = SHOP.model_copy(update={"forecast": forecast})
    fold, decided = ForecastFold(run.settings, refits_are_decided=True), []
    for message in run.inputs:
        decided.append(message)
        list(fold.step(message))
        while (opened := fold.opened) is not None:
            shape = len(SHOP.series), len(opened.cells), forecast.horizon
            mean = np.full(shape, opened.slab.bin % 7, np.float32)
            said = DeepForecast(opened.slab.bin, "first", mean, mean + 1)
            decided.append(Admission(said.origin_bin, said if said.origin_bin % 2 else None))
            list(fold.step(decided[-1]))
    run.inputs = decided
    run.keep(tmp_path)
    found = list(Recorded(run.settings, tmp_path).records())
    assert found == run.sent()
    assert sum(b'"deep":' in value for _, _, value in found) > 2


def test_a_recording_that_ends_before_a_refit_was_decided_gives_what_was_sent(
    tmp_path: Path,
) -> None:
    run = refitted(tmp_path)
    recorded = Recorded(run.settings, tmp_path)
    assert list(recorded.records()) == run.sent()
    with pytest.raises(CheckpointError, match="before it is decided"):
        recorded.fold.snapshot()
