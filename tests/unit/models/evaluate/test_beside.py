"""Peers beside the blend: the same cells, origins, leads and evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from rivals import InProcess, Last

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.beside import Beside
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.metrics import scores_of
from tidecast.models.peers.peer import Floats, Peer, PeerTask
from tidecast.models.peers.race import Race
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
SPAN = Span(FIRST_BIN + 20)
CELLS = [Cell(f"region {n}", "all") for n in range(4)]
PROFILE = ForecastProfile(
    series=("orders", "hours"),
    grid=BinGrid(HOUR),
    horizon=3,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(6,),
    experts=("seasonal_naive", "time_of_week"),
)
Values = NDArray[np.float64]  # (bin, cell, series)
Figures = dict[tuple[str, str, int | None, str], float | None]


class Oracle(Last):
    """Says what will come: it was told, outside of the race."""

    def __init__(self, values: Values, first_origin: int) -> None:
        super().__init__(PeerTask.of(PROFILE))
        self.future = values
        self.origin = first_origin - FIRST_BIN - 1

    def forecast(self, since: Floats) -> Floats:
        self.origin += 1
        leads = self.future[self.origin + 1 : self.origin + 4].reshape(-1, since.shape[1]).T
        leads = np.pad(leads, ((0, 0), (0, 3 - leads.shape[1])))
        return np.repeat(leads[..., None], 4, axis=2)


def counts(n_bins: int = 40) -> Values:
    random = np.random.default_rng(0)
    return random.poisson(np.array([0.5, 4.0, 20.0, 60.0])[:, None], (n_bins, 4, 2)) * 1.0


def backtest(values: Values, cells: list[int], *peers: Peer, budget: float = 1e9) -> Backtest:
    runners = [InProcess(f"peer {n}", peer, seconds=1.0) for n, peer in enumerate(peers)]
    first_origin = SPAN.first_bin - PROFILE.horizon
    race = Race(runners, PROFILE, first_origin, budget, runners[0].clock)
    return Backtest(PROFILE, SPAN, Beside(PROFILE, SPAN, np.array(cells), race))


def stepped(run: Backtest, values: Values) -> Beside:
    for bin_, slab in enumerate(values, FIRST_BIN):
        run.step(Slab(bin_, slab), CELLS, {})
    run.end()
    assert run.beside is not None
    return run.beside


def figures(beside: Beside, series: str = "orders", level: str = "cell") -> Figures:
    return {
        (s.expert, s.level, s.lead, s.metric): s.value
        for s in beside.scores()
        if (s.series, s.level) == (series, level)
    }


def last() -> Last:
    return Last(PeerTask.of(PROFILE))


def test_who_knows_the_future_scores_nothing() -> None:
    values = counts()
    sampled = [1, 3]
    oracle = Oracle(values[:, sampled], SPAN.first_bin - PROFILE.horizon)
    beside = stepped(backtest(values, sampled, oracle), values)
    for series in PROFILE.series:
        for level in ("cell", "region", "total"):
            found = figures(beside, series, level)
            for lead in (None, 1, 2, 3):
                assert found["peer 0", level, lead, "rmse"] == 0
                assert found["peer 0", level, lead, "wape"] == 0
        assert figures(beside, series)["peer 0", "cell", None, "pinball"] == 0


def test_figures_are_those_that_the_values_give_by_hand() -> None:
    values = counts()
    beside = stepped(backtest(values, [0, 2], last()), values)
    orders = values[:, [0, 2], 0]
    error = np.abs(orders[20:] - orders[18:-2])
    found = figures(beside)
    assert found["peer 0", "cell", 2, "mae"] == pytest.approx(error.mean())
    assert found["peer 0", "cell", 2, "pinball"] == pytest.approx(
        np.mean([
            np.maximum(q * (orders[20:] - orders[18:-2]), (q - 1) * (orders[20:] - orders[18:-2]))
            for q in PROFILE.quantile_levels
        ])
    )  # fmt: skip


def test_on_all_cells_the_blend_and_experts_have_the_figures_of_the_run() -> None:
    values = counts()
    run = backtest(values, [0, 1, 2, 3], last())
    beside = stepped(run, values)
    own = {(s.series, s.level, s.expert, s.lead, s.metric): s for s in scores_of(run.evaluator)}
    same = {
        key: score
        for score in beside.scores()
        if (key := (score.series, score.level, score.expert, score.lead, score.metric)) in own
    }
    assert len(same) == len(own)
    for key, score in same.items():
        assert score.n == own[key].n
        assert score.value == (own[key].value and pytest.approx(own[key].value, rel=1e-5))


def test_everybody_is_scored_on_the_same_forecasts() -> None:
    values = counts()
    values[25, 2] = np.nan
    run = backtest(values, [2, 3], last())
    for bin_, slab in enumerate(values, FIRST_BIN):
        n_cells = 4 if bin_ >= FIRST_BIN + 30 else 3
        run.step(Slab(bin_, slab[:n_cells]), CELLS[:n_cells], {})
    run.end()
    assert run.beside is not None
    beside = run.beside
    n = {
        (s.expert, s.lead): s.n for s in beside.scores() if s.metric == "mae" and s.level == "cell"
    }
    assert {lead: n["peer 0", lead] for lead in (None, 1, 3)} == {
        lead: n["tidecast", lead] for lead in (None, 1, 3)
    }
    assert n["peer 0", 1] == 19 + 9  # one cell has a gap, the other a first bin that none foresaw


def test_peers_change_no_forecast_of_the_blend() -> None:
    values = counts()
    beside, alone = backtest(values, [0, 2], last()), Backtest(PROFILE, SPAN)
    for bin_, slab in enumerate(values, FIRST_BIN):
        for run in (beside, alone):
            run.step(Slab(bin_, slab), CELLS, {})
    one, other = (run.forecaster.snapshot() for run in (beside, alone))
    assert {name: a.tobytes() for name, a in one.items()} == {
        name: a.tobytes() for name, a in other.items()
    }


def test_a_peer_that_stopped_has_no_figures_and_the_others_all_of_theirs() -> None:
    values = counts()
    slow, quick = backtest(values, [1], last(), last()), backtest(values, [1], last())
    assert slow.beside is not None
    slow.beside.race.budget = 10.0
    found = figures(stepped(slow, values))
    assert {expert for expert, *_ in found} == {"tidecast", "seasonal_naive", "time_of_week",
                                                "peer 1"}  # fmt: skip
    theirs = figures(stepped(quick, values))
    assert found["peer 1", "cell", None, "mae"] == theirs["peer 0", "cell", None, "mae"]


def test_it_goes_on_from_a_snapshot_to_the_same_figures() -> None:
    values = counts()
    whole = figures(stepped(backtest(values, [0, 3], last()), values))
    half = backtest(values, [0, 3], last())
    for bin_, slab in enumerate(values[:28], FIRST_BIN):
        half.step(Slab(bin_, slab), CELLS, {})
    rest = backtest(values, [0, 3], last())
    rest.restore(half.snapshot(), CELLS)
    for bin_, slab in enumerate(values[28:], FIRST_BIN + 28):
        rest.step(Slab(bin_, slab), CELLS, {})
    rest.end()
    assert rest.beside is not None
    assert figures(rest.beside) == whole


def test_a_correction_is_heard_before_the_next_fit() -> None:
    values = counts(20)
    peer = last()
    run = backtest(values, [1], peer)
    assert run.beside is not None
    for bin_, slab in enumerate(values[:17], FIRST_BIN):
        run.beside.step(Slab(bin_, slab))
    run.beside.step(Slab(FIRST_BIN + 16, values[16] + 5.0, revision=1))
    run.beside.step(Slab(FIRST_BIN + 17, values[17]))
    assert peer.fits[-1][16].tolist() == (values[16, 1] + 5.0).tolist()
