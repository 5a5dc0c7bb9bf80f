"""A trained model: a network, the cells that it knows, and what it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tidecast.models.deep.device import autocast
from tidecast.models.deep.history import Scales
from tidecast.models.deep.inputs import UNSEEN, Cells
from tidecast.models.deep.known import Unit
from tidecast.models.deep.network import Network
from tidecast.models.deep.space import Space
from tidecast.models.deep.windows import Windows
from tidecast.state.cells import Cell
from tidecast.state.settings.base import Frozen

__all__ = ["About", "Answer", "Model", "make_cells"]

Floats = NDArray[np.float32]


class About(Frozen):
    """Of what a model was made: data, span and versions; ``bin_width`` is microseconds or "day"."""

    series: tuple[str, ...]
    bin_width: int | Literal["day"]
    time_zone: str
    first: str
    """Start of the first bin of the data, ISO 8601."""

    last: str
    """End of the last bin that was learnt from or judged by."""

    steps: int
    seed: int
    versions: dict[str, str]
    future: tuple[Unit, ...] = ()
    """Covariates known ahead, in the order of the network's."""

    static: tuple[Unit, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A forecast as arrays; quantiles rise, and are not negative where counts were learnt."""

    mean: Floats  # (series, cell, lead)
    quantiles: Floats  # (series, cell, lead, level)


@dataclass(frozen=True)
class Model:
    """A network and what must be known to use it; ``scales`` are of ``cells``, in their order."""

    network: Network
    cells: tuple[Cell, ...]
    scales: Scales
    about: About

    @cached_property
    def _numbers(self) -> dict[Cell, int]:
        return {cell: number for number, cell in enumerate(self.cells, start=UNSEEN + 1)}

    def numbers(self, cells: Sequence[Cell]) -> NDArray[np.int64]:
        """Return the embedding of each of ``cells``, one for all that are new: (cell,)."""
        return np.array([self._numbers.get(cell, UNSEEN) for cell in cells], np.int64)

    def scales_of(self, cells: Sequence[Cell], young: Scales) -> Scales:
        """Return the level and scale of each of ``cells``, those in ``young`` of what is new."""
        number = self.numbers(cells)
        known, place = (number != UNSEEN)[:, None], np.maximum(number - 1, 0)
        if not self.cells:
            return young
        return Scales(
            np.where(known, self.scales.level[place], young.level),
            np.where(known, self.scales.scale[place], young.scale),
        )

    def forecast(self, windows: Windows, origin: int) -> Answer:
        """Return what comes after ``origin``.

        Raises
        ------
        SettingsError
            When the context of it is not all there.
        """
        self.network.eval()
        with torch.inference_mode(), autocast(windows.cells.level.device):
            found = self.network(windows.inputs([origin]))
        least = -np.inf if self.network.config.likelihood == "normal" else 0.0
        return Answer(
            np.maximum(found.mean[0].float().cpu().numpy(), least),
            np.maximum(found.quantiles[0].float().cpu().numpy(), least),
        )


def make_cells(numbers: NDArray[np.int64], scales: Scales, static: Floats, space: Space) -> Cells:
    """Return the cells of a batch."""
    return Cells(
        torch.as_tensor(numbers),
        torch.as_tensor(scales.level),
        torch.as_tensor(scales.scale),
        torch.as_tensor(static),
        space,
    )
