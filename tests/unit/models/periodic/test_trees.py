"""The trees as an expert."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tree_worlds import HORIZON, TreeWorld, Values, counts, tree_profile

from tidecast.models.periodic.artifact import fit
from tidecast.models.periodic.trees import TreesExpert
from tidecast.state.errors import CheckpointError

PROFILE = tree_profile(6, 12)


def said(
    expert: TreesExpert, world: TreeWorld, slabs: list[Values], is_refitted: bool = True
) -> list[NDArray[np.float32]]:
    """Return the means after each slab; refits act from the next bin on."""
    means = []
    for values in slabs:
        if is_refitted and expert.schedule.due is not None:
            expert.swap([fit(rows) for rows in expert.training_rows])
        slab, covariates = world.observe(values)
        expert.learn(world.window, slab, covariates)
        mean, scale = expert.forecast(world.window, covariates)
        assert (scale > 0).all()
        means.append(mean)
    return means


def pulses(n_bins: int) -> list[Values]:
    """Return values of which each third is told by the one before: no calendar knows it."""
    random = np.random.default_rng(5)
    moods = random.integers(0, 2, n_bins // 3 + 2).repeat(3)[:n_bins]
    levels = np.array([10.0, 20.0, 40.0, 15.0])
    return list(((1.0 + 0.5 * moods)[:, None] * levels)[:, :, None])


def test_the_trees_sleep_until_they_are_fitted() -> None:
    expert = TreesExpert(PROFILE)
    means = said(expert, TreeWorld(PROFILE), counts(110, [5.0] * 40))
    asleep = [bool(np.isnan(mean).all()) for mean in means]
    assert asleep.index(False) == 104  # the refits after 12, 24, 48 and 76 bins prove too little
    assert all(np.isfinite(mean).all() for mean in means[104:])
    assert all((mean >= 0.0).all() for mean in means[104:])


def test_the_trees_learn_what_the_usual_week_cannot_know() -> None:
    slabs = pulses(600)
    means = said(TreesExpert(PROFILE), TreeWorld(PROFILE), slabs)
    actual = np.array(slabs[301:])[:, :, 0]
    forecast = np.array(means[300:-1])[:, 0, :, 0]
    plain = np.abs(actual - actual.mean(axis=0)).mean()
    assert np.abs(forecast - actual).mean() < 0.8 * plain


def test_the_trees_follow_a_level_that_moved_after_they_were_fitted() -> None:
    expert, world, slabs = TreesExpert(PROFILE), TreeWorld(PROFILE), counts(346, [20.0, 50.0] * 10)
    said(expert, world, slabs[:300])
    means = said(expert, world, [2.0 * values for values in slabs[300:]], is_refitted=False)
    actual = 2.0 * np.array(slabs[310:])[:, :, 0]
    forecast = np.array(means[9:-1])[:, 0, :, 0]
    assert 0.85 < forecast.mean() / actual.mean() < 1.15  # trees on the usual week reach 0.75


def test_without_a_refit_the_expert_sleeps_on() -> None:
    means = said(TreesExpert(PROFILE), TreeWorld(PROFILE), counts(110, [5.0] * 40), False)
    assert np.isnan(means[-1]).all()


def test_what_is_swapped_in_acts_from_the_next_bin_on() -> None:
    expert, world = TreesExpert(PROFILE), TreeWorld(PROFILE)
    slabs = counts(111, [5.0] * 40)
    said(expert, world, slabs[:110])
    before = expert.snapshot()["next"].copy()
    expert.swap([b""])
    assert expert.snapshot()["next"].tobytes() == before.tobytes()
    assert np.isnan(said(expert, world, slabs[110:])[0]).all()


def test_each_series_has_trees_of_its_own() -> None:
    profile = tree_profile(6, 12, n_series=2)
    expert, world = TreesExpert(profile), TreeWorld(profile)
    both = [np.concatenate([one, np.full_like(one, 3.0)], axis=1) for one in pulses(400)]
    mean = said(expert, world, both)[-1]
    alone = said(TreesExpert(PROFILE), TreeWorld(PROFILE), pulses(400))[-1]
    assert np.allclose(mean[0], alone[0], rtol=1e-6)
    assert np.isnan(mean[1]).all()  # nothing departs from the usual there: no tree pays


def test_a_restored_expert_goes_on_to_the_byte_through_the_next_refit() -> None:
    slabs = counts(160, [1.0, 5.0, 40.0] * 10)
    one, world = TreesExpert(PROFILE), TreeWorld(PROFILE)
    said(one, world, slabs[:70])
    other, twin = TreesExpert(PROFILE), TreeWorld(PROFILE)
    said(TreesExpert(PROFILE), twin, slabs[:70], False)
    other.restore({name: array.copy() for name, array in one.snapshot().items()})
    expected, found = said(one, world, slabs[70:]), said(other, twin, slabs[70:])
    assert [mean.tobytes() for mean in found] == [mean.tobytes() for mean in expected]
    assert one.snapshot()["artifact"].tobytes() == other.snapshot()["artifact"].tobytes()


def test_a_damaged_artifact_is_refused_and_the_trees_of_before_stay() -> None:
    expert, world = TreesExpert(PROFILE), TreeWorld(PROFILE)
    said(expert, world, counts(110, [5.0] * 40))
    before = expert.snapshot()["artifact"].tobytes()
    for artifacts in ([b"tree\n"], [], [b"", b""]):
        with pytest.raises(CheckpointError):
            expert.swap(artifacts)
    assert expert.snapshot()["artifact"].tobytes() == before


def test_cells_that_join_are_forecast_at_once() -> None:
    expert, world = TreesExpert(PROFILE), TreeWorld(PROFILE)
    said(expert, world, counts(110, [5.0] * 40))
    mean = said(expert, world, counts(1, [5.0] * 50))[0]
    assert mean.shape == (1, 50, HORIZON)
    assert np.isfinite(mean).all()


def test_one_burst_moves_forecasts_no_further_than_a_leaf_can() -> None:
    slabs = counts(120, [5.0, 10.0] * 20)
    calm = said(TreesExpert(PROFILE), TreeWorld(PROFILE), slabs)[-1]
    burst = [*slabs[:119], 1e6 * (1.0 + slabs[119])]
    struck = said(TreesExpert(PROFILE), TreeWorld(PROFILE), burst)[-1]
    assert np.isfinite(struck).all()
    assert (struck < 20.0 * (1.0 + calm)).all()


def test_shap_values_add_up_to_what_the_trees_say() -> None:
    expert, world = TreesExpert(PROFILE), TreeWorld(PROFILE)
    said(expert, world, pulses(320))
    slab, covariates = world.observe(pulses(321)[-1])
    expert.learn(world.window, slab, covariates)
    mean, _ = expert.forecast(world.window, covariates)
    parts = expert.explain(world.window, covariates, 2)
    assert np.allclose(sum(parts.values()), mean[:, 2], rtol=1e-5)
    assert np.abs(parts["recent"]).max() > 0.5  # the mood of the last bins, which no season tells
