"""Migration of what was learnt: the expert that learns elsewhere joins, or leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.blend import Blend
from tidecast.models.deep_expert import DeepExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.changes import Change, moved
from tidecast.state.scopes import nested, scoped

__all__ = ["migrated_experts"]

OWN = f"expert-{DeepExpert.name}"


def migrated_experts(change: Change, arrays: Arrays) -> Arrays:
    """Return the snapshot ``arrays`` of a forecaster of cells with the experts of the new settings.

    Who joins has slept until now, and is credited with what the blend would have done by the
    weights of now. The others' weights stay as they are until it speaks.
    """
    if change.old.forecast.experts == change.new.forecast.experts:
        return arrays
    places = change.experts
    result: Arrays = {}
    for name, array in arrays.items():
        if name == "blend/products":
            result[name] = _products(change, arrays)
        elif name in ("watch/run", "watch/resets"):
            result[name] = moved(array, places, axis=0)
        elif not name.startswith(f"{OWN}/"):
            result[name] = array
    result |= nested({"pending": _pending(scoped(arrays, "pending"), places)})
    if DeepExpert.name in change.new.forecast.experts:
        asleep = DeepExpert(ForecastProfile.of(change.old)).snapshot()
        result |= nested({OWN: scoped(arrays, OWN) or asleep})
    return result


def _pending(kept: Arrays, places: Sequence[int]) -> Arrays:
    """Return what waits for its actuals: ``means`` are of those who ``spoke``, the blend first."""
    rows = [0, *(place + 1 if place >= 0 else -1 for place in places)]
    result = dict(kept)
    for name, means in kept.items():
        scope, what = name.rsplit("/", 1)
        if what == "means":
            spoke = kept[f"{scope}/spoke"]
            rank = np.cumsum(spoke) - 1
            result[name] = means[[rank[row] for row in rows if row >= 0 and spoke[row]]]
            result[f"{scope}/spoke"] = moved(spoke, rows, axis=0, fill=False)
    return result


def _products(change: Change, arrays: Arrays) -> NDArray[np.float64]:
    """Return mean products of errors, (series, size, lead, expert, expert)."""
    profile = ForecastProfile.of(change.old)
    blend = Blend(len(profile.experts), profile.n_series, profile.horizon)
    blend.restore(scoped(arrays, "blend"))
    weights = np.moveaxis(blend.weights(), 0, -1)  # (series, size, lead, expert)
    itself = np.eye(len(profile.experts))
    rows = [
        np.broadcast_to(itself[place], weights.shape) if place >= 0 else weights
        for place in change.experts
    ]
    made_of = np.stack(rows, axis=-2)  # (series, size, lead, expert, old expert)
    products: NDArray[np.float64] = arrays["blend/products"]
    return np.asarray(made_of @ products @ np.swapaxes(made_of, -1, -2))
