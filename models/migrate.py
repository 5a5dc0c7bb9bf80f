"""Migration of what was learnt: a forecaster's arrays under settings with other series or levels.

Every array of a snapshot has an axis of series, or none. Kept series keep their bytes; added ones
get what a fresh forecaster starts with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.calibrate import Calibrate
from tidecast.models.fold import ForecastFold
from tidecast.models.migrate_experts import migrated_experts
from tidecast.models.online.linear import START
from tidecast.models.profile import ForecastProfile
from tidecast.state.changes import Change, moved
from tidecast.state.errors import CheckpointError
from tidecast.state.migrate import migrated_slabs
from tidecast.state.scopes import nested, scoped
from tidecast.state.settings import Settings

__all__ = ["migrated_arrays", "migrated_coherent", "migrated_fold"]


class Layout(NamedTuple):
    """The axes of series (None: there is none), and what a series starts with."""

    axis: int | tuple[int, ...] | None
    fill: float | NDArray[np.float64] = 0.0


WHOLE = Layout(None)
LAYOUTS: Mapping[str, Layout] = {
    "*/last_bin": WHOLE,
    "*/resets": WHOLE,
    "watch/run": WHOLE,
    "beginning/numbers": WHOLE,
    "beginning/bins": WHOLE,
    "beginning/censored": Layout(2),
    "beginning/*": Layout(2, np.nan),
    "window/values": Layout(2, np.nan),
    "surroundings/guard/*": Layout(1),
    "surroundings/feed/run": Layout(0),
    "surroundings/*silence/was_zero": Layout(2),
    "surroundings/*silence/*": Layout(1),
    "surroundings/usual/kin/all": Layout(2),
    "surroundings/usual/kin/*": Layout(3),
    "surroundings/usual/phase": Layout(1),
    "surroundings/usual/seen": Layout(1),
    "surroundings/usual/*": Layout(2),
    "surroundings/outlook/deviations/*": WHOLE,
    "surroundings/told/*": WHOLE,
    "surroundings/outlook/effects/seen": Layout(1),
    "surroundings/outlook/effects/level": Layout(1),
    "surroundings/outlook/effects/spread": Layout(1),
    "surroundings/outlook/effects/*": Layout(0),
    "surroundings/outlook/factors/values": Layout(2, np.nan),
    "surroundings/actions/counts": Layout(1),
    "surroundings/usual_now": Layout(1),
    "blend/products": Layout(0),
    "blend/rows": Layout(0),
    "blend/seen": Layout(0),
    "amiss/said": Layout(0, np.nan),
    "amiss/*": Layout(0),
    "dispersion/*": Layout(1),
    "counts/week/*": Layout(2),
    "counts/parts": Layout(2),
    "counts/sizes": Layout(2),
    "counts/*": Layout(1),
    "pending/*/spoke": WHOLE,
    "pending/*/means": Layout(1, np.nan),
    "pending/*/scale": Layout(0, 1.0),
    "expert-*week/level": Layout(1, 1.0),  # these are divided by
    "expert-*week/scale": Layout(1, 1.0),
    "expert-*week/*": Layout(1),
    "expert-*/lasting/values": Layout(2, np.nan),
    "expert-*/mean": Layout(1),  # of the spread
    "expert-*/seen": Layout(1),
    "expert-seasonal_naive/last": Layout(1),
    "expert-holt_winters/level": Layout(1),
    "expert-holt_winters/trend": Layout(1),
    "expert-holt_winters/seasons": Layout(2),
    "expert-holt_winters/age": Layout(1),
    "expert-linear/weights": Layout(0, START),
    "expert-pooled/features/told/*": WHOLE,
    "expert-pooled/features/kept/*/values": Layout(2, np.nan),
    "expert-pooled/models/*": Layout(0),
    "expert-*trust/sums": Layout(1),
    "expert-pooled/said": Layout(1),
    "expert-pooled/said_at": WHOLE,
    "expert-tsb/*": Layout(1),
    "expert-croston/*": Layout(1),
    "expert-last_value/last": Layout(1, np.nan),
    "expert-last_value/*": Layout(1),
    "expert-snarimax/*": Layout(2),
    "expert-starima/space/past": Layout(2),
    "expert-starima/space/error": Layout(1),
    "expert-starima/coefficients/*": Layout(0),
    "expert-geographic/space/past": Layout(2),
    "expert-geographic/space/error": Layout(1),
    "expert-geographic/coefficients/all/*": Layout(0),
    "expert-geographic/coefficients/*": Layout(1),
    "expert-leading/rows/*/values": Layout(2, np.nan),
    "expert-leading/squares/shared": Layout((0, 1, 3)),
    "expert-leading/squares/half": Layout((0, 1)),
    "expert-leading/squares/own": Layout(0),
    "expert-leading/choice/bins": Layout(0),
    "expert-leading/choice/*": Layout((0, 2)),
    "expert-leading/spread/*": Layout(1),
    "expert-leading/learnt": WHOLE,
    "expert-trees/artifact": Layout(0),
    "expert-trees/next": Layout(0, np.nan),
    "expert-trees/schedule/*": WHOLE,
    "expert-trees/examples/origin": WHOLE,
    "expert-trees/examples/n_rows": WHOLE,
    "expert-trees/examples/lead": WHOLE,
    "expert-trees/examples/cell": WHOLE,
    "expert-trees/examples/*": Layout(0, np.nan),
    "expert-deep/origin": WHOLE,
    "expert-deep/means": Layout(0, np.nan),
    "expert-deep/scales": Layout(0, np.nan),
    "expert-*/departures/values": Layout(2, np.nan),
    "expert-*/rows": Layout(0),
    "expert-*/learnt": Layout(0),
    "expert-*/came_true": Layout(1),
    "worth/sums": Layout(1),
    "worth/said": Layout(2, np.nan),
    "worth/origins": WHOLE,
    "variance/*": Layout(0),
}
"""By the name of an array; calibration and its shapes are moved by functions of their own."""

COUNTS = "calibrate/counts"
SHIFT = "calibrate/shift"
SHARED = "calibrate/shared"
MOST = "calibrate/most"
WHOLE_NUMBERS = "calibrate/whole"
SHAPES = "pending/*/shapes"
ROUNDED = "pending/*/whole"


def migrated_fold(
    change: Change,
    data: bytes,
    whole_from: Mapping[str, int],
    joining: Iterable[tuple[str, int]] = (),
    counts: Mapping[str, int] = MappingProxyType({}),
) -> bytes:
    """Return the snapshot ``data`` of a forecaster's fold under the new settings.

    ``whole_from``, ``joining`` and ``counts`` are those of
    `tidecast.state.migrate.migrated_slabs`.

    Raises
    ------
    CheckpointError
        When the bytes are damaged or of an unknown version.
    """
    old, new = ForecastFold(change.old), ForecastFold(change.new)
    old.restore(data)
    new.slabs = migrated_slabs(change, old.slabs, whole_from, joining, counts)
    new.announced.restore(*old.announced.snapshot())
    new.forecaster.restore(migrated_coherent(change, old.forecaster.snapshot()))
    return new.snapshot()


def migrated_coherent(change: Change, arrays: Arrays) -> Arrays:
    """Return the snapshot ``arrays`` of a forecaster of cells and sums; as `migrated_arrays`."""
    of_sums = Change(_summed(change.old), _summed(change.new))
    engines = {
        "cells": migrated_arrays(change, migrated_experts(change, scoped(arrays, "cells"))),
        "totals": migrated_arrays(of_sums, scoped(arrays, "totals")),
    }
    between = {
        name: _moved(of_sums, name, array)
        for name, array in arrays.items()
        if name.split("/")[0] not in engines
    }
    return nested(engines) | between


def _summed(settings: Settings) -> Settings:
    """Return settings of the series that add up alone."""
    kept = tuple(series for series in settings.series if series.adds_up)
    return settings.model_copy(update={"series": kept})


def migrated_arrays(change: Change, arrays: Arrays) -> Arrays:
    """Return the snapshot ``arrays`` of a forecaster of rows under the new settings.

    Raises
    ------
    CheckpointError
        When an array is none that can be migrated.
    """
    counts = _counts(change, arrays[COUNTS])
    shift = moved(moved(arrays[SHIFT], change.series, axis=0), change.levels, axis=3)
    shared = moved(moved(arrays[SHARED], change.series, axis=0), change.levels, axis=2)
    most = moved(arrays[MOST], change.series, axis=0)
    numbers = moved(arrays[WHOLE_NUMBERS], change.series, axis=0, fill=True)
    calibrate = {
        COUNTS: counts,
        SHIFT: shift,
        SHARED: shared,
        MOST: most,
        WHOLE_NUMBERS: numbers,
    }
    shapes = _shapes_of(change, scoped(calibrate, "calibrate"))
    result: Arrays = {}
    for name, array in arrays.items():
        if name in calibrate:
            result[name] = calibrate[name]
        elif fnmatchcase(name, SHAPES):
            lead = int(name.split("/")[-2])
            result[name] = _moved_shapes(change, array, shapes[:, lead - 1])
        elif fnmatchcase(name, ROUNDED):
            result[name] = moved(moved(array, change.series, axis=0), change.levels, axis=1)
        else:
            result[name] = _moved(change, name, array)
    return result


def _moved(change: Change, name: str, array: NDArray[Any]) -> NDArray[Any]:
    axes, fill = _layout(name)
    for axis in () if axes is None else (axes,) if isinstance(axes, int) else axes:
        array = moved(array, change.series, axis, fill)
    return array


def _layout(name: str) -> Layout:
    for pattern, layout in LAYOUTS.items():
        if fnmatchcase(name, pattern):
            return layout
    raise CheckpointError(
        f"array {name!r} of the forecaster cannot be migrated: please report it, and go on with "
        "the old settings meanwhile"
    )


def _counts(change: Change, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the histograms, (series, lead, group, bucket), those of added series fresh."""
    profile = ForecastProfile.of(change.new)
    fresh = Calibrate(1, profile.horizon, profile.quantile_levels).snapshot()["counts"][0]
    return moved(counts, change.series, 0, fresh)


def _shapes_of(change: Change, learnt: Arrays) -> NDArray[np.float32]:
    """Return what calibration says at the new levels: (series, lead, group, level)."""
    profile = ForecastProfile.of(change.new)
    calibrate = Calibrate(profile.n_series, profile.horizon, profile.quantile_levels)
    calibrate.restore(learnt)
    return calibrate.shapes()


def _moved_shapes(
    change: Change, said: NDArray[np.float32], known: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return shapes, (series, group, level), that were ``said``, at the new levels.

    Added series and levels take what the histograms say by now (``known``), and added levels no
    more than their neighbours allow, for quantiles never cross.
    """
    kept = moved(said, change.series, axis=0)  # (series, group, old level)
    low = moved(kept, change.levels, axis=2, fill=-np.inf)  # (series, group, level)
    high = moved(kept, change.levels, axis=2, fill=np.inf)
    low = np.maximum.accumulate(low, axis=2)
    high = np.minimum.accumulate(high[..., ::-1], axis=2)[..., ::-1]
    is_added = np.array(change.series)[:, None, None] < 0
    return np.where(is_added, known, np.clip(known, low, high))
