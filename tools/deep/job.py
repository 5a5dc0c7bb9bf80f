"""A training: data, network, plan and the split of time, and what comes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from tidecast.models.deep.accuracy import Accuracy, accuracy_of
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.course import PLAIN, Course
from tidecast.models.deep.device import pick_device
from tidecast.models.deep.history import History, Scales
from tidecast.models.deep.known import Unit, seen_in, units_among
from tidecast.models.deep.learner import Learner
from tidecast.models.deep.model import About, Model, make_cells
from tidecast.models.deep.processes import ALONE, Processes
from tidecast.models.deep.schedule import TrainingPlan
from tidecast.models.deep.space import space_of
from tidecast.models.deep.training import Trainer
from tidecast.models.deep.windows import Windows, split_origins
from tidecast.state.bins import iso
from tidecast.state.errors import SettingsError
from tidecast.tools.deep.data import Data
from tidecast.tools.deep.source import described

__all__ = ["BATCH", "Job", "Shares", "Units", "grid_of", "parted", "windows_of"]

LARGEST_GRID = 32

AT_ONCE = 64
"""Bins whose covariates are looked up together."""

BATCH = 32
MOST_VALIDATED = 1000
"""Windows that judge a training while it runs: of more, evenly spread ones."""


@dataclass(frozen=True)
class Shares:
    """Shares of the windows, the last of all ``tested``, those before it ``validated``."""

    validated: float = 0.2
    tested: float = 0.2


@dataclass(frozen=True)
class Units:
    """In what a network sees covariates that are known ahead, and static ones."""

    future: tuple[Unit, ...]
    static: tuple[Unit, ...]

    @classmethod
    def of_model(cls, model: Model) -> Units:
        """Return those that ``model`` was trained with."""
        return cls(model.about.future, model.about.static)


@dataclass(frozen=True)
class Job:
    """One training; the windows that are tested are not looked at."""

    data: Data
    config: NetworkConfig
    plan: TrainingPlan
    shares: Shares
    course: Course = PLAIN

    @cached_property
    def _parts(self) -> tuple[NDArray[np.int64], ...]:
        return parted(self.data, self.config, self.shares)

    @cached_property
    def scales(self) -> Scales:
        """The level and scale of every cell over the bins that are learnt from."""
        return Scales.of(self.data.values[: self._learnt_end])

    @property
    def _learnt_end(self) -> int:
        learnt = self._parts[0]
        return int(learnt[-1]) + self.config.horizon if len(learnt) else 0

    @cached_property
    def units(self) -> Units:
        """In what covariates are seen: as by the model to go on with, else over what is learnt."""
        if self.course.source is not None:
            return Units.of_model(self.course.source)
        future = self.data.future(range(self._learnt_end))
        return Units(
            units_among(self.data.names("known"), future),
            units_among(self.data.names("static"), self.data.static),
        )

    @cached_property
    def windows(self) -> Windows:
        """All windows, on the device where they are trained."""
        numbers = np.arange(1, len(self.data.cells) + 1)
        return windows_of(self.data, self.config, numbers, self.scales, self.units)

    def trainer(self, processes: Processes = ALONE) -> Trainer:
        """Return the trainer, at its first step, of one of ``processes``.

        Raises
        ------
        SettingsError
            When the data are too few, nothing is known of them, or there is no such backbone.
        """
        learnt, validated, _ = self._parts
        if self.shares.validated and not len(validated):
            raise SettingsError(
                "0 windows to be judged by: give more bins, a shorter context or horizon, or none "
                "by --validate 0"
            )
        if any(len(part) and not self._is_told(part) for part in (learnt, validated)):
            raise SettingsError(
                "no value is known in the bins to learn from, or in those to be judged by: is it "
                "--missing that leaves none?"
            )
        thinned = validated[:: math.ceil(len(validated) / MOST_VALIDATED) or 1]
        return Trainer(self._learner(), self.windows, learnt, thinned, self.plan, processes)

    def _is_told(self, origins: NDArray[np.int64]) -> bool:
        """Tell whether any value is known of what comes after ``origins``."""
        ahead = self.data.values[origins[0] : origins[-1] + self.config.horizon]
        return bool(np.isfinite(ahead).any())

    def model(self, trainer: Trainer) -> Model:
        """Return the model of the weights that were judged best."""
        learner = self._learner()
        learner.load_state_dict(dict(trainer.best_weights))
        network = learner.learnt().requires_grad_(True).to(trainer.device)
        return Model(network, self.data.cells, self.scales, self._about(trainer))

    def _learner(self) -> Learner:
        return self.course.learner(self.config, self.data.cells, self.plan.seed)

    def validated(self, model: Model) -> Accuracy:
        """Return how good ``model`` is at the windows that judged it."""
        return accuracy_of(model.network, self.windows, self._parts[1], BATCH)

    def fingerprint(self) -> str:
        """Return a hash of all that the weights depend on."""
        found = xxhash.xxh3_128(np.ascontiguousarray(self.data.values).tobytes())
        found.update(repr((self.config, self.plan, self.shares, self.data.first_bin)).encode())
        if self.data.covariates.names:
            found.update(self.data.covariates.fingerprint().encode())
        found.update(self.course.fingerprint().encode())
        return found.hexdigest()

    def _about(self, trainer: Trainer) -> About:
        grid, (learnt, validated, _) = self.data.grid, self._parts
        last = self.data.first_bin + int([*learnt, *validated][-1]) + self.config.horizon
        return About(
            series=self.data.series,
            bin_width=grid.width,
            time_zone=str(grid.zone),
            first=iso(grid.start(self.data.first_bin)),
            last=iso(grid.start(last)),
            steps=trainer.step_number,
            seed=self.plan.seed,
            versions=_versions(),
            future=self.units.future,
            static=self.units.static,
        )


def _versions() -> dict[str, str]:
    """Return the versions of the programs; of a checkout what git says of it, too."""
    found = {name: version(name) for name in ("tidecast", "torch")}
    commit = described()
    return {**found, "git": commit} if commit else found


def parted(data: Data, config: NetworkConfig, shares: Shares) -> tuple[NDArray[np.int64], ...]:
    """Return the origins to train, validate and test with; see `split_origins`."""
    origins = np.arange(config.least_context, len(data.values) - config.horizon + 1)
    return split_origins(origins, shares.validated, shares.tested, gap=config.horizon)


def windows_of(
    data: Data,
    config: NetworkConfig,
    numbers: NDArray[np.int64],
    scales: Scales,
    units: Units,
    device: torch.device | None = None,
) -> Windows:
    """Return the windows of ``data`` on ``device``, without one on that of this machine."""
    horizon, known = config.horizon, data.ahead(config.horizon)
    history = History(
        data.values,
        data.calendar(horizon),
        _future_of(data, units.future, len(data.values) + horizon),
        seen_in(units.static, data.static),
        (lambda origin: seen_in(units.future, known(origin))) if known else None,
    )
    space = space_of(data.cells, data.positions, config.grid)
    cells = make_cells(numbers, scales, history.static, space)
    return Windows(history, cells, config, device or pick_device())


def _future_of(data: Data, units: Sequence[Unit], n_bins: int) -> NDArray[np.float32]:
    """Return covariates known ahead of the first bins as a network sees them.

    They are (bin, cell, covariate). Only a few bins at a time are there in double precision.
    """
    seen = np.empty((n_bins, len(data.cells), len(units)), np.float32)
    for first in range(0, n_bins, AT_ONCE):
        some = range(first, min(first + AT_ONCE, n_bins))
        seen[some.start : some.stop] = seen_in(units, data.future(some))
    return seen


def grid_of(data: Data) -> tuple[int, int]:
    """Return the size of a map on which regions lie side by side, about a pixel each."""
    n_regions = len({cell.region for cell in data.cells if cell.region in data.positions})
    side = min(LARGEST_GRID, max(1, math.ceil(math.sqrt(n_regions))))
    return side, side
