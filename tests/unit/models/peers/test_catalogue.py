"""Every peer: what it knows, and what it says of worlds that are plain."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from rivals import InProcess

from tidecast.models.peers.catalogue import PEERS, make_peer
from tidecast.models.peers.peer import Floats, PeerTask
from tidecast.models.peers.race import Race
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import BinGrid

pytestmark = [
    pytest.mark.skipif(find_spec("statsforecast") is None, reason="needs the extra peers"),
    pytest.mark.filterwarnings("ignore"),  # those of foreign code are not ours
]

PROFILE = ForecastProfile(
    series=("orders",),
    grid=BinGrid("day"),
    horizon=5,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(7,),
)
TASK = PeerTask.of(PROFILE)
FIRST = 15_000
WEEK = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 7.0])


def noisy(n_bins: int, n_rows: int = 2) -> Floats:
    """Return counts with a week in them, (bin, row)."""
    random = np.random.default_rng(4)
    return random.poisson(np.resize(WEEK, n_bins)[:, None] * np.full(n_rows, 3.0)) * 1.0


def said_by(name: str, values: Floats) -> dict[int, Floats]:
    """Return what a peer says at every origin from the 46th bin on."""
    runner = InProcess(name, make_peer(name, TASK))
    race = Race([runner], PROFILE, FIRST + 46, 1e9, runner.clock)
    for bin_, row in enumerate(values, FIRST):
        race.step(bin_, row[:, None])
    origins = range(FIRST + 46, FIRST + len(values))
    leads = range(1, PROFILE.horizon + 1)
    return {o: np.stack([race.about(o + lead)[lead][0] for lead in leads]) for o in origins}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_sees_nothing_after_the_origin(name: str) -> None:
    calm = noisy(54)
    jump = calm.copy()
    jump[50:] *= 40.0
    before, after = said_by(name, calm), said_by(name, jump)
    for origin in range(FIRST + 46, FIRST + 50):
        assert before[origin].tobytes() == after[origin].tobytes()
    assert after[FIRST + 53].mean() > 1.5 * before[FIRST + 53].mean()  # but then it does


@pytest.mark.parametrize("name", PEERS)
def test_a_constant_series_stays_as_it_is(name: str) -> None:
    peer = make_peer(name, TASK)
    history = np.ones((56, 3)) * [5.0, 0.0, 0.25]
    peer.fit(history)
    for since in (np.zeros((0, 3)), history[:4]):
        said = peer.forecast(since)  # (row, lead, 1 + level)
        assert np.allclose(said, np.array([5.0, 0.0, 0.25])[:, None, None], atol=1e-3)


@pytest.mark.parametrize("name", PEERS)
def test_forecasts_are_finite_sorted_and_not_negative(name: str) -> None:
    random = np.random.default_rng(2)
    values = random.poisson([0.05, 0.6, 30.0], (56, 3)) * 1.0
    values[random.random(values.shape) < 0.1] = np.nan
    peer = make_peer(name, TASK)
    peer.fit(values[:50])
    said = peer.forecast(np.concatenate([values[50:], np.full((6, 1), np.nan)], axis=1))
    assert said.shape == (4, 5, 6)
    assert np.isfinite(said).all()
    assert (said >= 0).all()
    assert (np.diff(said[..., 1:], axis=-1) >= 0).all()
    assert (said[3] == 0).all()  # nothing is known of it


@pytest.mark.parametrize("name", [name for name in PEERS if name != "Croston"])
def test_a_week_that_repeats_itself_is_learnt(name: str) -> None:
    random = np.random.default_rng(1)
    values = 20.0 + 10.0 * np.resize(WEEK, 56)[:, None] + random.normal(0.0, 1.0, (56, 3))
    peer = make_peer(name, TASK)
    peer.fit(values)
    said = peer.forecast(np.zeros((0, 3)))
    assert np.abs(said[:, :, 0] - (20.0 + 10.0 * WEEK[:5])).mean() < 4.0


@pytest.mark.parametrize("name", PEERS)
def test_it_says_the_same_twice(name: str) -> None:
    values = noisy(56, n_rows=1)
    said = []
    for _ in range(2):
        peer = make_peer(name, TASK)
        peer.fit(values[:50])
        said.append(peer.forecast(values[50:]))
    assert said[0].tobytes() == said[1].tobytes()


def test_intervals_of_noise_are_about_as_wide_as_it() -> None:
    random = np.random.default_rng(3)
    values = random.normal(100.0, 10.0, (56, 6))
    for name in PEERS:
        peer = make_peer(name, TASK)
        peer.fit(values)
        said = peer.forecast(np.zeros((0, 6)))
        width = np.mean(said[..., 4] - said[..., 2])
        assert 10.0 < width < 40.0, name  # 80 % of it lie within 25.6
