"""What a peer is, and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidecast.models.profile import ForecastProfile

__all__ = ["Floats", "Peer", "PeerStopped", "PeerTask", "Runner"]

Floats = NDArray[np.float64]


class PeerStopped(Exception):
    """A peer that will say nothing more, and why."""


@dataclass(frozen=True)
class PeerTask:
    """What every peer is asked for; ``season_lengths`` are bins, rising."""

    horizon: int
    quantile_levels: tuple[float, ...]
    season_lengths: tuple[int, ...]

    @classmethod
    def of(cls, profile: ForecastProfile) -> PeerTask:
        """Return the task of forecasting as ``profile`` says."""
        return cls(profile.horizon, profile.quantile_levels, profile.season_lengths)

    @property
    def season(self) -> int:
        """The shortest season; 1 where there is none."""
        return self.season_lengths[0] if self.season_lengths else 1


class Peer(Protocol):
    """A forecaster of rows (a cell's series each), which is fitted now and then.

    All it knows is what it is given: ``history``, (bin, row), oldest first, NaN = unknown.
    """

    def fit(self, history: Floats) -> int:
        """Fit anew, forgetting what was fitted before; return how many rows had no fit."""
        ...

    def forecast(self, since: Floats) -> Floats:
        """Return what comes after the bins ``since`` the fit, (bin, row), without a refit.

        Mean and quantiles, (row, lead, 1 + level): finite, sorted, at least 0. Rows may have come
        since the fit, at the end.
        """
        ...


class Runner(Protocol):
    """Runs one peer somewhere, each call for so many seconds at most.

    Both calls raise `PeerStopped` when it takes longer, or fails altogether.
    """

    name: str

    def fit(self, history: Floats, within: float) -> int:
        """See `Peer.fit`."""
        ...

    def forecast(self, since: Floats, within: float) -> Floats:
        """See `Peer.forecast`."""
        ...
