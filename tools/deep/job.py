"""A training: data, network, plan and the split of time, and what comes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np
import xxhash
from numpy.typing import NDArray

from tidecast.models.deep.accuracy import Accuracy, accuracy_of
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.device import pick_device
from tidecast.models.deep.history import History, Scales
from tidecast.models.deep.model import About, Model, make_cells
from tidecast.models.deep.schedule import TrainingPlan
from tidecast.models.deep.space import space_of
from tidecast.models.deep.training import Trainer, make_network
from tidecast.models.deep.windows import Windows, split_origins
from tidecast.state.bins import iso
from tidecast.tools.deep.data import Data

__all__ = ["Job", "Shares", "grid_of", "judge", "windows_of"]

LARGEST_GRID = 32
BATCH = 32
MOST_VALIDATED = 1000
"""Windows that judge a training while it runs: of more, evenly spread ones."""


@dataclass(frozen=True)
class Shares:
    """Shares of the windows, the last of all ``tested``, those before it ``validated``."""

    validated: float = 0.2
    tested: float = 0.2


@dataclass(frozen=True)
class Job:
    """One training; the windows that are tested are not looked at."""

    data: Data
    config: NetworkConfig
    plan: TrainingPlan
    shares: Shares

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], ...]:
        config = self.config
        origins = np.arange(config.context_length, len(self.data.values) - config.horizon + 1)
        return split_origins(origins, self.shares.validated, self.shares.tested, gap=config.horizon)

    @cached_property
    def scales(self) -> Scales:
        """The level and scale of every cell over the bins that are learnt from."""
        learnt = self._parts[0]
        end = int(learnt[-1]) + self.config.horizon if len(learnt) else 0
        return Scales.of(self.data.values[:end])

    @cached_property
    def windows(self) -> Windows:
        """All windows, on the device where they are trained."""
        numbers = np.arange(1, len(self.data.cells) + 1)
        return windows_of(self.data, self.config, numbers, self.scales)

    def trainer(self) -> Trainer:
        """Return the trainer, at its first step.

        Raises
        ------
        SettingsError
            When the data are too few, or there is no such backbone.
        """
        network = make_network(self.config, self.plan.seed)
        learnt, validated, _ = self._parts
        thinned = validated[:: math.ceil(len(validated) / MOST_VALIDATED) or 1]
        return Trainer(network, self.windows, learnt, thinned, self.plan)

    def model(self, trainer: Trainer) -> Model:
        """Return the model of the weights that were judged best."""
        network = make_network(self.config, self.plan.seed)
        network.load_state_dict(dict(trainer.best_weights))
        return Model(network.to(trainer.device), self.data.cells, self.scales, self._about(trainer))

    def validated(self, model: Model) -> Accuracy:
        """Return how good ``model`` is at the windows that judged it."""
        return accuracy_of(model.network, self.windows, self._parts[1], BATCH)

    def fingerprint(self) -> str:
        """Return a hash of all that the weights depend on."""
        found = xxhash.xxh3_128(np.ascontiguousarray(self.data.values).tobytes())
        found.update(repr((self.config, self.plan, self.shares, self.data.first_bin)).encode())
        return found.hexdigest()

    def _about(self, trainer: Trainer) -> About:
        grid, validated = self.data.grid, self._parts[1]
        last = self.data.first_bin + int(validated[-1]) + self.config.horizon
        return About(
            series=self.data.series,
            bin_width=grid.width,
            time_zone=str(grid.zone),
            first=iso(grid.start(self.data.first_bin)),
            last=iso(grid.start(last)),
            steps=trainer.step_number,
            seed=self.plan.seed,
            versions={name: version(name) for name in ("tidecast", "torch")},
        )


def judge(model: Model, data: Data, tested: float) -> Accuracy:
    """Return how good ``model`` is at the last share of the windows of ``data``."""
    config = model.network.config
    origins = np.arange(config.context_length, len(data.values) - config.horizon + 1)
    learnt, _, last = split_origins(origins, 0.0, tested, gap=config.horizon)
    young = Scales.of(data.values[: int(last[0]) if len(last) else len(learnt)])
    scales = model.scales_of(data.cells, young)
    windows = windows_of(data, config, model.numbers(data.cells), scales)
    return accuracy_of(model.network.to(pick_device()), windows, last, BATCH)


def windows_of(
    data: Data, config: NetworkConfig, numbers: NDArray[np.int64], scales: Scales
) -> Windows:
    """Return the windows of ``data``, on the device of this machine."""
    history = History.plain(data.values, data.calendar(config.horizon))
    space = space_of(data.cells, data.positions, config.grid)
    cells = make_cells(numbers, scales, history.static, space)
    return Windows(history, cells, config, pick_device())


def grid_of(data: Data) -> tuple[int, int]:
    """Return the size of a map on which regions lie side by side, about a pixel each."""
    n_regions = len({cell.region for cell in data.cells if cell.region in data.positions})
    side = min(LARGEST_GRID, max(1, math.ceil(math.sqrt(n_regions))))
    return side, side
