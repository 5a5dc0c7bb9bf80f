"""The week that repeats itself in a window: learnt from what is known, told of bins to come."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from deep_worlds import DAY, permuted, small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.config import NetworkConfig  # noqa: E402
from tidecast.models.deep.generator import Generator  # noqa: E402
from tidecast.models.deep.inputs import Inputs  # noqa: E402
from tidecast.models.deep.normalise import units_of  # noqa: E402
from tidecast.models.deep.pretraining import TASKS  # noqa: E402
from tidecast.models.deep.season import ratio_of, season_of  # noqa: E402
from tidecast.models.deep.training import make_network  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402

WEEK = 7 * DAY
CONTEXT = 2 * WEEK + 5  # that of whole weeks counts
ORIGINS = [CONTEXT, CONTEXT + 31]


def seasonal(**changes: object) -> NetworkConfig:
    return small_config(context_length=CONTEXT, normalise="season", **changes)


def small_inputs(config: NetworkConfig) -> Inputs:
    return small_windows(config).inputs(ORIGINS)


def test_a_week_that_repeats_itself_is_known_ahead() -> None:
    hours = torch.arange(CONTEXT + 9.0)
    repeated = (torch.sin(hours / 5.0) * (hours % WEEK))[:WEEK].repeat(3)[: CONTEXT + 9]
    whole = repeated[None, :, None, None]  # (batch, bin, cell, series)
    seen = whole[:, :CONTEXT]
    season = season_of(seen, torch.ones_like(seen, dtype=torch.bool), DAY, horizon=9)
    of_day = season_of(whole[:, :WEEK], torch.ones_like(whole[:, :WEEK]).bool(), DAY, 0)
    assert season.shape == whole.shape
    far = (season - whole).square().mean()
    assert far < 0.3 * (whole - whole.mean()).square().mean()
    assert far < (of_day[:, :1].expand_as(whole) - whole).square().mean()


def test_a_slot_leans_on_its_hour_and_that_on_the_window() -> None:
    values = torch.zeros(1, 2 * WEEK, 1, 1)
    values[0, [3, WEEK + 3]] = 14.0  # Monday, at three
    season = season_of(values, torch.ones_like(values, dtype=torch.bool), DAY, horizon=WEEK)
    mean = 28.0 / (2 * WEEK)
    came, n_weeks = 14.0 * 1.7, 1.7  # the week before counts 0.7
    at_three = (came + mean) / (7 * n_weeks + 1.0)  # of 14 values, and the mean
    ahead = season[0, 2 * WEEK :, 0, 0]
    assert ahead[3].item() == pytest.approx((came + 0.7 * at_three) / (n_weeks + 0.7))
    assert ahead[DAY + 3].item() == pytest.approx(0.7 * at_three / (n_weeks + 0.7))
    assert ahead[4].item() == pytest.approx(0.7 * mean / (7 * n_weeks + 1.0) / (n_weeks + 0.7))


def test_the_last_week_tells_most() -> None:
    weeks = torch.cat([torch.zeros(1, WEEK, 1, 1), torch.full((1, WEEK, 1, 1), 8.0)], dim=1)
    known = torch.ones_like(weeks, dtype=torch.bool)
    after, before = (season_of(each, known, DAY, horizon=3)[0, -1] for each in (weeks, 8 - weeks))
    assert after > 4.0 > before


def test_what_is_not_known_tells_nothing() -> None:
    values = torch.full((1, WEEK, 1, 1), 7.0)
    known = torch.ones_like(values, dtype=torch.bool)
    known[0, ::5] = False
    seen = torch.where(known, values, 0.0)
    torch.testing.assert_close(season_of(seen, known, DAY, 0), values)
    nothing = season_of(torch.zeros_like(values), torch.zeros_like(known), DAY, 3)
    assert not nothing.any()


def test_units_of_a_season_take_the_week_off_the_window() -> None:
    config = seasonal()
    inputs = small_inputs(config)
    plain, units = units_of(inputs, "window"), units_of(inputs, "season", DAY)
    torch.testing.assert_close(units.level, plain.level)
    assert (units.scale < 0.8 * plain.scale).all()
    assert units.past.shape == inputs.values.shape
    first = (units.ahead[:, 0] - units.past[:, -WEEK]).abs()
    assert first.max() < 1e-4  # a week later


def test_counts_that_were_twice_what_was_expected_make_a_ratio_of_two_in_the_end() -> None:
    expected = torch.full((1, DAY, 1, 1), 5.0)
    level, scale = torch.full((1, 1, 1), 5.0), torch.full((1, 1, 1), 5.0**0.5)
    prior = 15.0  # events, of noise as large as that of events
    found = ratio_of(2.0 * expected, expected, level, scale).item()
    assert found == pytest.approx((2 * 5.0 * DAY + prior) / (5.0 * DAY + prior))
    large = 1e4 * expected, 1e4 * level, 1e2 * scale
    assert ratio_of(2.0 * large[0], *large).item() == pytest.approx(2.0, abs=0.01)
    nothing = torch.zeros_like(expected)
    assert ratio_of(nothing, nothing, level, scale).item() == 1.0
    assert ratio_of(expected, expected, torch.zeros_like(level), scale).item() == 1.0
    assert ratio_of(1e9 * expected, expected, level, scale).item() == 5.0


def test_counts_ahead_are_as_the_last_day_was_beside_its_season() -> None:
    inputs = small_inputs(seasonal())
    last = inputs.values.clone()
    last[:, -DAY:] *= 1.5
    of_counts, plain = (
        units_of(replace(inputs, values=last), "season", DAY, are_counts=each)
        for each in (True, False)
    )
    assert torch.equal(of_counts.past, plain.past)
    ratio = of_counts.ahead / plain.ahead
    assert (ratio.amax(dim=1) - ratio.amin(dim=1)).max() < 1e-4  # one of all leads
    assert 1.05 < ratio.mean() < 1.4


def test_an_origin_takes_two_weeks_of_which_those_before_are_not_known() -> None:
    config = seasonal().model_copy(update={"context_length": 3 * WEEK - 110})
    windows = small_windows(config)
    first = 2 * WEEK
    assert windows.origins()[0] == first
    inputs, later = windows.inputs([first]), windows.inputs([first + 7])
    before = config.context_length - first
    assert not inputs.known[:, :before].any()
    assert inputs.known[:, before:].float().mean() > 0.8
    assert torch.equal(inputs.values[:, 7:], later.values[:, :-7])
    assert torch.equal(inputs.calendar[:, -1] + torch.tensor([7, 0]), later.calendar[:, -1])
    ahead = windows.actual([first])[..., 0].nan_to_num()  # (batch, series, cell)
    seen = later.values[:, -7].transpose(1, 2)  # the same bin, once it is past
    assert torch.equal(ahead, seen)
    with pytest.raises(SettingsError, match="no context of 336"):
        windows.inputs([first - 1])


@pytest.mark.parametrize("backbone", ["stid", "itransformer", "gru"])
def test_forecasts_follow_shifts_know_no_missing_value_and_no_order(backbone: str) -> None:
    config = seasonal(backbone=backbone, likelihood="normal")
    network, inputs = small_network(config), small_inputs(config)
    forecast = network(inputs)
    cells = replace(inputs.cells, level=inputs.cells.level + 64.0)
    shifted = network(replace(inputs, values=inputs.values + 64.0, cells=cells))
    torch.testing.assert_close(shifted.quantiles, forecast.quantiles + 64.0, atol=2e-3, rtol=0)
    noise = torch.where(inputs.known, inputs.values, 1e6)
    assert torch.equal(network(replace(inputs, values=noise)).quantiles, forecast.quantiles)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = network(permuted(inputs, order)).quantiles
    torch.testing.assert_close(moved, forecast.quantiles[:, :, order], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_pretraining_and_drawing_take_the_week_off_too(task: str) -> None:
    config = seasonal(backbone="gru", latent=2, likelihood="negative_binomial")
    windows = small_windows(config)
    learner = TASKS[task](make_network(config, seed=3)).train()
    inputs, actual = windows.inputs(ORIGINS), windows.actual(ORIGINS)
    loss = learner.loss(learner(inputs), actual, inputs.cells)
    assert torch.isfinite(loss)
    network = learner.learnt().eval()
    assert isinstance(network, Generator)
    futures = network.futures(network(inputs), 3).mean
    assert futures.shape == (3 * len(ORIGINS), *actual.shape[1:])
    assert torch.isfinite(futures).all()


def test_a_context_shorter_than_two_weeks_has_no_season() -> None:
    with pytest.raises(ValidationError, match="a season takes 336 bins"):
        small_config(context_length=2 * WEEK - 1, normalise="season")
