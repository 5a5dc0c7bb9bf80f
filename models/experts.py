"""Experts: anything that turns a window into a forecast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.deep_expert import DeepExpert
from tidecast.models.online.croston import Croston
from tidecast.models.online.geographic import GeographicExpert
from tidecast.models.online.holt_winters import HoltWintersExpert
from tidecast.models.online.last_value import LastValue
from tidecast.models.online.leading import LeadingExpert
from tidecast.models.online.linear import LinearExpert
from tidecast.models.online.pooled import PooledExpert
from tidecast.models.online.river_sampled import ForestExpert, NearestExpert, TreeExpert
from tidecast.models.online.seasonal_naive import SeasonalNaive
from tidecast.models.online.snarimax import SnarimaxExpert
from tidecast.models.online.starima import StarimaExpert
from tidecast.models.online.time_of_week import TimeOfWeek
from tidecast.models.online.tsb import TSB
from tidecast.models.parts import Parts
from tidecast.models.periodic.trees import TreesExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.errors import SettingsError
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["EXPERTS", "Expert", "make_experts"]


class Expert(Protocol):
    """Learns from closed bins and forecasts all cells at once.

    Laws, which `tests/contract/test_experts.py` holds every expert to: inputs are not changed; a
    forecast is finite whatever came before (no cells, only NaN, huge values), or NaN for a whole
    series while the expert sleeps; new cells are welcome at any bin; memory does not grow with
    bins; a restored expert goes on as the one the snapshot was taken of, to the byte; parts add up
    to the mean, but for the last digits of a float32, and asking for them changes nothing.
    """

    name: str
    resets: int
    """How often state that was no longer finite or sane was thrown away."""

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn from ``slab``, with which ``window`` already ends; NaN = missing or suspended."""

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """Return what the forecast of a cell is made of: its parts, which add up to the mean.

        Asked after ``forecast``, of the same things. NaN for a series while the expert sleeps.
        """

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""


EXPERTS: dict[str, Callable[[ForecastProfile], Expert]] = {
    expert.name: expert
    for expert in (
        SeasonalNaive,
        TimeOfWeek,
        HoltWintersExpert,
        LinearExpert,
        PooledExpert,
        TSB,
        TreesExpert,
        LeadingExpert,
        Croston,
        LastValue,
        SnarimaxExpert,
        StarimaExpert,
        GeographicExpert,
        TreeExpert,
        ForestExpert,
        NearestExpert,
        DeepExpert,
    )
}
"""Every expert by its name."""


def make_experts(profile: ForecastProfile) -> tuple[Expert, ...]:
    """Return the experts that ``profile`` names.

    Raises
    ------
    SettingsError
        When there is no expert of that name, or none is named.
    """
    known = ", ".join(EXPERTS)
    if not profile.experts:
        raise SettingsError(f"experts = []: name at least one of {known}")
    for name in profile.experts:
        if name not in EXPERTS:
            raise SettingsError(f"experts: {name!r} is unknown; use some of {known}")
    return tuple(EXPERTS[name](profile) for name in profile.experts)
