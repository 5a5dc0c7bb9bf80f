"""Gradient-boosted trees over all cells and leads of a series, refitted from time to time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful, grown
from tidecast.models.covariates import Covariates
from tidecast.models.online.adapted import AdaptedWeek
from tidecast.models.parts import (
    Parts,
    added,
    grouped,
    of_features,
    scaled,
    within,
)
from tidecast.models.periodic.artifact import Artifact
from tidecast.models.periodic.examples import Examples, TrainingRows
from tidecast.models.periodic.features import CLIP, FEATURES, FeatureRows, departures_kept
from tidecast.models.periodic.schedule import RefitSchedule
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.errors import CheckpointError
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TreesExpert"]

MAX_ROWS = 600_000
"""Rows that are fitted to, of all series together; a snapshot holds them, in some 45 MB."""

SPAN_SEASONS = 8
SHORTEST_SPAN = 728
"""Bins: two years of days."""

PADDING = b"\0"
"""What the artifacts of a snapshot, which are texts, end with where others are longer."""


class TreesExpert(Stateful):
    """LightGBM trees that say how far, in units of the cell, the target departs from the usual.

    The trees of a series serve all its cells and leads; the lead is a feature. When a refit is due,
    which the log alone decides, trees are to be fitted to ``training_rows``, a sample of the rows
    of late, and to be swapped in before the next bin. Where there are no trees the expert is
    asleep: its means are NaN. The usual is the usual week at the level of late, for trees say no
    more than what they have seen: a shop that grows would leave them behind.
    """

    name = "trees"

    STATE = ("next",)

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self.schedule = RefitSchedule(profile.season_lengths)
        self._profile = profile
        span = max(SPAN_SEASONS * profile.longest_season, SHORTEST_SPAN)
        self._week = AdaptedWeek.of_longest_season(profile)
        self._departures = Window(departures_kept(profile), profile.n_series)
        self._examples = Examples(profile.n_series, profile.horizon, span, MAX_ROWS)
        self._trees: list[Artifact | None] = [None] * profile.n_series
        self._next = np.zeros((profile.n_series, 0), np.float32)  # what was said of the next bin
        self._spread = Spread(profile.n_series)
        self._newest: tuple[FeatureRows, NDArray[np.float32]] | None = None  # rows, and their means

    @property
    def training_rows(self) -> tuple[TrainingRows, ...]:
        """Rows to fit the trees of each series to, as they are after the last bin learnt."""
        return tuple(self._examples.known(series) for series in range(self._profile.n_series))

    def swap(self, artifacts: Sequence[bytes]) -> None:
        """Forecast the next bins with the trees of each series, as `fit` gives them.

        Raises
        ------
        CheckpointError
            When one is no artifact; the trees of before stay.
        """
        if len(artifacts) != self._profile.n_series:
            raise CheckpointError(
                f"trees of {len(artifacts)} series are refused: "
                f"{self._profile.n_series} are forecast"
            )
        self._trees = _read(artifacts)
        self.schedule.made()

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Keep examples of this bin, and notice when a refit is due."""
        said = grown(self._next.T, len(slab.values), fill=np.nan)
        self._spread.learn(slab.values - said)
        usual = covariates.usual_now * self._week.lasting_ratio(len(slab.values))
        self._departures.append(slab.bin, slab.values - usual)
        self._week.learn(slab.values, covariates)
        self._examples.fill(slab.bin, slab.values)
        rows, means = self._observe(window, covariates)
        self._examples.add(rows)
        self._next = means[:, 0]
        self.schedule.note(slab.bin)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0, mean NaN while asleep."""
        _, means = self._observe(window, covariates)
        scale = self._spread.over_leads(covariates.scale, self._profile.horizon)
        return means.transpose(0, 2, 1), scale

    def _observe(
        self, window: Window, covariates: Covariates
    ) -> tuple[FeatureRows, NDArray[np.float32]]:
        """Return the rows of the newest origin and what is said of them, (series, lead, cell).

        They are made once for learning and forecasting.
        """
        if self._newest is None or not self._newest[0].are_of(covariates):
            rows = self._rows(window, covariates)
            self._newest = rows, self._means(rows)
        return self._newest

    def _rows(self, window: Window, covariates: Covariates) -> FeatureRows:
        ratio = self._week.lasting_ratio(len(covariates.level))
        return FeatureRows(window, self._departures, covariates, ratio, self._profile)

    def _means(self, rows: FeatureRows) -> NDArray[np.float32]:
        """Return what the trees say, (series, lead, cell); NaN where there are none."""
        usual = rows.usual.transpose(1, 0, 2)
        means = np.full(usual.shape, np.nan, np.float32)
        for series, trees in enumerate(self._trees):
            if trees is not None:
                table = rows.table[series].reshape(usual[series].size, -1)
                departure = trees.predict(table).reshape(usual[series].shape)
                means[series] = usual[series] + rows.unit[series] * departure
        return np.maximum(means, np.float32(0.0))

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week at the level of late, and what features add to it.

        What they add is told by SHAP values.
        """
        usual = self._week.lasting_parts(covariates, cell)
        if cell >= self._departures.n_cells:  # nothing was learnt yet
            return scaled(usual, np.nan)
        rows = self._rows(window, covariates)
        terms = np.full((len(FEATURES) + 1, *usual["level"].shape), np.nan)
        for series, trees in enumerate(self._trees):
            if trees is not None:
                terms[:, series] = trees.explain(rows.table[series, :, cell]).T
        departure = grouped(terms, of_features((*FEATURES, "intercept")))
        units = within(departure, -CLIP, CLIP)
        return within(added(usual, scaled(units, rows.unit[:, cell, None])), 0.0, np.inf)

    def snapshot(self) -> Arrays:
        """Return the state as arrays; artifacts as the bytes of their texts, (series, byte)."""
        texts = [b"" if trees is None else trees.data for trees in self._trees]
        longest = max(map(len, texts))
        padded = b"".join(text.ljust(longest, PADDING) for text in texts)
        return {
            "artifact": np.frombuffer(padded, np.uint8).reshape(len(texts), longest).copy(),
            **super().snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of.

        Raises
        ------
        CheckpointError
            When the artifact is damaged.
        """
        texts = (row.astype(np.uint8).tobytes() for row in arrays["artifact"])
        self._trees = _read([text.rstrip(PADDING) for text in texts])
        self._newest = None
        super().restore(arrays)

    def _members(self) -> dict[str, Part]:
        return {
            "schedule": self.schedule,
            "week": self._week,
            "departures": self._departures,
            "examples": self._examples,
            "spread": self._spread,
        }


def _read(artifacts: Sequence[bytes]) -> list[Artifact | None]:
    """Return the trees of artifacts; an empty one stands for none."""
    return [Artifact(data) if data else None for data in artifacts]
