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
from tidecast.models.deep.learner import Costs, Learner
from tidecast.models.deep.network import Network
from tidecast.models.deep.schedule import Shuffled, TrainingPlan, learning_rate, step_seed
from tidecast.models.deep.windows import Windows
from tidecast.state.errors import SettingsError

__all__ = ["Progress", "Trainer", "TrainingState", "make_network"]

Origins = NDArray[np.int64]
MOMENTS = ("exp_avg", "exp_avg_sq")


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

    Without windows to be judged by, the averaged weights after the last step are the best.

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
    ) -> None:
        if not len(learnt):
            raise SettingsError(
                "0 windows to learn from: give more bins, or a shorter context or horizon"
            )
        self.network = network
        self.plan = plan
        self.step_number = 0
        self.skipped = 0
        self.best = math.inf
        self.device = windows.cells.level.device
        self._costs = Costs(network)
        self._windows = windows
        self._order = Shuffled(learnt, plan.batch_size, plan.seed)
        self._validated = validated
        self._stale = 0
        self._last_validated = math.nan
        network.to(self.device)
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
        """Learn from one batch; return its loss. A step that is not finite changes nothing."""
        origins = self._order.batch(self.step_number)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.step_number, self.plan)
        self.network.train()
        with torch.random.fork_rng():
            torch.manual_seed(step_seed(self.step_number, self.plan.seed))
            loss = self._loss(origins, dict(self.network.named_parameters()))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.largest_gradient)
        if math.isfinite(norm.item()):
            self._optimizer.step()
            self._average.update(self.network)
        else:
            self.skipped += 1
        self.step_number += 1
        return float(loss.detach())

    def validate(self) -> float:
        """Return the mean loss of the averaged weights over the validation windows."""
        self.network.eval()
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(self._validated), self.plan.batch_size):
                origins = self._validated[start : start + self.plan.batch_size]
                total += len(origins) * float(self._loss(origins, self._average.weights))
        return total / len(self._validated)

    def _loss(self, origins: Origins, weights: Mapping[str, Tensor]) -> Tensor:
        inputs, actual = self._windows.inputs(origins), self._windows.actual(origins)
        named = {f"learner.{name}": weight for name, weight in weights.items()}
        with autocast(self.device):
            loss: Tensor = functional_call(self._costs, named, (inputs, actual))
        return loss

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
            "best": self.best,
            "stale": self._stale,
            "validated": self._last_validated,
            "averaged": self._average.steps,
        }
        tensors = {
            **_prefixed("weights", dict(self.network.named_parameters())),
            **_prefixed("average", self._average.weights),
            **_prefixed("best", self._best_weights),
        }
        for name, weight in self.network.named_parameters():
            moments = self._optimizer.state.get(weight, {})
            for moment in MOMENTS:
                if moment in moments:
                    tensors[f"{moment}/{name}"] = moments[moment]
        return TrainingState(values, _copied(tensors))

    @property
    def _updates(self) -> int:
        """Steps that the optimiser has taken."""
        return self.step_number - self.skipped

    def restore(self, state: TrainingState) -> None:
        """Become the trainer that ``snapshot`` was taken of."""
        values, tensors = state.values, state.tensors
        self.step_number, self.skipped = values["step"], values["skipped"]
        self.best, self._stale = values["best"], values["stale"]
        self._last_validated = values["validated"]
        self._best_weights = _copied(_within(tensors, "best"))
        self._average.restore(_within(tensors, "average"), values["averaged"])
        weights = _within(tensors, "weights")
        with torch.no_grad():
            for name, weight in self.network.named_parameters():
                weight.copy_(weights[name])
                if f"{MOMENTS[0]}/{name}" in tensors:
                    self._optimizer.state[weight] = {
                        "step": torch.tensor(float(self._updates)),
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
    return torch.optim.AdamW(groups, lr=plan.learning_rate)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _prefixed(scope: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{scope}/{name}": tensor for name, tensor in tensors.items()}


def _within(tensors: Mapping[str, Tensor], scope: str) -> dict[str, Tensor]:
    start = f"{scope}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
