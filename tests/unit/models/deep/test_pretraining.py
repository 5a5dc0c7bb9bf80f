"""Pretraining asks for what is hidden or comes next, and nothing tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from deep_worlds import small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.backbones import BACKBONES  # noqa: E402
from tidecast.models.deep.pretraining import TASKS, Causal, Lesson, Masked  # noqa: E402
from tidecast.models.deep.schedule import TrainingPlan  # noqa: E402
from tidecast.models.deep.training import Trainer  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402

ORIGINS = [20, 30, 57]


def learnt(task: Masked | Causal, inputs, seed: int = 5) -> Lesson:
    torch.manual_seed(seed)  # of what is hidden
    return task.train()(inputs)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_learns_what_is_hidden(name: str) -> None:
    config = small_config(backbone=name, dropout=0.0, unseen=0.5)
    task, windows = Masked(small_network(config)), small_windows(config)
    found = learnt(task, windows.inputs(ORIGINS))
    task.loss(found, windows.actual(ORIGINS), windows.cells).backward()
    still = [n for n, w in task.named_parameters() if w.grad is None or not w.grad.any()]
    assert still == []


def test_what_is_hidden_does_not_tell_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(dropout=0.0)
    inputs = small_windows(config).inputs(ORIGINS)
    hidden = torch.zeros_like(inputs.known)
    hidden[:, 3:6, 2] = True
    monkeypatch.setattr("tidecast.models.deep.pretraining._stretches", lambda _: hidden)
    task = Masked(small_network(config))
    other = replace(inputs, values=torch.where(hidden, inputs.values * 3 + 50, inputs.values))
    before, after = learnt(task, inputs), learnt(task, other)
    assert torch.equal(before.forecast.quantiles, after.forecast.quantiles)
    assert before.task != after.task  # it is asked for, however


def test_stretches_of_some_length_are_hidden() -> None:
    from tidecast.models.deep.pretraining import HIDDEN, _stretches

    torch.manual_seed(1)
    hidden = _stretches(torch.ones(50, 24, 40, 2, dtype=torch.bool))
    assert hidden.shape == (50, 24, 40, 1)
    assert hidden.float().mean().item() == pytest.approx(HIDDEN, abs=0.02)
    assert (hidden[:, 0] == hidden[:, 2]).all()


@pytest.mark.parametrize("name", ["gru", "tcn", "transformer_xl", "seq2seq"])
def test_the_next_bin_is_guessed_from_those_before_it(name: str) -> None:
    config = small_config(backbone=name, dropout=0.0)
    inputs = small_windows(config).inputs(ORIGINS)
    task = Causal(small_network(config)).eval()
    later = inputs.values.clone()
    later[:, 7:] = later[:, 7:] * -2.0 + 40.0
    before, after = (task.guesses(replace(inputs, values=v)) for v in (inputs.values, later))
    assert before[0].shape == (3, 5, 6, 2)  # of a context of ten the second half
    torch.testing.assert_close(before[0][:, :3], after[0][:, :3])  # bins 5, 6 and 7
    assert not torch.allclose(before[0][:, 3:], after[0][:, 3:])
    torch.testing.assert_close(before[1][:, :2], after[1][:, :2])
    assert not torch.allclose(before[1][:, 2:], after[1][:, 2:])


def test_a_backbone_that_sees_a_window_at_once_has_no_next_bin() -> None:
    with pytest.raises(SettingsError, match="'stid' sees a window at once: use the task masked"):
        Causal(small_network(small_config(backbone="stid")))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_pretrained_network_has_learnt_the_task_and_forecasts(task: str) -> None:
    config = small_config(backbone="gru", n_series=1, n_future=0, n_static=0, dropout=0.0)
    windows = small_windows(config)
    torch.manual_seed(1)
    learner = TASKS[task](small_network(config))
    plan = TrainingPlan(steps=80, batch_size=8, warm_up=4, average=0.9, learning_rate=5e-3)
    trainer = Trainer(learner, windows, windows.origins(end=300), windows.origins(310), plan)
    inputs = windows.inputs(ORIGINS)
    first, begun = learnt(learner, inputs).task.item(), trainer.validate()
    trainer.run(lambda _: None)
    assert learnt(learner, inputs).task.item() < 0.85 * first
    assert trainer.best < 0.8 * begun
    assert learner.learnt() is learner.network
