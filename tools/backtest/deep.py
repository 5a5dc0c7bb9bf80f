"""Deep models in a backtest: those of a folder, each from the end of what it was made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import xxhash

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import COMPLETE, list_models, load_model
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.model import Model
from tidecast.models.deep.succession import Succession, Successor
from tidecast.state.bins import BinGrid, to_micros
from tidecast.state.errors import CheckpointError, SettingsError
from tidecast.state.known import Knowledge
from tidecast.tools.backtest.plan import Plan

__all__ = ["open_models"]


def open_models(folder: Path, plan: Plan) -> tuple[Succession, Plan]:
    """Return the models of ``folder``, which is one itself or holds some, and the plan with them.

    The notes of that plan tell who answers from when on, and its fingerprint is also of them.

    Raises
    ------
    CheckpointError
        When there is no model, or one cannot be read.
    SettingsError
        When one does not fit the plan, or none may answer before its last bin.
    """
    folders = (folder,) if (folder / COMPLETE).is_file() else list_models(folder)
    if not folders:
        raise CheckpointError(f"{folder} holds no whole model: `tidecast deep train` makes one")
    successors, notes = zip(*(_opened(each, plan) for each in folders), strict=True)
    first = min(each.first_bin for each in successors)
    if first >= plan.slabs.last_bin:
        raise SettingsError(
            f"the models of {folder} know all of the past that is forecast: train one on less of "
            "it, by a larger --test"
        )
    if (n_before := first + 1 - plan.span.first_bin) > 0:
        before = f"{n_before:,} of the scored bins lie within what all models know: no model speaks"
        notes = (*notes, before)
    sums = xxhash.xxh3_128_hexdigest(b"".join((each / COMPLETE).read_bytes() for each in folders))
    whole = replace(plan, notes=(*plan.notes, *notes), models=sums)
    knowledge = Knowledge(plan.known, plan.profile.grid, plan.profile.horizon)
    return Succession(successors, plan.profile.n_series, knowledge), whole


def _opened(folder: Path, plan: Plan) -> tuple[Successor, str]:
    """Return the model of a folder, and what is to be told of it."""
    model, _ = load_model(folder, pick_device())
    name, profile, cells = folder.name, plan.profile, plan.slabs.cells
    told = {of.name: of.kind for of in plan.known.covariates}
    live = LiveModel(name, model, profile.series, profile.grid, profile.horizon, told)
    note = (
        f"model {name} answers from {model.about.last} on, where its data end; it knows "
        f"{len(set(cells) & set(model.cells)):,} of the {len(cells):,} cells"
    )
    return Successor(_last_bin(name, model, profile.grid), live), note


def _last_bin(name: str, model: Model, grid: BinGrid) -> int:
    """Return the last bin that ``model`` was made of."""
    try:
        end = to_micros(datetime.fromisoformat(model.about.last))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"model {name} does not tell until when its data are") from error
    return int(grid.index(np.array([end - 1]))[0])
