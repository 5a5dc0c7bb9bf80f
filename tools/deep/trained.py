"""What a trained model makes of data: whether they fit it, how it sees them, how good it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tidecast.models.deep.accuracy import Accuracy, accuracy_of
from tidecast.models.deep.device import pick_device
from tidecast.models.deep.ensemble import Ensemble
from tidecast.models.deep.history import Scales
from tidecast.models.deep.model import Model
from tidecast.models.deep.windows import Windows
from tidecast.state.bins import width_words
from tidecast.state.errors import SettingsError
from tidecast.tools.deep.data import Data
from tidecast.tools.deep.job import BATCH, Shares, Units, parted, windows_of

__all__ = ["check_kind", "check_series", "judge", "last_windows", "windows_for"]

KINDS = ("future", "static")
"""Of covariates, as options name them."""


def check_kind(model: Model, data: Data) -> None:
    """Refuse data of other bins or covariates, or another number of series, than the model is of.

    Raises
    ------
    SettingsError
        When they are.
    """
    about = model.about
    if data.grid.width != about.bin_width or len(data.series) != len(about.series):
        raise SettingsError(
            f"the model forecasts {', '.join(about.series)} in bins of "
            f"{width_words(about.bin_width)}: the data are other series, or bins of "
            f"{width_words(data.grid.width)}"
        )
    told = tuple(unit.name for unit in about.future), tuple(unit.name for unit in about.static)
    if told != (data.names("known"), data.names("static")):
        options = [
            f"--{kind} {name}" for kind, names in zip(KINDS, told, strict=True) for name in names
        ]
        raise SettingsError(
            f"the model was trained with {len(options) or 'no'} covariates: say "
            f"{' '.join(options) or 'no --future and no --static'}, in this order"
        )


def check_series(model: Model, data: Data) -> None:
    """Refuse data of another kind, see `check_kind`, or of series of other names.

    Raises
    ------
    SettingsError
        When they are.
    """
    check_kind(model, data)
    its, ours = model.about.series, data.series
    if ours != its:
        raise SettingsError(
            f"the model forecasts {', '.join(its)}, the data hold {', '.join(ours)}: say "
            f"{' '.join(f'--value {name}' for name in its)}, in this order, of data that are so "
            "called, or make a model of these by `tidecast deep finetune`"
        )


def judge(models: Sequence[Model], data: Data, tested: float) -> Accuracy:
    """Return how good ``models`` together are at the last share of the windows of ``data``.

    They are of one training, apart from their seeds.
    """
    windows, last = last_windows(models[0], data, tested)
    networks = Ensemble([model.network for model in models])
    return accuracy_of(networks.to(pick_device()), windows, last, BATCH)


def last_windows(
    model: Model, data: Data, tested: float, device: torch.device | None = None
) -> tuple[Windows, NDArray[np.int64]]:
    """Return the windows of ``data``, and the origins of their last share.

    They lie on ``device``, without one on that of this machine.

    Raises
    ------
    SettingsError
        When the data are of other series, bins or covariates than ``model``, or too few.
    """
    check_series(model, data)
    *_, last = parted(data, model.network.config, Shares(0.0, tested))
    if not len(last):
        raise SettingsError("no window to judge by: give more bins, or a larger share --test")
    if not np.isfinite(data.values[last[0] :]).any():
        raise SettingsError("no value is known in the bins to judge by: give a larger share --test")
    return windows_for(model, data, int(last[0]), device), last


def windows_for(
    model: Model, data: Data, n_known: int, device: torch.device | None = None
) -> Windows:
    """Return the windows of ``data`` as ``model`` sees them, on ``device`` or that of this machine.

    The first ``n_known`` bins tell level and scale of cells that it does not know.
    """
    scales = model.scales_of(data.cells, Scales.of(data.values[:n_known]))
    numbers = model.numbers(data.cells)
    return windows_of(data, model.network.config, numbers, scales, Units.of_model(model), device)
