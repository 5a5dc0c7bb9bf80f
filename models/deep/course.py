"""A course: what a network begins with, and what of it learns which task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import xxhash

from tidecast.models.deep.adapters import begin_with
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.learner import Learner
from tidecast.models.deep.model import Model
from tidecast.models.deep.pretraining import TASKS
from tidecast.models.deep.training import make_network
from tidecast.models.deep.transfer import moved
from tidecast.state.cells import Cell

__all__ = ["PLAIN", "Course"]


@dataclass(frozen=True)
class Course:
    """Learn a ``task`` of `TASKS`, or to forecast alone; with a ``part`` of `PARTS`.

    ``source`` is the model whose weights are the beginning; without one they are drawn.
    """

    task: str | None = None
    part: str = "all"
    source: Model | None = None

    def learner(self, config: NetworkConfig, cells: Sequence[Cell], seed: int) -> Learner:
        """Return what is to be trained; the same seed, the same weights.

        Raises
        ------
        SettingsError
            When the backbone cannot learn the task, or the source is of another kind of data.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            source = self.source
            network = moved(source, config, cells) if source else make_network(config, seed)
            return TASKS[self.task](network) if self.task else begin_with(network, self.part)

    def fingerprint(self) -> str:
        """Return a hash of what the weights depend on."""
        found = xxhash.xxh3_128(repr((self.task, self.part)).encode())
        if self.source is not None:
            found.update(repr(self.source.cells).encode())
            for weight in self.source.network.parameters():
                found.update(weight.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()


PLAIN = Course()
"""All of a new network learns to forecast."""
