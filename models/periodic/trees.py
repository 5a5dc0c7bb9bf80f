"""Gradient-boosted trees over all cells, series and leads, refitted from time to time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown, nested, scoped
from tidecast.models.covariates import Covariates
from tidecast.models.periodic.artifact import Artifact, fit
from tidecast.models.periodic.examples import Examples, TrainingRows
from tidecast.models.periodic.features import FeatureRows, departures_kept
from tidecast.models.periodic.schedule import RefitSchedule
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TreesExpert"]

MAX_ROWS = 600_000
"""Rows that are fitted to; a snapshot holds them, in some 45 MB."""

SPAN_SEASONS = 8
SHORTEST_SPAN = 728
"""Bins: two years of days."""

Fit = Callable[[TrainingRows], bytes | None]


class TreesExpert:
    """LightGBM trees that say how far, in units of the cell, the target departs from the usual.

    One model serves all cells, series and leads; the lead is a feature. When a refit is due, which
    the log alone decides, trees are fitted to a sample of the rows of late and forecast from that
    bin on. Before there are any the expert is asleep: its means are NaN.

    Parameters
    ----------
    fit
        What makes an artifact of rows, at once. None leaves it to others, who look at ``due``
        after each bin, fit `training_rows` elsewhere and `swap` in what comes of it.
    """

    name = "trees"

    def __init__(self, profile: ForecastProfile, fit: Fit | None = fit) -> None:
        self.resets = 0
        self.due = False
        self._profile = profile
        self._fit = fit
        longest = profile.season_lengths[-1] if profile.season_lengths else 0
        span = max(SPAN_SEASONS * longest, SHORTEST_SPAN)
        self._schedule = RefitSchedule(profile.season_lengths)
        self._departures = Window(departures_kept(profile), profile.n_series)
        self._examples = Examples(profile.horizon, span, MAX_ROWS)
        self._artifact: Artifact | None = None
        self._next = np.zeros((profile.n_series, 0), np.float32)  # what was said of the next bin
        self._spread = Spread(profile.n_series)
        self._rows: FeatureRows | None = None  # of the newest origin; never part of a snapshot

    @property
    def training_rows(self) -> TrainingRows:
        """Rows to fit to, as they are after the last bin learnt."""
        return self._examples.known()

    def swap(self, artifact: bytes) -> None:
        """Forecast with ``artifact`` from now on.

        Raises
        ------
        CheckpointError
            When it is no artifact; the trees of before stay.
        """
        self._artifact = Artifact(artifact)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Keep examples of this bin, and refit if that is due and ours to do."""
        said = grown(self._next.T, len(slab.values), fill=np.nan)
        self._spread.learn(slab.values - said)
        self._departures.append(slab.bin, slab.values - covariates.usual_now)
        self._examples.fill(slab.bin, slab.values)
        rows = self._rows_of(window, covariates)
        self._examples.add(rows)
        self.due = self._schedule.is_due_after(slab.bin)
        if self.due and self._fit is not None:
            artifact = self._fit(self.training_rows)
            if artifact is not None:
                self.swap(artifact)
        self._next = self._means(rows, 1)[0]

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0, mean NaN while asleep."""
        rows = self._rows_of(window, covariates)
        scale = self._spread.over_leads(covariates.scale, self._profile.horizon)
        return self._means(rows, self._profile.horizon).transpose(1, 2, 0), scale

    def _rows_of(self, window: Window, covariates: Covariates) -> FeatureRows:
        """Return the rows of the newest origin, made once for learning and forecasting."""
        if self._rows is None or not self._rows.are_of(covariates):
            self._rows = FeatureRows(window, self._departures, covariates, self._profile)
        return self._rows

    def _means(self, rows: FeatureRows, n_leads: int) -> NDArray[np.float32]:
        """Return what the trees say of the first leads, (lead, series, cell)."""
        usual = rows.usual[:n_leads]
        if self._artifact is None:
            return np.full_like(usual, np.nan)
        table = rows.table[:n_leads].reshape(usual.size, -1)
        departure = self._artifact.predict(table).reshape(usual.shape)
        return np.maximum(usual + rows.unit * departure, np.float32(0.0))

    def snapshot(self) -> Arrays:
        """Return the state as arrays; the artifact as the bytes of its text."""
        artifact = b"" if self._artifact is None else self._artifact.data
        parts = {
            "schedule": self._schedule.snapshot(),
            "departures": self._departures.snapshot(),
            "examples": self._examples.snapshot(),
            "spread": self._spread.snapshot(),
        }
        return {
            "artifact": np.frombuffer(artifact, np.uint8).copy(),
            "next": self._next,
            "due": np.array(self.due),
            **nested(parts),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of.

        Raises
        ------
        CheckpointError
            When the artifact is damaged.
        """
        artifact = arrays["artifact"].astype(np.uint8).tobytes()
        self._artifact = Artifact(artifact) if artifact else None
        self._rows = None
        self._next = arrays["next"].copy()
        self.due = bool(arrays["due"])
        self._schedule.restore(scoped(arrays, "schedule"))
        self._departures.restore(scoped(arrays, "departures"))
        self._examples.restore(scoped(arrays, "examples"))
        self._spread.restore(scoped(arrays, "spread"))
