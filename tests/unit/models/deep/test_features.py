"""What a network sees: units of windows, and cells that were not there in training."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from deep_worlds import N_CELLS, small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.inputs import UNSEEN, Inputs  # noqa: E402
from tidecast.models.deep.normalise import PRIOR, units_of  # noqa: E402

ORIGINS = [20, 30]


def small_inputs() -> Inputs:
    return small_windows(small_config()).inputs(ORIGINS)


def test_the_level_of_a_window_is_the_mean_of_what_is_known() -> None:
    inputs = small_inputs()
    units = units_of(inputs, "window")
    values = torch.where(inputs.known, inputs.values, torch.nan)
    torch.testing.assert_close(units.level, values.nanmean(dim=1))
    squares = ((values - units.level[:, None]) ** 2).nansum(dim=1)
    count = inputs.known.sum(dim=1)
    variance = (squares + PRIOR * inputs.cells.scale**2) / (count + PRIOR)
    torch.testing.assert_close(units.scale, variance.sqrt())


def test_a_window_of_which_nothing_is_known_stands_at_the_usual_level() -> None:
    inputs = small_inputs()
    units = units_of(replace(inputs, known=torch.zeros_like(inputs.known)), "window")
    assert torch.equal(units.level, inputs.cells.level.expand(2, -1, -1))
    torch.testing.assert_close(units.scale, inputs.cells.scale.expand(2, -1, -1))
    assert not units.standing.any()


def test_by_cell_the_window_tells_only_how_it_stands() -> None:
    inputs = small_inputs()
    higher = replace(inputs, values=inputs.values + 2 * inputs.cells.scale)
    units, shifted = units_of(inputs, "cell"), units_of(higher, "cell")
    assert torch.equal(units.level, shifted.level)
    torch.testing.assert_close(shifted.standing, units.standing + 2.0)


def test_no_standing_is_beyond_its_bound() -> None:
    inputs = small_inputs()
    for change in (1e9, -1e9):
        units = units_of(replace(inputs, values=inputs.values + change), "window")
        assert units.standing.abs().max().item() == 5.0


def test_new_cells_are_forecast_alike_by_the_embedding_of_the_unseen() -> None:
    config = small_config()
    network, inputs = small_network(config), small_inputs()
    unseen = torch.full((N_CELLS,), UNSEEN)
    new = network(replace(inputs, cells=replace(inputs.cells, number=unseen))).quantiles
    with torch.no_grad():
        network.features.cell.weight[1:] = network.features.cell.weight[UNSEEN]
    torch.testing.assert_close(network(inputs).quantiles, new)


def test_in_training_the_embedding_of_the_unseen_learns_too() -> None:
    config = small_config(unseen=0.5)
    network, windows = small_network(config).train(), small_windows(config)
    torch.manual_seed(1)
    forecast = network(windows.inputs(ORIGINS))
    network.loss(forecast, windows.actual(ORIGINS), windows.cells).backward()
    assert network.features.cell.weight.grad[UNSEEN].any()
