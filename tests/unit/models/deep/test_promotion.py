"""A challenger is promoted when it is better beyond chance, and for no group much worse."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.deep.promotion import Bounds, Trial, should_promote, should_roll_back
from tidecast.models.deep.scores import Score, score_of, size_groups

BOUNDS = Bounds(span=200, watch=50)
N = np.array([300.0, 100.0])
PROMISED = 0.9


def trial_of(
    factors: tuple[float, float],
    n_origins: int = 200,
    inside: tuple[float, float] = (0.9, 0.9),
    noise: float = 0.1,
    seed: int = 1,
) -> Trial:
    """Return a trial in which the other one's losses of two groups are ``factors`` as large."""
    random = np.random.default_rng(seed)
    trial = Trial(horizon=3, promised=PROMISED)
    for _ in range(n_origins):
        usual = N * (1.0 + 0.3 * random.random())
        other = usual * factors * random.normal(1.0, noise, 2)
        first, second = (share * N.sum() for share in inside)
        trial.learn(Score(usual, N, first), Score(other, N, second))
    return trial


def test_a_challenger_that_is_better_is_promoted() -> None:
    verdict = should_promote(trial_of((0.95, 0.95)), BOUNDS)
    assert verdict.change
    assert verdict.gain == pytest.approx(0.05, abs=0.01)


def test_a_challenger_is_not_judged_before_its_span_is_over() -> None:
    verdict = should_promote(trial_of((0.5, 0.5), n_origins=199), BOUNDS)
    assert not verdict.change
    assert verdict.reason == "199 of 200 origins are scored"


def test_a_challenger_that_is_better_by_chance_is_not_promoted() -> None:
    trials = [trial_of((1.0, 1.0), seed=seed) for seed in range(60)]
    assert sum(should_promote(trial, BOUNDS).change for trial in trials) <= 5
    assert sum(trial.gain() > 0 for trial in trials) > 15


def test_a_challenger_that_is_worse_beyond_chance_is_not_promoted() -> None:
    assert "not significantly better" in should_promote(trial_of((1.05, 1.05)), BOUNDS).reason


def test_a_group_that_gets_worse_holds_a_challenger_back() -> None:
    verdict = should_promote(trial_of((0.8, 1.08), noise=0.02), BOUNDS)
    assert not verdict.change
    assert verdict.gain > 0.1
    assert verdict.reason.startswith("group 1 is worse by ")
    assert should_promote(trial_of((0.8, 1.02)), BOUNDS).change


def test_a_group_of_few_values_tells_nothing() -> None:
    bounds = BOUNDS.model_copy(update={"least": 20_001})  # the second group has 20,000
    assert should_promote(trial_of((0.8, 1.5)), bounds).change


def test_intervals_that_hold_less_hold_a_challenger_back() -> None:
    verdict = should_promote(trial_of((0.9, 0.9), inside=(0.9, 0.85)), BOUNDS)
    assert (verdict.change, verdict.reason) == (False, "coverage 85.0%")
    assert should_promote(trial_of((0.9, 0.9), inside=(0.85, 0.9)), BOUNDS).change
    assert should_promote(trial_of((0.9, 0.9), inside=(0.84, 0.84)), BOUNDS).change


def test_a_champion_that_is_worse_than_the_one_before_goes_back() -> None:
    verdict = should_roll_back(trial_of((0.9, 0.9), n_origins=50), BOUNDS)
    assert verdict.change
    assert verdict.reason.startswith("the one before saves ")


def test_a_champion_whose_intervals_hold_less_goes_back() -> None:
    verdict = should_roll_back(trial_of((1.1, 1.1), n_origins=50, inside=(0.8, 0.9)), BOUNDS)
    assert (verdict.change, verdict.reason) == (True, "coverage 80.0%")


@pytest.mark.parametrize("factors, n_origins", [((1.05, 1.05), 50), ((0.5, 0.5), 49)])
def test_a_champion_that_is_not_shown_to_be_worse_stays(
    factors: tuple[float, float], n_origins: int
) -> None:
    assert not should_roll_back(trial_of(factors, n_origins=n_origins), BOUNDS).change


def test_a_trial_that_begins_anew_forgets() -> None:
    trial = trial_of((0.9, 0.9))
    trial.clear()
    assert (len(trial), trial.gain(), trial.p()) == (0, 0.0, 1.0)
    assert trial.worst_group(1) == (-1, 0.0)


def test_scores_of_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match="different values"):
        Trial(3, PROMISED).learn(Score(N, N, 1.0), Score(N, N + 1, 1.0))


def test_a_score_is_what_is_found_by_hand() -> None:
    quantiles = np.array([[[[1.0, 3.0]], [[0.0, 20.0]], [[0.0, 1.0]]]])  # 1 series, 3 cells, 1 lead
    actual = np.array([[[4.0], [10.0], [np.nan]]], np.float32)
    scale = np.array([[1.0], [4.0], [1.0]], np.float32)  # 2 in the mean
    groups = size_groups(np.array([[0.05], [50.0], [0.05]], np.float32))
    score = score_of(quantiles.astype("f4"), actual, (0.1, 0.9), scale, groups)
    first = 2 * (0.1 * 3 + 0.9 * 1) / 2 / np.sqrt(1 * 2)
    second = 2 * (0.1 * 10 + 0.1 * 10) / 2 / np.sqrt(4 * 2)
    assert groups.tolist() == [0, 3, 0]
    assert score.loss == pytest.approx([first, 0, 0, second, 0, 0])
    assert score.n.tolist() == [1, 0, 0, 1, 0, 0]
    assert score.inside == 1


def test_the_loss_of_a_score_is_that_of_training() -> None:
    torch = pytest.importorskip("torch")
    from deep_worlds import small_config, small_network, small_windows

    config = small_config()
    network, windows = small_network(config), small_windows(config)
    origins = np.array([60])
    with torch.no_grad():
        forecast = network(windows.inputs(origins))
    actual, cells = windows.actual(origins), windows.cells
    found = score_of(
        forecast.quantiles[0].numpy(),
        actual[0].numpy(),
        config.quantile_levels,
        cells.scale.numpy(),
        size_groups(cells.level.numpy()),
    )
    surprise = -forecast.distribution.log_likelihood(torch.nan_to_num(actual))
    known = torch.isfinite(actual)
    expected = network.loss(forecast, actual, cells) - 0.1 * surprise[known].mean()
    assert found.loss.sum() / found.n.sum() == pytest.approx(float(expected), rel=1e-4)
