"""Pretraining: a network learns more of windows than to forecast, so that it knows what they are.

What is added is needed only in training: a pretrained network is a network like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import join_cells
from tidecast.models.deep.features import CLIP
from tidecast.models.deep.head import Forecast
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.learner import Learner
from tidecast.models.deep.network import Network
from tidecast.state.errors import SettingsError

__all__ = ["TASKS", "Causal", "Masked"]

HIDDEN = 0.25
"""Share of a window that is hidden."""

STRETCH = 3
"""Bins that are hidden together: one alone is told by those beside it."""

TASK_WEIGHT = 0.5
"""Of an error of one scale in the task, beside the loss of the forecast."""


@dataclass(frozen=True)
class Lesson:
    """A forecast, and the loss of the task that came with it; none when it is only judged."""

    forecast: Forecast
    task: Tensor | None


class _Task(Learner):
    """A network that learns a task beside its forecasts; it is judged by these alone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def loss(self, found: Lesson, actual: Tensor, cells: Cells) -> Tensor:
        """See `Learner.loss`."""
        of_forecast = self.network.loss(found.forecast, actual, cells)
        return of_forecast if found.task is None else of_forecast + TASK_WEIGHT * found.task

    def learnt(self) -> Network:
        """See `Learner.learnt`."""
        return self.network


class Masked(_Task):
    """Hides stretches of the windows, and asks for them and for what comes after.

    As BERT does with words (Devlin et al. 2019), and Zerveas et al. (2021) with series. Every
    backbone can learn so.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        config = network.config
        self._axes = (config.context_length, config.n_series)
        self.hidden = nn.Linear(config.width, config.context_length * config.n_series)

    def forward(self, inputs: Inputs) -> Lesson:
        """Return the forecast of windows of which a part is hidden while it learns."""
        if not self.training:
            return Lesson(self.network(inputs), None)
        hidden = _stretches(inputs.known)
        seen = replace(inputs, known=inputs.known & ~hidden)
        state, units = self.network.states(seen)
        guess = self.hidden(state).unflatten(-1, self._axes).transpose(1, 2)
        truth = units.normalised(inputs.values)  # (batch, context, cell, series)
        task = _mean_error(guess, truth, inputs.known & hidden)
        return Lesson(self.network.said(state, units), task)


class Causal(_Task):
    """Asks at every step of a window for the next bin, as GPT-2 does (Radford et al. 2019).

    A window is seen in the units of its first half, and the second half is asked for: units of the
    whole would tell what comes.

    Raises
    ------
    SettingsError
        When the backbone does not go through a window step by step.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        config = network.config
        if config.context_length < 2:
            raise SettingsError("a context of one bin holds no next one: give a longer one")
        _sequential(network)
        self._half = config.context_length // 2
        self.next = nn.Linear(config.width, config.n_series)

    def forward(self, inputs: Inputs) -> Lesson:
        """Return the forecast, while it learns with the error of all next bins."""
        forecast = self.network(inputs)
        return Lesson(forecast, self._task(inputs) if self.training else None)

    def _task(self, inputs: Inputs) -> Tensor:
        guess, truth = self.guesses(inputs)
        return _mean_error(guess, truth, inputs.known[:, self._half :])

    def guesses(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return guesses of the second half, each from what is before it, and what it was.

        Both are (batch, step, cell, series), in units of the first half.
        """
        early = torch.zeros_like(inputs.known)
        early[:, : self._half] = inputs.known[:, : self._half]
        units = self.network.units(replace(inputs, known=early))
        tokens, identity = self.network.features(inputs, units)
        backbone = _sequential(self.network)
        rows = backbone.sequence(join_cells(backbone.embed(tokens, identity)))
        before = rows[:, self._half - 1 : -1]  # (batch * cell, step, width)
        guess = self.next(before).unflatten(0, identity.shape[:2]).transpose(1, 2)
        return guess, units.normalised(inputs.values)[:, self._half :]


@runtime_checkable
class _Sequential(Protocol):
    """A backbone that goes through windows: no step of `sequence` knows a later one."""

    embed: nn.Module

    def sequence(self, state: Tensor) -> Tensor:
        """Return (row, context, width) of the same."""
        ...


def _sequential(network: Network) -> _Sequential:
    backbone = network.backbone
    if not isinstance(backbone, _Sequential):
        raise SettingsError(
            f"backbone {network.config.backbone!r} sees a window at once: use the task masked, or "
            "a backbone that goes through it, such as gru or tcn"
        )
    return backbone


TASKS: dict[str, Callable[[Network], Learner]] = {"masked": Masked, "causal": Causal}
"""Every task by its name."""


def _stretches(known: Tensor) -> Tensor:
    """Return which values to hide, all series of a cell together: (batch, context, cell, 1)."""
    n_batch, n_context, n_cells, _ = known.shape
    n_stretches = -(-n_context // STRETCH)
    drawn = torch.rand(n_batch, n_stretches, n_cells, 1, device=known.device) < HIDDEN
    return drawn.repeat_interleave(STRETCH, dim=1)[:, :n_context]


def _mean_error(guess: Tensor, truth: Tensor, asked: Tensor) -> Tensor:
    """Return the mean error where it is ``asked`` for, in scales; large ones count linearly."""
    target = torch.where(asked, truth, 0.0).clamp(-CLIP, CLIP)
    each = functional.smooth_l1_loss(guess.float(), target, reduction="none")
    return torch.where(asked, each, 0.0).sum() / asked.sum().clamp(min=1)
