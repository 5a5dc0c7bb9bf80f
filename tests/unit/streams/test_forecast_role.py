"""What a forecast worker sends and keeps, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from forecast_shelf import FINGERPRINT, PLACE, Shelf, take
from refits import DUE, FITTED, REFIT, WITHOUT, bins
from refits import SETTINGS as REFITTED
from slabs import LISTED, PLACES, SETTINGS

from tidecast.models.fold import ForecastFold
from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import BinSums, Cut, Idle, InputMessage, PartitionList, Refit
from tidecast.state.partition import Batch
from tidecast.streams.checkpoints import Checkpoint, Owner
from tidecast.streams.forecast import ForecastRole
from tidecast.streams.refitter import Refitter
from tidecast.streams.wire import encode_input, parse_input


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


def minute(bin_: int, *regions: str) -> BinSums:
    """Return a bin with one event of one unit in each region."""
    cells = CellIndex(9, [Cell(region, "x") for region in regions])
    return BinSums.of(bin_, cells, np.ones((2, len(regions)), np.int64))


def passed(bin_: int, upto: int, *bins: BinSums, places: Sequence[int] = (0, 1, 2)) -> list[Cut]:
    """Return cuts that let partitions pass ``bin_``; ``bins`` are what the first one adds."""
    parts = {places[0]: bins}
    return [Cut(*PLACES[n], 10, bin_, upto, parts.get(n, ())) for n in places]


def test_progress_is_told_whenever_the_next_bin_moves(shelf: Shelf) -> None:
    shelf.run(LISTED, *passed(10, 5, minute(10, "a")), *passed(12, 6))
    told = [(record["next_bin"], record["position"]) for record in shelf.values("progress")]
    assert told == [(11, 4), (13, 7)]
    assert shelf.values("progress")[0]["time"] == "1970-01-01T00:11:00Z"


def test_progress_comes_to_the_end_of_a_gap_that_has_no_slab(shelf: Shelf) -> None:
    shelf.run(LISTED, *passed(10, 5, minute(10, "a")), *passed(90_000, 6), *passed(99_000, 7))
    assert [record["next_bin"] for record in shelf.values("progress")] == [11, 90_001, 99_001]
    assert [record["bin"] for record in shelf.values("windows")] == [10, 11, 12, 13]


def test_a_worker_that_starts_again_tells_how_far_time_has_come(shelf: Shelf) -> None:
    shelf.run(LISTED, *passed(10, 5, minute(10, "a")))
    shelf.sent.clear()
    shelf.run(first=4)
    assert [(r["next_bin"], r["position"]) for r in shelf.values("progress")] == [(11, 4)]


def test_what_comes_too_late_for_slabs_goes_to_the_late_topic(shelf: Shelf) -> None:
    quiet = Idle(*PLACES[0], 6)
    woken = [Cut(*PLACES[0], 11, 41, 9, (minute(11, "a", "b"),))]
    messages = [*passed(10, 5, minute(10, "a")), quiet, *passed(40, 7, places=(1, 2))]
    shelf.run(LISTED, *messages, *woken, *passed(41, 10, places=(1, 2)))
    (late,) = shelf.values("late")
    assert (late["type"], late["source"], late["partition"]) == ("late_bins", *PLACES[0])
    assert (late["bin"], late["upto"], late["events"]) == (11, 9, 2)


def test_a_corrected_bin_has_its_window_and_scores_sent_again(shelf: Shelf) -> None:
    opening = [*passed(10, 5, minute(10, "a")), *passed(11, 6, minute(11, "a"))]
    shelf.run(LISTED, *opening, *passed(12, 7, minute(11, "a", "b"), minute(12, "a")))
    sent = [(r["bin"], r["revision"], r["learnt"]) for r in shelf.values("windows")]
    assert sent == [(10, 0, True), (11, 0, True), (11, 1, False), (12, 0, True)]
    scores = [(r["valid_time"], r["revision"]) for r in shelf.values("scores")]
    twelve, thirteen = "1970-01-01T00:12:00Z", "1970-01-01T00:13:00Z"
    assert scores == [(twelve, 0), (twelve, 1), (thirteen, 0)]


def test_a_worker_without_a_checkpoint_lists_the_partitions_to_wait_for(shelf: Shelf) -> None:
    shelf.run()
    (listed,) = [parse_input(v, FINGERPRINT) for t, v in shelf.sent if t == "tidecast.cuts"]
    assert listed == PartitionList((("clicks", 0), ("clicks", 1), ("orders", 0)))


def test_a_worker_that_starts_from_a_warm_up_lists_them_too(shelf: Shelf) -> None:
    fold = ForecastFold(SETTINGS)
    for message in (LISTED, *passed(10, 5, minute(10, "a"))):
        list(fold.step(message))
    fold.end_warm_up()
    shelf.kept[Owner.shard(0)] = Checkpoint(0, fold.snapshot())
    shelf.run()
    assert [type(parse_input(v, FINGERPRINT)) for t, v in shelf.sent if t == "tidecast.cuts"] == [
        PartitionList
    ]
    assert [record["next_bin"] for record in shelf.values("progress")] == [11]


def test_a_save_holds_the_fold_as_it_was_copied_whatever_is_folded_meanwhile(shelf: Shelf) -> None:
    before, after = passed(10, 5, minute(10, "a")), passed(12, 6, minute(12, "b"))
    expected = ForecastFold(SETTINGS)
    for message in (LISTED, *before):
        list(expected.step(message))

    async def whole() -> None:
        role = ForecastRole(SETTINGS, shelf)  # type: ignore[arg-type]
        await role.open([PLACE])
        await take(role, LISTED, *before)
        save = await role.checkpoint()
        await take(role, *after, first=4)
        assert await save == {PLACE: 4}
        assert shelf.kept[Owner.shard(0)] == Checkpoint(4, expected.snapshot())
        assert await (await role.checkpoint()) == {PLACE: 7}

    asyncio.run(whole())


def test_a_worker_that_has_its_list_writes_none(shelf: Shelf) -> None:
    shelf.run(LISTED, *passed(10, 5, minute(10, "a")))
    shelf.sent.clear()
    shelf.run(first=4)
    assert "tidecast.cuts" not in dict(shelf.sent)


class Refitted:
    """A role that refits, with a fit that ends when it is told to, and its topic of cuts."""

    def __init__(self, shelf: Shelf, patience_seconds: float = 60.0) -> None:
        self.shelf = shelf
        self.begun = 0
        self.answer: asyncio.Future[tuple[bytes, ...]] = asyncio.get_running_loop().create_future()
        self.role = ForecastRole(REFITTED, shelf)  # type: ignore[arg-type]
        self.role._refitter = Refitter(self.role._decide, patience_seconds, self._fit)
        self.taken = 0

    async def _fit(self, rows: object) -> tuple[bytes, ...]:
        self.begun += 1
        return await asyncio.shield(self.answer)

    def decided(self) -> list[Refit]:
        """Return the refits that stand in the log."""
        values = [value for topic, value in self.shelf.sent if topic == PLACE.topic]
        messages = [parse_input(value, REFITTED.fingerprint()) for value in values]
        return [message for message in messages if isinstance(message, Refit)]

    async def until_decided(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.decided()) < count:
                await asyncio.sleep(0.001)

    async def take(self, *messages: InputMessage) -> list[int]:
        """Let the role take messages that come next; return the bins it gives windows of."""
        before = len(self.shelf.values("windows"))
        values = [encode_input(message, REFITTED.fingerprint()) for message in messages]
        offsets = np.arange(self.taken, self.taken + len(values))
        async for _ in self.role.take(PLACE, Batch(offsets, values)):
            pass
        self.taken += len(values)
        return [record["bin"] for record in self.shelf.values("windows")[before:]]


def test_a_refit_that_is_due_is_fitted_decided_and_read_back(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Refitted(shelf)
        await live.role.open([PLACE])
        assert len(await live.take(LISTED, *bins(0, 8))) == 8
        assert await live.take(*bins(8, 10)) == []
        live.answer.set_result((FITTED, b""))
        await live.until_decided(1)
        assert live.decided() == [REFIT]
        assert await live.take(REFIT) == [DUE + 1, DUE + 2]
        assert live.begun == 1
        await live.role.idle()

    asyncio.run(whole())


def test_forecasts_do_not_wait_for_a_refit_for_longer_than_their_patience(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Refitted(shelf, patience_seconds=0.01)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 9))
        await live.until_decided(1)
        assert live.decided() == [WITHOUT]
        assert await live.take(WITHOUT) == [DUE + 1]
        live.answer.set_result((FITTED, b""))
        await live.until_decided(2)
        assert live.decided() == [WITHOUT, REFIT]
        assert live.begun == 1

    asyncio.run(whole())


def test_no_checkpoint_is_taken_and_no_progress_told_while_slabs_wait(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Refitted(shelf)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 8))
        assert await (await live.role.checkpoint()) == {PLACE: live.taken}
        await live.take(*bins(8, 10))
        assert await (await live.role.checkpoint()) == {}
        assert shelf.values("progress")[-1]["next_bin"] == DUE + 1
        await live.take(REFIT)
        assert await (await live.role.checkpoint()) == {PLACE: live.taken}
        told = shelf.values("progress")[-1]
        assert (told["next_bin"], told["position"]) == (DUE + 3, live.taken)

    asyncio.run(whole())


def test_a_worker_that_starts_again_refits_what_its_checkpoint_awaits(shelf: Shelf) -> None:
    async def whole() -> None:
        live, other = Refitted(shelf), Refitted(shelf)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 8))
        await (await live.role.checkpoint())
        other.answer.set_result((FITTED, b""))
        await other.role.open([PLACE])
        await other.until_decided(1)
        assert other.decided() == [REFIT]

    asyncio.run(whole())


def test_what_the_log_has_decided_already_is_not_fitted_again(shelf: Shelf) -> None:
    async def whole() -> None:
        live = Refitted(shelf)
        await live.role.open([PLACE])
        await live.take(LISTED, *bins(0, 10), REFIT)
        await asyncio.sleep(0.01)
        assert live.begun == 0

    asyncio.run(whole())


def test_patience_is_half_a_bin_and_a_minute_at_most(shelf: Shelf) -> None:
    hourly = REFITTED.model_copy(
        update={"bins": REFITTED.bins.model_copy(update={"width": 3_600_000_000})}
    )
    roles = [ForecastRole(each, shelf) for each in (REFITTED, hourly)]  # type: ignore[arg-type]
    assert [role._refitter.patience_seconds for role in roles] == [30.0, 60.0]
