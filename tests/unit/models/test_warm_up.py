"""A fold that was warmed up on a recorded log, and goes on live."""

from __future__ import annotations

from collections.abc import Iterable

from partitions import Row, bin_at, warm
from slabs import PLACES, SETTINGS, cuts_of, interleaved

from tidecast.models.fold import Closed, ForecastFold
from tidecast.models.forecast import Forecast
from tidecast.state.cuts import InputMessage
from tidecast.state.slabs import LateBins

SEAM = 1_500  # seconds after START, where a bin ends: in the pause between the halves


def rows(start: int, stop: int) -> list[Row]:
    """Return orders and clicks of a time, in order, three a minute."""
    return [Row(at, "abc"[at // 20 % 3], at // 20 % 7) for at in range(start, stop, 20)]


def messages(log: list[Row]) -> list[InputMessage]:
    return interleaved([cuts_of(log, place) for place in PLACES], [])


def folded(fold: ForecastFold, log: Iterable[InputMessage]) -> tuple[list[Closed], list[LateBins]]:
    made = [part for message in log for part in fold.step(message)]
    return (
        [part for part in made if isinstance(part, Closed)],
        [part for part in made if isinstance(part, LateBins)],
    )


def warmed_up(log: list[Row]) -> ForecastFold:
    """Return the fold of a log, carried over to live running through its snapshot."""
    fold, live = ForecastFold(SETTINGS), ForecastFold(SETTINGS)
    folded(fold, messages(log))
    fold.end_warm_up()
    live.restore(fold.snapshot())
    return live


def shown(closed: Closed) -> tuple[object, ...]:
    forecast, scores = closed.forecast, closed.scores
    assert isinstance(forecast, Forecast)
    return (
        closed.slab.bin,
        closed.slab.revision,
        closed.slab.events,
        closed.slab.values.tolist(),
        list(closed.cells),
        forecast.mean.tobytes(),
        forecast.quantiles.tobytes(),
        None if scores is None else scores.abs_error.tobytes(),
    )


def test_live_running_goes_on_as_one_replay_of_the_whole_would() -> None:
    first, second = rows(600, SEAM), rows(SEAM, 2_400)
    whole, _ = folded(ForecastFold(SETTINGS), messages([*first, *second]))
    live, late = folded(warmed_up(first), messages(second))
    assert late == []
    assert [shown(closed) for closed in live] == [
        shown(closed) for closed in whole if closed.slab.bin >= bin_at(SEAM)
    ]
    assert live[0].scores is not None  # of forecasts that were made in the warm-up


def test_what_the_log_and_the_live_topics_both_hold_is_counted_once() -> None:
    first, overlapping = rows(600, SEAM), rows(SEAM - 300, 2_400)
    whole, _ = folded(ForecastFold(SETTINGS), messages(rows(600, 2_400)))
    live, late = folded(warmed_up(first), messages(overlapping))
    assert [shown(closed) for closed in live] == [
        shown(closed) for closed in whole if closed.slab.bin >= bin_at(SEAM)
    ]
    assert sorted({part.bin for part in late}) == [*range(bin_at(SEAM - 300), bin_at(SEAM))]
    assert sum(part.events for part in late) == 15 * len(PLACES)


def test_time_never_goes_back_when_live_running_begins() -> None:
    live = warmed_up(rows(600, SEAM))
    assert live.slabs.next_bin == bin_at(SEAM)
    closed, _ = folded(live, messages(warm(700)))
    assert closed == []
    assert live.slabs.next_bin == bin_at(SEAM)


def test_a_pause_between_the_log_and_live_running_is_one_step() -> None:
    live = warmed_up(rows(600, SEAM))
    closed, _ = folded(live, messages(rows(90_000, 90_600)))
    gap = [c.slab.bin for c in closed if not c.slab.events]
    assert gap == [*range(bin_at(SEAM), bin_at(SEAM) + SETTINGS.forecast.horizon)]
    assert closed[len(gap)].slab.bin == bin_at(90_000)
