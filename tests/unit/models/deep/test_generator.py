"""Futures go together as those that came did, and what is odd stands out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import (  # noqa: E402
    DAY,
    N_CELLS,
    history_of,
    permuted,
    small_about,
    small_cells,
    small_config,
    small_network,
    small_windows,
)

from tidecast.models.deep.adapters import begin_with  # noqa: E402
from tidecast.models.deep.folder import load_model, save_model  # noqa: E402
from tidecast.models.deep.generator import Generator  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.latent import Gaussian  # noqa: E402
from tidecast.models.deep.likelihoods import LIKELIHOODS  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.pretraining import Masked  # noqa: E402
from tidecast.models.deep.scenarios import oddities, scenarios  # noqa: E402
from tidecast.models.deep.schedule import TrainingPlan  # noqa: E402
from tidecast.models.deep.training import Trainer, make_network  # noqa: E402
from tidecast.models.deep.windows import Windows  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402

ORIGINS = [20, 30, 57]
N_BINS = 3000
N_LEARNT = 2700
JUDGED = range(N_LEARNT, N_BINS - 3, 9)
CELLS = tuple(Cell(f"region {number}", "books") for number in range(N_CELLS))
ABOUT = small_about(series=("demand",))


def moods(seed: int = 1) -> np.ndarray:
    """Return counts whose stretches of three bins have a mood that all cells share."""
    random = np.random.default_rng(seed)
    mood = np.exp(random.normal(0.0, 0.4, N_BINS // 3 + 1)).repeat(3)[:N_BINS, None, None]
    sizes = 20.0 + 10.0 * np.arange(N_CELLS)[None, :, None]
    rhythm = 1.5 + np.sin(2 * np.pi * np.arange(N_BINS)[:, None, None] / DAY)
    return random.poisson(sizes * rhythm * mood).astype(np.float32)


def windows_of(values: np.ndarray, config) -> Windows:
    history = history_of(values)
    history = replace(history, future=history.future[:, :, :0], static=history.static[:, :0])
    cells = small_cells(history_of(moods()))  # levels of the world as it was
    return Windows(history, replace(cells, static=cells.static[:, :0]), config)


@pytest.fixture(scope="module")
def model() -> Model:
    config = small_config(n_series=1, n_future=0, n_static=0, dropout=0.0, latent=3)
    windows = windows_of(moods(), config)
    plan = TrainingPlan(
        steps=200, batch_size=32, warm_up=20, learning_rate=1e-2, average=0.98, evaluate_every=200
    )
    learnt = np.arange(12, N_LEARNT - 3, 3)  # where stretches begin
    trainer = Trainer(make_network(config, 1), windows, learnt, learnt[:0], plan)
    trainer.run(lambda _: None)
    network = make_network(config, 1)
    network.load_state_dict(dict(trainer.best_weights))
    return Model(network, CELLS, Scales.of(moods()), ABOUT)


def drawn_and_real(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return futures (origin, sample, cell, lead) and what came (origin, cell, lead)."""
    windows = windows_of(moods(), model.network.config)
    futures = [scenarios(model, windows, origin, 40, seed=origin)[:, 0] for origin in JUDGED]
    return np.stack(futures), windows.actual(JUDGED)[:, 0].numpy()


def test_totals_of_futures_have_the_spread_of_totals(model: Model) -> None:
    futures, actual = drawn_and_real(model)
    totals, real = futures.sum(2), actual.sum(1)  # over cells
    spread = np.sqrt(((totals - totals.mean(1, keepdims=True)) ** 2).mean())
    error = np.sqrt(((real - totals.mean(1)) ** 2).mean())
    assert spread == pytest.approx(error, rel=0.35)
    shuffled = futures.copy()
    for cell in range(N_CELLS):  # as if each cell had futures of its own
        shuffled[:, :, cell] = np.roll(futures[:, :, cell], cell, axis=1)
    alone = shuffled.sum(2)
    apart = np.sqrt(((alone - alone.mean(1, keepdims=True)) ** 2).mean())
    assert apart < 0.65 * error


def test_what_came_lies_anywhere_among_the_futures(model: Model) -> None:
    futures, actual = drawn_and_real(model)
    below = (futures < actual[:, None]).mean(axis=1)  # (origin, cell, lead)
    inside = (below > 0.1) & (below < 0.9)
    assert 0.65 < inside.mean() < 0.93


def test_ten_times_as_much_stands_out_in_its_bin_alone(model: Model) -> None:
    values = moods()
    values[2701, 4, 0] *= 10.0
    config = model.network.config
    calm, odd = (oddities(model, windows_of(v, config), 2700, 1)[0] for v in (moods(), values))
    assert np.unravel_index(odd.argmax(), odd.shape) == (4, 1)
    assert odd[4, 1] > 5.0 + calm.max()
    elsewhere = np.ones_like(odd, bool)
    elsewhere[4, 1] = False
    assert np.array_equal(odd[elsewhere], calm[elsewhere])


def test_what_is_usual_is_about_as_odd_as_what_is_drawn(model: Model) -> None:
    windows = windows_of(moods(), model.network.config)
    found = np.stack([oddities(model, windows, origin, 1) for origin in JUDGED])
    assert abs(found.mean()) < 0.5


def test_what_is_missing_is_not_odd_and_tells_nothing(model: Model) -> None:
    values = moods()
    values[2701, 4, 0] = np.nan
    found = oddities(model, windows_of(values, model.network.config), 2700, 1)
    assert np.isnan(found[0, 4, 1])
    assert np.isfinite(found).sum() == found.size - 1


