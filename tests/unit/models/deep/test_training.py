"""Training learns, stops in time, and goes on after a stop as if there had been none."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import rhythm, small_config, small_windows  # noqa: E402

from tidecast.models.deep.accuracy import accuracy_of  # noqa: E402
from tidecast.models.deep.average import Average  # noqa: E402
from tidecast.models.deep.gradients import is_out_of_memory  # noqa: E402
from tidecast.models.deep.processes import Processes  # noqa: E402
from tidecast.models.deep.schedule import Shuffled, TrainingPlan  # noqa: E402
from tidecast.models.deep.training import Progress, Trainer, make_network  # noqa: E402
from tidecast.models.deep.unfinished import load_training, save_training  # noqa: E402
from tidecast.models.deep.windows import split_origins  # noqa: E402
from tidecast.state.errors import CheckpointError, SettingsError  # noqa: E402

PLAN = TrainingPlan(steps=40, batch_size=8, warm_up=4, evaluate_every=6, average=0.9)


def make_trainer(plan: TrainingPlan = PLAN, values=None, **changes: object) -> Trainer:
    config = small_config(n_series=1, n_future=0, n_static=0, **changes)
    windows = small_windows(config, values)
    learnt, validated, _ = split_origins(windows.origins(), 0.2, 0.0, gap=3)
    return Trainer(make_network(config, plan.seed), windows, learnt, validated, plan)


def silent(_: Progress) -> None: ...


def weights_of(trainer: Trainer) -> list[torch.Tensor]:
    return [*trainer.network.parameters(), *trainer.best_weights.values()]


def test_a_short_training_forecasts_better_than_none() -> None:
    trainer = make_trainer()
    before = trainer.validate()
    trainer.run(silent)
    assert trainer.best < 0.8 * before


def test_the_same_seed_gives_the_same_weights_and_another_others() -> None:
    trainers = [make_trainer(PLAN.model_copy(update={"seed": seed})) for seed in (1, 1, 2)]
    for trainer in trainers:
        trainer.run(silent, steps=5)
    first, same, other = (weights_of(trainer) for trainer in trainers)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_training_does_not_touch_the_random_numbers_of_others() -> None:
    trainer = make_trainer()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer.run(silent, steps=2)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("stop", [1, 13, 20])
def test_resumed_training_equals_uninterrupted(stop: int, tmp_path) -> None:
    whole, begun, resumed = make_trainer(), make_trainer(), make_trainer()
    said: list[Progress] = []
    whole.run(said.append, steps=25)
    begun.run(silent, steps=stop)
    save_training(tmp_path / "training", begun.snapshot())
    torch.manual_seed(99)  # another process has drawn other random numbers
    resumed.restore(load_training(tmp_path / "training"))
    said_again: list[Progress] = []
    resumed.run(said_again.append, steps=25 - stop)
    assert said_again[-1] == said[-1]
    pairs = zip(weights_of(whole), weights_of(resumed), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_what_a_snapshot_holds_does_not_change_with_training() -> None:
    trainer = make_trainer()
    trainer.run(silent, steps=2)
    state = trainer.snapshot()
    before = {name: tensor.clone() for name, tensor in state.tensors.items()}
    trainer.run(silent, steps=2)
    assert all(torch.equal(before[name], state.tensors[name]) for name in before)


def test_training_that_pays_no_more_ends_early_and_keeps_the_best() -> None:
    noise = np.random.default_rng(1).normal(50.0, 10.0, (120, 6, 1)).astype(np.float32)
    plan = TrainingPlan(
        steps=2000, batch_size=16, learning_rate=0.02, evaluate_every=10, patience=2, average=0.5
    )
    trainer = make_trainer(plan, noise, dropout=0.0)
    judged: list[float] = []
    trainer.run(lambda progress: judged.append(progress.validated))
    assert trainer.step_number < 1000
    assert trainer.best == min(value for value in judged if not math.isnan(value))


def test_a_gradient_that_is_too_long_is_shortened() -> None:
    def length(most: float) -> float:
        trainer = make_trainer(PLAN.model_copy(update={"largest_gradient": most}))
        trainer.step()
        squares = [(w.grad**2).sum() for w in trainer.network.parameters() if w.grad is not None]
        return float(sum(squares)) ** 0.5

    whole = length(1e6)
    assert length(0.5 * whole) == pytest.approx(0.5 * whole, rel=1e-3)
    assert length(2.0 * whole) == pytest.approx(whole, rel=1e-3)


def test_averaged_weights_forget_slowly_and_faster_while_they_are_young() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    means = []
    with torch.no_grad():
        network.weight.fill_(0.0)
        average = Average(network, decay=0.15)
        for weight in (10.0, 20.0, 20.0):
            network.weight.fill_(weight)
            average.update(network)
            means.append(average.weights["weight"].item())
    assert means == pytest.approx([9.0, 18.35, 19.7525])  # a tenth kept, then 0.15


def test_a_step_that_is_not_finite_changes_no_weight() -> None:
    values = rhythm(n_series=1)
    trainer = make_trainer(values=values)
    trainer.step()
    before = [weight.clone() for weight in weights_of(trainer)]
    with torch.no_grad():
        trainer._windows._values.fill_(torch.inf)
    trainer.step()
    assert trainer.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, weights_of(trainer), strict=True))


def break_windows(trainer: Trainer) -> torch.Tensor:
    """Make every step not finite; return what the windows held."""
    values = trainer._windows._values.clone()
    trainer._windows._values.fill_(torch.inf)
    return values


def test_steps_that_are_never_finite_again_lead_back_to_the_best_weights() -> None:
    trainer = make_trainer()
    trainer.run(silent, steps=8)
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(torch.nan)
    trainer.run(silent, steps=10)
    assert trainer.skipped == 10
    trainer.run(silent, steps=2)
    assert trainer.skipped == 10
    assert all(bool(weight.isfinite().all()) for weight in weights_of(trainer))


def test_training_that_fell_back_goes_on_the_same_after_a_stop(tmp_path) -> None:
    whole, resumed = make_trainer(), make_trainer()
    whole.run(silent, steps=8)
    values = break_windows(whole)
    whole.run(silent, steps=12)
    whole._windows._values.copy_(values)
    whole.run(silent, steps=3)
    save_training(tmp_path / "training", whole.snapshot())
    resumed.restore(load_training(tmp_path / "training"))
    for trainer in (whole, resumed):
        trainer.run(silent, steps=4)
    pairs = zip(weights_of(whole), weights_of(resumed), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_batch_in_parts_has_the_gradient_of_the_whole() -> None:
    plans = [PLAN.model_copy(update={"parts": parts}) for parts in (1, 3)]
    trainers = [make_trainer(plan, dropout=0.0, unseen=0.0) for plan in plans]
    losses = [[trainer.step() for _ in range(6)] for trainer in trainers]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert trainers[0].validate() == pytest.approx(trainers[1].validate(), rel=1e-4)


def out_of_memory_over(n_origins: int, trainer: Trainer, monkeypatch) -> None:
    loss = trainer._loss

    def small_only(origins, weights):
        if len(origins) > n_origins:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss(origins, weights)

    monkeypatch.setattr(trainer, "_loss", small_only)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch) -> None:
    halved, parted = make_trainer(), make_trainer(PLAN.model_copy(update={"parts": 4}))
    out_of_memory_over(2, halved, monkeypatch)
    for trainer in (halved, parted):
        trainer.run(silent, steps=6)  # a validation, too
    pairs = zip(weights_of(halved), weights_of(parted), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert halved.snapshot().values["parts"] == 4


def test_a_batch_is_halved_where_another_process_is_out_of_memory(monkeypatch) -> None:
    trainer = make_trainer()
    short = iter([True, False])
    monkeypatch.setattr(Processes, "any", lambda *_: next(short))
    trainer.step()
    assert trainer.snapshot().values["parts"] == 2


def test_a_window_that_does_not_fit_is_refused(monkeypatch) -> None:
    trainer = make_trainer()
    out_of_memory_over(0, trainer, monkeypatch)
    with pytest.raises(SettingsError, match="does not fit into memory"):
        trainer.step()


def test_other_errors_are_not_taken_for_too_little_memory() -> None:
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


def test_damaged_training_is_refused(tmp_path) -> None:
    path = tmp_path / "training"
    save_training(path, make_trainer().snapshot())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_training(path)


def test_with_nothing_to_be_judged_by_the_averaged_weights_are_the_best() -> None:
    config = small_config(n_series=1, n_future=0, n_static=0)
    windows = small_windows(config)
    none = np.array([], np.int64)
    trainer = Trainer(make_network(config, 1), windows, windows.origins(), none, PLAN)
    trainer.run(silent)
    assert trainer.step_number == PLAN.steps
    state = trainer.snapshot().tensors
    for name, weight in trainer.best_weights.items():
        assert torch.equal(weight, state[f"average/{name}"])


def test_too_few_bins_are_refused() -> None:
    with pytest.raises(SettingsError, match="0 windows to learn from"):
        make_trainer(values=rhythm(n_series=1)[:16])


def test_every_window_is_seen_once_an_epoch_and_in_another_order_in_the_next() -> None:
    shuffled = Shuffled(np.arange(100, 120), batch_size=5, seed=1)
    epochs = [
        [int(o) for step in steps for o in shuffled.batch(step)]
        for steps in (range(4), range(4, 8))
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(100, 120))
    assert epochs[0] != epochs[1]
    assert shuffled.batch(1).tolist() == epochs[0][5:10]


def test_accuracy_is_what_is_found_by_hand() -> None:
    trainer = make_trainer()
    origins = np.arange(50, 61)
    found = accuracy_of(trainer.network, trainer._windows, origins, batch_size=4)
    actual = trainer._windows.actual(origins).numpy()
    with torch.no_grad():
        forecast = trainer.network(trainer._windows.inputs(origins))
    error = forecast.quantiles[..., 1].numpy() - actual
    np.testing.assert_allclose(found.mae, np.nanmean(np.abs(error), axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.rmse, np.sqrt(np.nanmean(error**2, axis=(0, 1, 2))), rtol=1e-5)
    assert found.n.sum() == np.isfinite(actual).sum()


def test_relative_errors_are_of_the_actuals_that_are_not_zero() -> None:
    values = rhythm(n_series=1)
    values[::2, 1:] = 0.0
    trainer = make_trainer(values=values)
    origins = np.arange(50, 61)
    found = accuracy_of(trainer.network, trainer._windows, origins, batch_size=4)
    actual = trainer._windows.actual(origins).numpy()
    with torch.no_grad():
        forecast = trainer.network(trainer._windows.inputs(origins))
    assert (actual == 0.0).sum(axis=(0, 1, 2)).all()
    error = forecast.quantiles[..., 1].numpy() - actual
    relative = np.abs(error / np.where(actual == 0.0, np.nan, actual))
    np.testing.assert_allclose(found.mape, np.nanmean(relative, axis=(0, 1, 2)), rtol=1e-5)
