"""Training: step by step, judged by windows that are later than those learnt from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from tidecast.models.deep.average import Average
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.device import autocast
from tidecast.models.deep.generator import network_of
from tidecast.models.deep.gradients import Gradients
from tidecast.models.deep.learner import Costs, Learner
from tidecast.models.deep.network import Network
from tidecast.models.deep.processes import ALONE, Processes
from tidecast.models.deep.schedule import Shuffled, TrainingPlan, learning_rate
from tidecast.models.deep.windows import Windows
from tidecast.state.errors import SettingsError
from tidecast.state.scopes import nested, scoped

__all__ = ["Progress", "Trainer", "TrainingState", "make_network"]

Origins = NDArray[np.int64]
MOMENTS = ("exp_avg", "exp_avg_sq")
MOST_SKIPPED = 10
"""Steps in a row that are not finite, after which training goes back to the best weights."""


@dataclass(frozen=True)
class Progress:
    """How far training is; ``validated`` is NaN until judged, ``best`` is the least of it."""

    step: int
    loss: float
    validated: float
    best: float


@dataclass(frozen=True)
class TrainingState:
    """All that training needs to go on as if it had not stopped."""

    values: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def make_network(config: NetworkConfig, seed: int) -> Network:
    """Return an untrained network; the same seed, the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network_of(config)