def test_the_same_seed_draws_the_same_futures_and_another_others(model: Model) -> None:
    windows = windows_of(moods(), model.network.config)
    first, same, other = (scenarios(model, windows, 2700, 5, seed) for seed in (1, 1, 2))
    assert first.shape == (5, 1, N_CELLS, 3)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert (first >= 0).all() and (first == np.floor(first)).all()


def test_no_future_knows_what_comes(model: Model) -> None:
    values = moods()
    values[2700:] = 7.0
    config = model.network.config
    before, after = (scenarios(model, windows_of(v, config), 2700, 5, 1) for v in (moods(), values))
    assert np.array_equal(before, after)


def test_a_saved_generator_draws_the_same_futures(model: Model, tmp_path) -> None:
    save_model(tmp_path / "model", model, {})
    loaded, _ = load_model(tmp_path / "model")
    windows = windows_of(moods(), model.network.config)
    assert isinstance(loaded.network, Generator)
    pairs = [scenarios(each, windows, 2700, 3, seed=4) for each in (model, loaded)]
    assert np.array_equal(*pairs)


def test_a_network_without_latent_values_draws_no_futures() -> None:
    config = small_config(n_series=1, n_future=0, n_static=0)
    plain = Model(small_network(config), CELLS, Scales.of(moods()), ABOUT)
    with pytest.raises(SettingsError, match="--latent"):
        scenarios(plain, windows_of(moods(), config), 2700, 1, seed=1)


def test_every_weight_of_a_generator_is_moved_by_its_loss() -> None:
    config = small_config(dropout=0.0, latent=2, unseen=0.5)
    network, windows = small_network(config).train(), small_windows(config)
    torch.manual_seed(1)
    found = network(windows.inputs(ORIGINS))
    network.loss(found, windows.actual(ORIGINS), windows.cells).backward()
    still = [n for n, w in network.named_parameters() if w.grad is None or not w.grad.any()]
    assert still == []


def test_targets_that_are_not_known_cost_nothing() -> None:
    config = small_config(dropout=0.0, latent=2)
    network, windows = small_network(config), small_windows(config)
    found, actual = network(windows.inputs(ORIGINS)), windows.actual(ORIGINS)
    assert torch.isnan(actual).any()
    cost = network.cost(found, actual).item()
    assert np.isfinite(cost)
    assert network.cost(found, torch.where(actual > 20, torch.nan, actual)).item() != cost
    nothing = network.cost(found, torch.full_like(actual, torch.nan))
    assert np.isfinite(nothing.item())


def test_judging_draws_nothing_and_uses_the_weights_that_are_judged() -> None:
    config = small_config(dropout=0.0, latent=2)
    windows = small_windows(config)
    plan = TrainingPlan(steps=3, batch_size=4, warm_up=1, learning_rate=0.1)
    trainer = Trainer(small_network(config), windows, windows.origins(), np.array(ORIGINS), plan)
    begun = trainer.validate()
    assert trainer.validate() == begun
    with torch.no_grad():
        for weight in trainer.network.parameters():
            weight.mul_(-3.0)
    assert trainer.validate() == begun  # by the averaged weights, which have not moved


def test_cells_in_another_order_cost_the_same() -> None:
    config = small_config(dropout=0.0, latent=2)
    network, windows = small_network(config), small_windows(config)
    inputs, actual = windows.inputs(ORIGINS), windows.actual(ORIGINS)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain = network(inputs)
    moved = network(permuted(inputs, order))
    before, after = (
        network._looked(plain, actual, torch.isfinite(actual)),
        network._looked(moved, actual[:, :, order], torch.isfinite(actual[:, :, order])),
    )
    torch.testing.assert_close(after, before[:, order])
    torch.testing.assert_close(
        network.shared_after(after.mean(1)).mean, network.shared_after(before.mean(1)).mean
    )


def test_a_generator_can_be_pretrained_and_tuned() -> None:
    config = small_config(dropout=0.0, latent=2)
    windows = small_windows(config)
    for learner in (
        Masked(small_network(config)),
        begin_with(small_network(config), "adapters"),
        begin_with(small_network(config), "head"),
    ):
        plan = TrainingPlan(steps=2, batch_size=4, warm_up=1)
        trainer = Trainer(learner, windows, windows.origins(), np.array([], np.int64), plan)
        trainer.run(lambda _: None)
        assert isinstance(learner.learnt(), Generator)


def test_a_gaussian_tells_nothing_beyond_itself_and_more_beyond_others() -> None:
    one = Gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.3, -0.5]))
    assert one.beyond(one).item() == pytest.approx(0.0, abs=1e-6)
    other = Gaussian(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.0]))
    pairs = [torch.distributions.Normal(each.mean, each.log_scale.exp()) for each in (one, other)]
    expected = torch.distributions.kl_divergence(*pairs).sum()
    torch.testing.assert_close(one.beyond(other), expected)


@pytest.mark.parametrize("name", sorted(LIKELIHOODS))
def test_what_is_drawn_has_the_mean_of_the_likelihood(name: str) -> None:
    torch.manual_seed(1)
    raw = torch.tensor([0.5, -1.0, 2.0])[: LIKELIHOODS[name].n_raw].expand(40_000, -1)
    level, scale = torch.full((40_000,), 10.0), torch.full((40_000,), 4.0)
    distribution = LIKELIHOODS[name].of(raw, level, scale)
    assert distribution.draw().mean().item() == pytest.approx(distribution.mean[0].item(), rel=0.02)
