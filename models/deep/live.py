"""A live model: it answers closed bins with forecasts of all their cells and leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tidecast.models.deep.context import Context
from tidecast.models.deep.history import History, Scales, calendar_of, slots_per_day
from tidecast.models.deep.inputs import Cells
from tidecast.models.deep.known import seen_in
from tidecast.models.deep.model import Answer, Model, make_cells
from tidecast.models.deep.space import Space, space_of
from tidecast.models.deep.windows import Windows
from tidecast.state.bins import BinGrid, to_micros, width_words
from tidecast.state.cells import Cell
from tidecast.state.covariates import Kind
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.errors import SettingsError

__all__ = ["LiveModel"]

Floats = NDArray[np.float32]
Positions = Mapping[str, tuple[float, float]]
NONE: Mapping[str, Kind] = MappingProxyType({})

LEAST_SCALE = 0.05
"""Of a cell's usual scale: what is said of a cell is never surer than that."""


class LiveModel:
    """A trained model among the series, bins, leads and covariates of a live shop.

    Raises
    ------
    SettingsError
        When the model does not fit them.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        series: Sequence[str],
        grid: BinGrid,
        horizon: int,
        covariates: Mapping[str, Kind] = NONE,
    ) -> None:
        self.name = name
        self._model = model
        self._config = model.network.config
        _refuse_other(name, model, series, grid, horizon)
        _refuse_unknown(name, model, covariates)
        self.horizon = horizon
        self.learnt_until = _bin_at(grid, model.about.last)
        """The first bin after all that the model learnt from or was judged by."""
        self._grid, self._n_series = grid, len(series)
        self._places = [list(series).index(each) for each in model.about.series]
        self._lying: tuple[Sequence[Cell], Space] = ((), Space.none(0))

    @property
    def context_length(self) -> int:
        """Bins that the model looks back at."""
        return self._config.context_length

    def answer(self, context: Context, positions: Positions) -> DeepForecast | None:
        """Return what comes after the last bin of ``context``; None where nothing sound is said.

        ``positions`` are latitude and longitude of regions, as far as known.
        """
        last = context.last_bin
        if last is None or not context.cells:
            return None
        values = self._values(context)
        scales = self._model.scales_of(context.cells, Scales.of(values))
        history = self._history(values, last, context)
        cells = self._cells(context.cells, scales, history.static, positions)
        device = next(self._model.network.parameters()).device
        windows = Windows(history, cells, self._config, device)
        said = self._model.forecast(windows, self.context_length)
        found = self._of_all(said.mean), self._of_all(self._spread(said, scales))
        forecast = DeepForecast(last, self.name, *found)
        return forecast if forecast.is_sound else None

    def usual(self, context: Context) -> Scales:
        """Return level and scale of every cell, (cell, series); 0 and 1 of what it cannot tell."""
        found = self._model.scales_of(context.cells, Scales.of(self._values(context)))
        shape = (len(context.cells), self._n_series)
        level, scale = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        level[:, self._places], scale[:, self._places] = found.level, found.scale
        return Scales(level, scale)

    def _values(self, context: Context) -> Floats:
        """Return what the model looks back at of its own series: (bin, cell, series)."""
        return context.values(self.context_length)[:, :, self._places]

    def _history(self, values: Floats, last: int, context: Context) -> History:
        """Return ``values``, which end with bin ``last``, and what is known of the bins ahead."""
        bins = range(last + 1 - self.context_length, last + 1 + self._config.horizon)
        about, n_cells = self._model.about, len(context.cells)
        future = context.known.future([unit.name for unit in about.future], bins, n_cells)
        static = context.known.static([unit.name for unit in about.static], n_cells)
        return History(
            values,
            calendar_of(self._grid, bins.start, len(bins)),
            seen_in(about.future, future),
            seen_in(about.static, static),
        )

    def _cells(
        self, cells: Sequence[Cell], scales: Scales, static: Floats, positions: Positions
    ) -> Cells:
        if self._lying[0] != cells:
            self._lying = cells, space_of(cells, positions, self._config.grid)
        return make_cells(self._model.numbers(cells), scales, static, self._lying[1])

    def _spread(self, said: Answer, scales: Scales) -> Floats:
        """Return the standard deviation that the outermost quantiles have if they are normal."""
        levels = self._config.quantile_levels
        deviates = NormalDist().inv_cdf(levels[-1]) - NormalDist().inv_cdf(levels[0])
        spread = (said.quantiles[..., -1] - said.quantiles[..., 0]) / np.float32(deviates)
        least = np.float32(LEAST_SCALE) * scales.scale.T[:, :, None]  # (series, cell, 1)
        return np.asarray(np.maximum(spread, least), np.float32)

    def _of_all(self, found: Floats) -> Floats:
        """Return what is found of the model's series, as of all that are forecast.

        They are (series, cell, lead), NaN of a series that is another's or not finite.
        """
        whole = np.full((self._n_series, found.shape[1], self.horizon), np.nan, np.float32)
        sound = np.isfinite(found).all(axis=(1, 2), keepdims=True)
        whole[self._places] = np.where(sound, found, np.float32(np.nan))[..., : self.horizon]
        return whole


def _bin_at(grid: BinGrid, time: str) -> int:
    """Return the bin that begins at a ``time`` in ISO 8601."""
    try:
        moment = to_micros(datetime.fromisoformat(time))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"a model's data end at {time!r}, which is no time: {error}") from error
    return int(grid.index(np.array([moment]))[0])


def _refuse_other(
    name: str, model: Model, series: Sequence[str], grid: BinGrid, horizon: int
) -> None:
    """Raise ``SettingsError`` naming what the model lacks, or has that is not there live."""
    about, config = model.about, model.network.config
    told = {
        "series": (set(about.series) <= set(series), about.series, tuple(series)),
        "bins": (
            about.bin_width == grid.width,
            width_words(about.bin_width),
            width_words(grid.width),
        ),
        "slots a day": (
            config.slots_per_day == slots_per_day(grid),
            config.slots_per_day,
            slots_per_day(grid),
        ),
        "a horizon": (config.horizon >= horizon, config.horizon, horizon),
        "quantile levels": (len(config.quantile_levels) > 1, "one", "two or more"),
    }
    for what, (fits, its, ours) in told.items():
        if not fits:
            raise SettingsError(
                f"model {name} is refused: it was trained for {what} of {its}, live there are "
                f"{ours}: train one for these settings"
            )


def _refuse_unknown(name: str, model: Model, covariates: Mapping[str, Kind]) -> None:
    """Raise ``SettingsError`` naming the covariates of a model that are not told live."""
    about, config = model.about, model.network.config
    named = len(about.future), len(about.static)
    if named != (config.n_future, config.n_static):
        raise SettingsError(
            f"model {name} is refused: it does not name the covariates that it was trained with: "
            "train it anew"
        )
    wanted = {unit.name: "known" for unit in about.future}
    wanted |= {unit.name: "static" for unit in about.static}
    if lacking := [
        f"{each} ({kind})" for each, kind in wanted.items() if covariates.get(each) != kind
    ]:
        told = ", ".join(f"{each} ({kind})" for each, kind in covariates.items()) or "none"
        raise SettingsError(
            f"model {name} is refused: it was trained with covariates that are not there live: "
            f"{', '.join(lacking)}; live there are {told}: name them in [[covariates]], or train "
            "one without"
        )