class Trainer:
    """Trains ``network`` with windows of ``learnt`` origins, judged by those of ``validated``.

    Without windows to be judged by, the averaged weights after the last step are the best. All
    ``processes`` that train together hold the same weights at every step.

    Raises
    ------
    SettingsError
        When there is nothing to learn from.
    """

    def __init__(
        self,
        network: Learner,
        windows: Windows,
        learnt: Origins,
        validated: Origins,
        plan: TrainingPlan,
        processes: Processes = ALONE,
    ) -> None:
        if not len(learnt):
            raise SettingsError(
                "0 windows to learn from: give more bins, or a shorter context or horizon"
            )
        self.network = network
        self.plan = plan
        self.step_number = 0
        self.skipped = 0
        self._updates = 0
        self.best = math.inf
        self.device = windows.cells.level.device
        self._costs = Costs(network)
        self._windows = windows
        self._processes = processes
        self._order = Shuffled(learnt, plan.batch_size, plan.seed)
        self._validated = validated
        self._stale = 0
        self._skipped_in_row = 0
        self._last_validated = math.nan
        network.to(self.device)
        self._gradients = Gradients(network, processes, plan.parts, plan.seed)
        self._optimizer = _optimizer(network, plan)
        self._average = Average(network, plan.average)
        self._best_weights = _copied(self._average.weights)

    @property
    def done(self) -> bool:
        """Whether another step would not pay, or none is left."""
        return self.step_number >= self.plan.steps or self._stale >= self.plan.patience

    @property
    def best_weights(self) -> Mapping[str, Tensor]:
        """The averaged weights that were judged best."""
        return self._best_weights if len(self._validated) else self._average.weights

    def run(self, report: Callable[[Progress], None], steps: int | None = None) -> None:
        """Train until it is done, or for so many ``steps``; each is reported."""
        end = self.plan.steps if steps is None else self.step_number + steps
        while not self.done and self.step_number < end:
            loss = self.step()
            if len(self._validated) and self._is_judged:
                self._judge()
            report(Progress(self.step_number, loss, self._last_validated, self.best))

    @property
    def _is_judged(self) -> bool:
        last = self.step_number == self.plan.steps
        return last or self.step_number % self.plan.evaluate_every == 0

    def step(self) -> float:
        """Learn from one batch; return its loss. A step that is not finite changes nothing.

        After ten such steps in a row training goes on from the weights that were judged best.
        """
        origins = self._order.batch(self.step_number)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.step_number, self.plan)
        self.network.train()
        loss = self._gradients.find(self._learnt_loss, origins, self.step_number)
        norm = torch.nn.utils.clip_grad_norm_(
            self.network.parameters(), self.plan.largest_gradient, foreach=True
        )
        if math.isfinite(norm.item()):
            self._update()
        else:
            self._skip()
        self.step_number += 1
        return loss

    def _update(self) -> None:
        self._optimizer.step()
        self._average.update(self.network)
        self._updates += 1
        self._skipped_in_row = 0

    def _skip(self) -> None:
        self.skipped += 1
        self._skipped_in_row += 1
        if self._skipped_in_row >= MOST_SKIPPED:
            self._fall_back()

    @torch.no_grad()
    def _fall_back(self) -> None:
        """Go on from the best weights, the optimiser's memory forgotten."""
        for name, weight in self.network.named_parameters():
            weight.copy_(self.best_weights[name])
        self._average.restore(dict(self.best_weights), steps=0)
        self._optimizer.state.clear()
        self._updates = self._skipped_in_row = 0

    def validate(self) -> float:
        """Return the mean loss of the averaged weights over all values of validation windows."""
        self.network.eval()
        size = math.ceil(self.plan.batch_size / self._gradients.parts)
        starts = range(0, len(self._validated), size)
        sums = torch.zeros(len(starts), 2, dtype=torch.float64, device=self.device)
        with torch.no_grad():
            for number in self._processes.mine(range(len(starts))):
                origins = self._validated[starts[number] : starts[number] + size]
                sums[number] = torch.stack(self._loss(origins, self._average.weights))
        loss, count = self._processes.sum(sums).sum(dim=0).tolist()  # (batch, 2) to (2,)
        return float(loss / max(count, 1.0))

    def _learnt_loss(self, origins: Origins) -> tuple[Tensor, Tensor]:
        return self._loss(origins, {})

    def _loss(self, origins: Origins, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the sum of losses at ``origins``, and of how many values they are.

        ``weights`` stand for the network's own.
        """
        inputs, actual = self._windows.inputs(origins), self._windows.actual(origins)
        named = {f"learner.{name}": weight for name, weight in weights.items()}
        with autocast(self.device):
            loss: Tensor = functional_call(self._costs, named, (inputs, actual), tie_weights=False)
        count = torch.isfinite(actual).sum()
        return loss * count, count

    def _judge(self) -> None:
        self._last_validated = self.validate()
        if self._last_validated < self.best:
            self.best, self._stale = self._last_validated, 0
            self._best_weights = _copied(self._average.weights)
        else:
            self._stale += 1

    def snapshot(self) -> TrainingState:
        """Return the state; a trainer that is given it goes on as this one."""
        values = {
            "step": self.step_number,
            "skipped": self.skipped,
            "skipped_in_row": self._skipped_in_row,
            "updates": self._updates,
            "parts": self._gradients.parts,
            "best": self.best,
            "stale": self._stale,
            "validated": self._last_validated,
            "averaged": self._average.steps,
        }
        weights = dict(self.network.named_parameters())
        state = self._optimizer.state
        known = {name: state[weight] for name, weight in weights.items() if state.get(weight)}
        tensors = {
            "weights": weights,
            "average": self._average.weights,
            "best": self._best_weights,
            **{moment: {name: of[moment] for name, of in known.items()} for moment in MOMENTS},
        }
        return TrainingState(values, _copied(nested(tensors)))

    def restore(self, state: TrainingState) -> None:
        """Become the trainer that ``snapshot`` was taken of."""
        values, tensors = state.values, state.tensors
        self.step_number, self._updates = values["step"], values["updates"]
        self.skipped, self._skipped_in_row = values["skipped"], values["skipped_in_row"]
        self._gradients.parts = values["parts"]
        self.best, self._stale = values["best"], values["stale"]
        self._last_validated = values["validated"]
        self._best_weights = _copied(scoped(tensors, "best"), self.device)
        self._average.restore(scoped(tensors, "average"), values["averaged"])
        weights = scoped(tensors, "weights")
        with torch.no_grad():
            for name, weight in self.network.named_parameters():
                weight.copy_(weights[name])
                if f"{MOMENTS[0]}/{name}" in tensors:
                    self._optimizer.state[weight] = {
                        "step": torch.tensor(float(self._updates), device=self.device),
                        **{m: tensors[f"{m}/{name}"].to(self.device, copy=True) for m in MOMENTS},
                    }


def _optimizer(network: Learner, plan: TrainingPlan) -> torch.optim.AdamW:
    """Return AdamW of what learns, that lets no bias and no embedding decay."""
    embeddings = {id(m.weight) for m in network.modules() if isinstance(m, torch.nn.Embedding)}
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    decays = [w for w in weights if w.ndim > 1 and id(w) not in embeddings]
    others = [w for w in weights if w.ndim <= 1 or id(w) in embeddings]
    groups = [
        {"params": decays, "weight_decay": plan.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)


def _copied(tensors: Mapping[str, Tensor], device: torch.device | None = None) -> dict[str, Tensor]:
    return {name: t.detach().to(device, copy=True) for name, t in tensors.items()}
