"""Transfer: the weights of one shop as the beginning of another's."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.inputs import UNSEEN
from tidecast.models.deep.model import Model
from tidecast.models.deep.network import Network
from tidecast.models.deep.training import make_network
from tidecast.state.cells import Cell
from tidecast.state.errors import SettingsError

__all__ = ["OF_DATA", "moved"]

CELLS = "features.cell.weight"

OF_DATA = ("n_cells", "n_series", "slots_per_day", "n_future", "n_static", "grid")
"""What of a network the data decide; all else is as it was."""

EXCHANGED = ("n_cells", "grid")
"""What of that may be other than it was."""


def moved(model: Model, config: NetworkConfig, cells: Sequence[Cell]) -> Network:
    """Return a network of ``config`` for ``cells`` that begins with the weights of ``model``.

    A cell that the model knows keeps its embedding; all others begin with that of the unseen.

    Raises
    ------
    SettingsError
        When the data are of another kind than those that the model was made of.
    """
    own = model.network.config
    for name in OF_DATA:
        was, is_now = getattr(own, name), getattr(config, name)
        if was != is_now and name not in EXCHANGED:
            raise SettingsError(f"the model was made of data with {name} = {was}, not {is_now}")
    numbers = torch.as_tensor(model.numbers(cells))
    weights = dict(model.network.state_dict())
    rows = weights[CELLS]
    weights[CELLS] = torch.cat([rows[UNSEEN : UNSEEN + 1], rows[numbers]])  # (1 + cell, embedding)
    network = make_network(config, seed=0)
    network.load_state_dict(weights)
    return network
