"""``tidecast deep pretrain`` and ``finetune``: what one shop learns from another."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
from deep_commands import invoke

from tidecast.state.errors import CheckpointError, SettingsError

SMALL = ["--context", "6", "--horizon", "3", "--width", "8", "--depth", "1", "--batch-size", "8"]

torch = pytest.importorskip("torch")

from tidecast.models.deep.folder import load_model  # noqa: E402
from tidecast.models.deep.training import Trainer  # noqa: E402


def shop(path: Path, n_cells: int, n_bins: int = 240, seed: int = 1) -> Path:
    hours = np.arange(n_bins)[:, None]
    usual = (10.0 + 20.0 * np.arange(n_cells)) * (1.5 + np.sin(2 * np.pi * hours / 24))
    flow = np.random.default_rng(seed).poisson(usual).astype(np.int16)
    np.savez(path, flow=flow, start=np.array("2024-01-01 00:00"))
    return path


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    out, file = tmp_path / "pretrained", shop(tmp_path / "large.npz", 5)
    invoke("pretrain", file, "--freq", "1h", "--out", out, "--steps", 12, *SMALL)
    return out


def finetune(file: Path, source: Path, out: Path, *more: object) -> str:
    return invoke(
        *("finetune", file, "--freq", "1h", "--from", source, "--out", out),
        *("--steps", 6, "--test", 0, *more),
    )


def test_two_days_of_another_shop_are_enough_to_go_on(pretrained: Path, tmp_path: Path) -> None:
    file, out = shop(tmp_path / "small.npz", 7, n_bins=48), tmp_path / "tuned"
    assert "7 cells" in finetune(file, pretrained, out)
    model, metrics = load_model(out)
    assert model.network.config.n_cells == 7
    assert model.network.config.unseen < 0.5  # that was for pretraining
    assert model.about.last == "2024-01-03T00:00:00Z"  # all is learnt from
    assert set(metrics) == {"seconds"}  # and nothing is judged
    assert "MAE" in invoke("evaluate", out, shop(tmp_path / "later.npz", 7), "--freq", "1h")


def test_cells_of_the_same_name_go_on_unless_they_are_new(pretrained: Path, tmp_path: Path) -> None:
    before, _ = load_model(pretrained)
    with torch.no_grad():
        rows = before.network.features.cell.weight
    file = shop(tmp_path / "small.npz", 5, n_bins=48)
    rate = ("--learning-rate", 1e-9, "--part", "head")
    finetune(file, pretrained, tmp_path / "known", *rate)
    finetune(file, pretrained, tmp_path / "new", "--new-cells", *rate)
    known, new = (
        load_model(tmp_path / n)[0].network.features.cell.weight for n in ("known", "new")
    )
    torch.testing.assert_close(known, rows)
    torch.testing.assert_close(new, rows[:1].expand_as(new))


@pytest.mark.parametrize("part", ["head", "adapters", "all"])
def test_each_part_makes_a_model_like_any_other(
    pretrained: Path, tmp_path: Path, part: str
) -> None:
    file = shop(tmp_path / "small.npz", 7, n_bins=48)
    finetune(file, pretrained, tmp_path / "tuned", "--part", part)
    before, after = (load_model(path)[0].network for path in (pretrained, tmp_path / "tuned"))
    assert [n for n, _ in before.named_parameters()] == [n for n, _ in after.named_parameters()]
    pairs = zip(before.backbone.parameters(), after.backbone.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs) == (part == "head")
    assert torch.equal(before.features.hour.weight, after.features.hour.weight) == (part != "all")


def test_a_stopped_finetuning_goes_on_but_not_from_other_weights(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, kept = shop(tmp_path / "small.npz", 7, n_bins=48), tmp_path / "kept"
    ways = ("--part", "adapters", "--resume", kept)
    finetune(file, pretrained, tmp_path / "whole", "--part", "adapters")
    monkeypatch.setattr(Trainer, "done", property(lambda trainer: trainer.step_number >= 3))
    finetune(file, pretrained, tmp_path / "half", *ways)
    monkeypatch.undo()
    finetune(file, pretrained, tmp_path / "parts", *ways)
    whole, parts = ((tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts
    with pytest.raises(CheckpointError, match="other data or options"):
        finetune(file, tmp_path / "whole", tmp_path / "other", *ways)


def test_data_of_other_bins_are_refused(pretrained: Path, tmp_path: Path) -> None:
    file = shop(tmp_path / "small.npz", 7)
    with pytest.raises(SettingsError, match="bins of"):
        invoke(
            *("finetune", file, "--freq", "30min", "--from", pretrained),
            *("--out", tmp_path / "tuned"),
        )


def test_too_little_to_be_judged_by_is_said(pretrained: Path, tmp_path: Path) -> None:
    file = shop(tmp_path / "small.npz", 7, n_bins=12)
    with pytest.raises(SettingsError, match="--validate 0"):
        finetune(file, pretrained, tmp_path / "tuned", "--validate", 0.1)


def test_a_task_that_a_backbone_cannot_learn_is_refused(tmp_path: Path) -> None:
    file = shop(tmp_path / "large.npz", 5)
    with pytest.raises(SettingsError, match="use the task masked"):
        invoke(
            *("pretrain", file, "--freq", "1h", "--out", tmp_path / "out"),
            *("--task", "causal", *SMALL),
        )


def test_the_task_tells_in_the_weights(tmp_path: Path) -> None:
    file = shop(tmp_path / "large.npz", 5)
    words = ("--freq", "1h", "--steps", 4, *SMALL, "--backbone", "gru")
    for task in ("masked", "causal"):
        invoke("pretrain", file, "--out", tmp_path / task, "--task", task, *words)
    masked, causal = (load_model(tmp_path / task)[0].network for task in ("masked", "causal"))
    pairs = zip(masked.backbone.parameters(), causal.backbone.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_every_window_is_learnt_from_sixteen_times(pretrained: Path, tmp_path: Path) -> None:
    file = shop(tmp_path / "small.npz", 7, n_bins=28)
    words = ("--freq", "1h", "--from", pretrained, "--out", tmp_path / "tuned", "--test", 0)
    invoke("finetune", file, *words)
    model, _ = load_model(tmp_path / "tuned")
    assert model.about.steps == 16 * 20 // 4  # of 28 bins 20 windows, 4 a batch


def test_impossible_steps_are_refused(pretrained: Path, tmp_path: Path) -> None:
    file = shop(tmp_path / "small.npz", 7)
    with pytest.raises(click.BadParameter):
        finetune(file, pretrained, tmp_path / "tuned", "--steps", 0)
