"""The race: when peers are fitted, what they know, and when they have stopped."""

from __future__ import annotations

import numpy as np
from rivals import InProcess, Last

from tidecast.models.peers.peer import Floats, PeerStopped
from tidecast.models.peers.race import Race
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import BinGrid

FIRST = 15_000
PROFILE = ForecastProfile(
    series=("orders", "hours"),
    grid=BinGrid("day"),
    horizon=3,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(7,),
)


def race(*runners: InProcess, first_origin: int = FIRST, budget: float = 100.0) -> Race:
    return Race(runners, PROFILE, first_origin, budget, runners[0].clock)


def values(n_bins: int) -> Floats:
    """Return (bin, cell, series): 1000 x cell + 100 x series + the bin."""
    bins = np.arange(n_bins, dtype=float)
    return bins[:, None, None] + np.array([0.0, 1000.0])[:, None] + np.array([0.0, 100.0])


def step_all(race: Race, slabs: Floats) -> None:
    for bin_, slab in enumerate(slabs, FIRST):
        race.step(bin_, slab)


def test_peers_are_refitted_weekly_to_eight_weeks_at_most() -> None:
    peer = Last()
    step_all(race(InProcess("last", peer), first_origin=FIRST + 20), values(90))
    assert [len(fit) for fit in peer.fits] == [21, 28, 35, 42, 49, 56, 56, 56, 56, 56]
    assert [fit[-1, 0] for fit in peer.fits] == [*range(20, 90, 7)]
    assert peer.fits[-1][0].tolist() == [28.0, 128.0, 1028.0, 1128.0]


def test_what_has_little_history_is_refitted_when_it_has_doubled() -> None:
    peer = Last()
    step_all(race(InProcess("last", peer)), values(25))
    assert [len(fit) for fit in peer.fits] == [1, 2, 4, 8, 15, 22]


def test_between_refits_peers_are_told_all_that_came_since() -> None:
    peer = Last()
    step_all(race(InProcess("last", peer), first_origin=FIRST + 20), values(26))
    assert [since[:, 0].tolist() for since in peer.since] == [
        [], [21.0], [21.0, 22.0], [21.0, 22.0, 23.0], [21.0, 22.0, 23.0, 24.0],
        [21.0, 22.0, 23.0, 24.0, 25.0],
    ]  # fmt: skip


def test_forecasts_are_found_by_the_bin_that_they_are_about() -> None:
    run = race(InProcess("last", Last()))
    step_all(run, values(10))
    about = run.about(FIRST + 10)
    assert {lead: said[0, 0, 0, 0] for lead, said in about.items()} == {1: 9.0, 2: 8.0, 3: 7.0}
    assert about[1][0, :, :, 0].tolist() == [[9.0, 1009.0], [109.0, 1109.0]]  # (series, cell)
    run.forget(FIRST + 10)
    assert set(run.about(FIRST + 11)) == {2, 3}


def test_cells_may_come_and_bins_may_be_skipped() -> None:
    peer = Last()
    run = race(InProcess("last", peer))
    run.step(FIRST, np.zeros((0, 2)))
    run.step(FIRST + 1, values(1)[0, :1])
    run.step(FIRST + 30, values(1)[0])
    assert run.about(FIRST + 31)[1].shape == (1, 2, 2, 4)
    assert len(peer.fits[-1]) == 30
    assert np.isnan(peer.fits[-1][1:-1]).all()


def test_a_peer_that_took_too_long_is_told_and_the_others_go_on() -> None:
    slow, quick = InProcess("slow", Last(), seconds=1.0), InProcess("quick", Last())
    run = race(slow, quick, budget=20.0)
    step_all(run, values(40))
    stopped = run.entrants[0]
    assert (stopped.reason, stopped.stopped_at) == ("timed out", FIRST + 15)
    assert stopped.seconds == 21.0
    about = run.about(FIRST + 40)[1]
    assert np.isnan(about[0]).all()
    assert np.isfinite(about[1]).all()


def test_who_is_at_work_can_be_asked() -> None:
    class Asking(InProcess):
        def fit(self, history: Floats, within: float) -> int:
            self.now += 2.0
            self.told = run.doing()
            return super().fit(history, within)

    asking = Asking("asking", Last())
    run = race(asking)
    step_all(run, values(1))
    assert asking.told == "asking 2 of 100 s"
    assert run.doing() == ""


def test_a_peer_that_stops_by_itself_is_asked_no_more() -> None:
    class Gone(InProcess):
        asked = 0

        def forecast(self, since: Floats, within: float) -> Floats:
            self.asked += 1
            raise PeerStopped("ended by itself")

    gone = Gone("gone", Last())
    run = race(gone)
    step_all(run, values(5))
    assert gone.asked == 1
    assert run.entrants[0].reason == "ended by itself"


def test_it_goes_on_from_a_snapshot_to_the_same_forecasts() -> None:
    slabs = values(40)
    whole = race(InProcess("last", Last(), seconds=0.5), budget=18.0)
    half = race(InProcess("last", Last(), seconds=0.5), budget=18.0)
    step_all(whole, slabs)
    step_all(half, slabs[:18])
    kept = half.snapshot()
    for stopping in (17.0, 1000.0):
        peer = InProcess("last", Last(), seconds=0.5)
        rest = race(peer, budget=stopping)
        rest.restore(kept)
        for bin_, slab in enumerate(slabs[18:], FIRST + 18):
            rest.step(bin_, slab)
        assert (rest.entrants[0].stopped_at is None) is (stopping == 1000.0)
    assert rest.entrants[0].fits == 4 * 8
    last = FIRST + 40
    full = race(InProcess("last", Last()))
    step_all(full, slabs)
    assert rest.about(last)[2].tolist() == full.about(last)[2].tolist()
    assert whole.entrants[0].stopped_at is not None
