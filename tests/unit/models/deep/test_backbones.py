"""Every backbone keeps the laws of the frame."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from deep_worlds import (  # noqa: E402
    N_CELLS,
    permuted,
    rhythm,
    small_config,
    small_network,
    small_windows,
)

from tidecast.models.deep.backbones import BACKBONES, make_backbone  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402

ORIGINS = [20, 30, 57]
SEQUENTIAL = sorted(
    name for name in BACKBONES if hasattr(make_backbone(name, small_config().shape), "sequence")
)


@pytest.fixture(params=sorted(BACKBONES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_forecast_has_an_axis_for_series_cells_leads_and_levels(name: str) -> None:
    config = small_config(backbone=name)
    forecast = small_network(config)(small_windows(config).inputs(ORIGINS))
    assert forecast.quantiles.shape == (3, 2, N_CELLS, 3, 3)
    assert forecast.mean.shape == (3, 2, N_CELLS, 3)
    assert torch.isfinite(forecast.quantiles).all()


def test_every_weight_is_moved_by_the_loss(name: str) -> None:
    config = small_config(backbone=name, dropout=0.0)
    network, windows = small_network(config), small_windows(config)
    forecast = network(windows.inputs(ORIGINS))
    network.loss(forecast, windows.actual(ORIGINS), windows.cells).backward()
    still = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert still == []


def test_what_comes_after_the_origin_changes_nothing(name: str) -> None:
    config = small_config(backbone=name)
    before, after = rhythm(), rhythm()
    after[60:] += 1000.0
    network = small_network(config)
    inputs, later = (small_windows(config, values).inputs([60]) for values in (before, after))
    later = replace(later, cells=inputs.cells)
    assert torch.equal(network(inputs).quantiles, network(later).quantiles)


def test_values_that_are_not_known_do_not_leak(name: str) -> None:
    config = small_config(backbone=name)
    network, inputs = small_network(config), small_windows(config).inputs(ORIGINS)
    assert not inputs.known.all()
    noise = torch.where(inputs.known, inputs.values, 1e6)
    assert torch.equal(network(inputs).quantiles, network(replace(inputs, values=noise)).quantiles)


def test_cells_in_another_order_have_the_same_forecasts(name: str) -> None:
    config = small_config(backbone=name)
    network, inputs = small_network(config), small_windows(config).inputs(ORIGINS)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = network(permuted(inputs, order)).quantiles
    torch.testing.assert_close(moved, network(inputs).quantiles[:, :, order])


def test_windows_do_not_see_each_other(name: str) -> None:
    config = small_config(backbone=name)
    network, windows = small_network(config), small_windows(config)
    together = network(windows.inputs(ORIGINS)).quantiles
    alone = network(windows.inputs(ORIGINS[:1])).quantiles
    torch.testing.assert_close(together[:1], alone)


def test_in_bfloat16_forecasts_are_nearly_the_same_and_learn(name: str) -> None:
    config = small_config(backbone=name)
    network, windows = small_network(config), small_windows(config)
    inputs, actual = windows.inputs(ORIGINS), windows.actual(ORIGINS)
    exact = network(inputs).quantiles
    with torch.autocast("cpu", torch.bfloat16):
        forecast = network(inputs)
        loss = network.loss(forecast, actual, windows.cells)
    assert forecast.quantiles.dtype == torch.float32
    assert not torch.equal(forecast.quantiles, exact)
    assert (forecast.quantiles - exact).abs().mean() < 0.01 * exact.std()
    assert (forecast.quantiles.diff(dim=-1) > 0).all()
    loss.backward()
    assert all(torch.isfinite(w.grad).all() for w in network.parameters())


@pytest.mark.parametrize("normalise", ["window", "cell"])
def test_a_shift_of_level_shifts_forecasts(name: str, normalise: str) -> None:
    config = small_config(backbone=name, normalise=normalise, likelihood="normal")
    network, inputs = small_network(config), small_windows(config).inputs(ORIGINS)
    cells = replace(inputs.cells, level=inputs.cells.level + 64.0)
    forecast = network(inputs)
    shifted = network(replace(inputs, values=inputs.values + 64.0, cells=cells))
    torch.testing.assert_close(shifted.quantiles, forecast.quantiles + 64.0, atol=1e-3, rtol=0)
    torch.testing.assert_close(shifted.mean, forecast.mean + 64.0, atol=1e-3, rtol=0)


def test_a_window_far_from_the_usual_level_is_forecast_at_its_own(name: str) -> None:
    config = small_config(backbone=name)
    network, inputs = small_network(config), small_windows(config).inputs(ORIGINS)
    shifted = network(replace(inputs, values=inputs.values + 10_000.0)).quantiles
    assert ((shifted - 10_000.0).abs() < 500.0).all()


@pytest.mark.parametrize("name", SEQUENTIAL)
@pytest.mark.parametrize("first", [5, 6, 7])  # within a segment, too, however long those are
def test_no_step_of_a_sequence_knows_a_later_one(name: str, first: int) -> None:
    network = make_backbone(name, small_config().shape).eval()
    state = torch.randn(4, 10, 16, generator=torch.Generator().manual_seed(1))
    later = state.clone()
    later[:, first:] *= -2.0  # not a shift, which norms take off
    before, after = network.sequence(state), network.sequence(later)
    torch.testing.assert_close(before[:, :first], after[:, :first])
    assert not torch.allclose(before[:, first:], after[:, first:])


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_the_last_step_of_a_sequence_knows_the_first(name: str) -> None:
    network = make_backbone(name, small_config(context_length=10).shape).eval()
    state = torch.randn(4, 10, 16, generator=torch.Generator().manual_seed(1))
    other = state.clone()
    other[:, 0] *= -2.0
    assert not torch.equal(network.sequence(state)[:, -1], network.sequence(other)[:, -1])


@pytest.mark.parametrize("name", ["tcn", "transformer_xl", "wavenet"])
@pytest.mark.parametrize("context", [1, 2, 3, 10, 12, 15, 16, 24, 31])
def test_the_last_step_alone_is_that_of_the_sequence(name: str, context: int) -> None:
    network = make_backbone(name, small_config(context_length=context).shape).eval()
    state = torch.randn(4, context, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.last(state), network.sequence(state)[:, -1])


def test_a_backbone_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="'rnn' is unknown; use one of stid"):
        make_backbone("rnn", small_config().shape)
