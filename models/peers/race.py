"""The race: all peers along one run, refitted weekly, each within its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.peers.peer import Floats, PeerStopped, Runner
from tidecast.models.profile import ForecastProfile
from tidecast.state.scopes import nested, scoped
from tidecast.state.settings.base import DAY
from tidecast.state.window import Window

__all__ = ["Entrant", "Race"]

WEEKS = 8
"""Weeks of history that a peer may know."""

Answer = TypeVar("Answer")
Said = NDArray[np.float32]


@dataclass
class Entrant:
    """A peer in the race, and how it did; ``stopped_at`` is the bin where it was given up."""

    runner: Runner
    seconds: float = 0.0
    fits: int = 0
    unfit: int = 0
    stopped_at: int | None = None
    reason: str = ""

    def snapshot(self) -> Arrays:
        """Return how it did so far, as arrays."""
        stopped_at = -1 if self.stopped_at is None else self.stopped_at
        return {
            "seconds": np.array(self.seconds),
            "counts": np.array([self.fits, self.unfit, stopped_at], np.int64),
            "reason": np.frombuffer(self.reason.encode(), np.uint8).copy(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the entrant that ``snapshot`` was taken of; it is not fitted yet."""
        self.seconds = float(arrays["seconds"])
        self.fits, self.unfit, stopped_at = arrays["counts"].tolist()
        self.stopped_at = None if stopped_at < 0 else stopped_at
        self.reason = arrays["reason"].astype(np.uint8).tobytes().decode()


class Race:
    """Forecasts of every peer at every origin from ``first_origin`` on, until they are forgotten.

    Peers are refitted when a week has passed since, or as many bins as they knew then, to the last
    eight weeks. A peer that took more than ``budget`` seconds in all has stopped: it says nothing
    any more.

    Parameters
    ----------
    clock
        Seconds, from any time on.
    """

    def __init__(
        self,
        runners: Sequence[Runner],
        profile: ForecastProfile,
        first_origin: int,
        budget: float,
        clock: Callable[[], float],
    ) -> None:
        self.entrants = [Entrant(runner) for runner in runners]
        self.budget = budget
        self._profile = profile
        self._first_origin = first_origin
        self._clock = clock
        self._week = 7 * DAY // profile.grid.nominal_width
        self._window = Window(WEEKS * self._week, profile.n_series)
        self._fitted = np.zeros((0, 0))  # (bin, row): what the peers were fitted to
        self._fitted_at: int | None = None
        self._said: dict[int, Said] = {}
        self._busy: Entrant | None = None
        self._begun = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the peers, in order."""
        return tuple(entrant.runner.name for entrant in self.entrants)

    def doing(self) -> str:
        """Return which peer is at work, and how many of its seconds are gone; "" if none is."""
        if (entrant := self._busy) is None:
            return ""
        seconds = entrant.seconds + self._clock() - self._begun
        return f"{entrant.runner.name} {seconds:,.0f} of {self.budget:,.0f} s"

    def step(self, bin_: int, values: Floats) -> None:
        """Take the values of a closed bin, (cell, series), and let all peers forecast from it."""
        self._window.append(bin_, values)
        if bin_ < self._first_origin:
            return
        if self._is_due(bin_):
            self._fitted, self._fitted_at = self._history(), bin_
            for entrant in self.entrants:
                self._fit(entrant, bin_)
        since = self._since(bin_)
        n_levels = len(self._profile.quantile_levels)
        shape = (len(values), self._profile.n_series, self._profile.horizon, 1 + n_levels)
        said = [self._forecast(entrant, bin_, since, shape) for entrant in self.entrants]
        self._said[bin_] = np.stack(said).swapaxes(1, 2)

    def correct(self, bin_: int, values: Floats) -> None:
        """Replace the values of an earlier bin; what was fitted to them stays."""
        self._window.correct(bin_, values)

    def about(self, bin_: int) -> dict[int, Said]:
        """Return what was said of a bin, by lead: (peer, series, cell, 1 + level) each.

        The mean comes first; peers that stopped are NaN.
        """
        leads = range(1, self._profile.horizon + 1)
        said = {lead: self._said.get(bin_ - lead) for lead in leads}
        return {
            lead: of_origin[..., lead - 1, :]
            for lead, of_origin in said.items()
            if of_origin is not None
        }

    def forget(self, bin_: int) -> None:
        """Drop what was said of no bin later than ``bin_``."""
        horizon = self._profile.horizon
        self._said = {o: said for o, said in self._said.items() if o + horizon > bin_}

    def _is_due(self, bin_: int) -> bool:
        if self._fitted_at is None:
            return True
        return bin_ - self._fitted_at >= min(self._week, len(self._fitted))

    def _history(self) -> Floats:
        """Return what is known of the last weeks, (bin, row), from the first known bin on."""
        values = self._rows()
        known = np.isfinite(values).any(axis=1)
        return values[int(known.argmax()) if known.any() else len(values) - 1 :]

    def _since(self, bin_: int) -> Floats:
        """Return the bins after the last fit, (bin, row)."""
        n_bins = bin_ - (bin_ if self._fitted_at is None else self._fitted_at)
        values = self._rows()
        return values[len(values) - n_bins :]

    def _rows(self) -> Floats:
        """Return the window, (bin, row): the series of the first cell, of the second ..."""
        n_bins, n_cells, n_series = self._window.values.shape
        return self._window.values.reshape(n_bins, n_cells * n_series).astype(np.float64)

    def _fit(self, entrant: Entrant, bin_: int) -> None:
        if (unfit := self._refit(entrant, bin_)) is not None:
            entrant.fits += self._fitted.shape[1]
            entrant.unfit += unfit

    def _refit(self, entrant: Entrant, bin_: int) -> int | None:
        fit = entrant.runner.fit
        return self._ask(entrant, bin_, lambda within: fit(self._fitted, within))

    def _forecast(self, entrant: Entrant, bin_: int, since: Floats, shape: tuple[int, ...]) -> Said:
        """Return what one peer says, of ``shape``; NaN when it has stopped."""
        said = self._ask(entrant, bin_, lambda within: entrant.runner.forecast(since, within))
        if said is None:
            return np.full(shape, np.nan, np.float32)
        return said.reshape(shape).astype(np.float32)

    def _ask(
        self, entrant: Entrant, bin_: int, question: Callable[[float], Answer]
    ) -> Answer | None:
        """Return the answer, on the peer's own time; None from when it has stopped."""
        if entrant.stopped_at is not None:
            return None
        self._busy, self._begun = entrant, self._clock()
        try:
            answer = question(self.budget - entrant.seconds)
        except PeerStopped as stop:
            entrant.stopped_at, entrant.reason = bin_, str(stop)
            return None
        finally:
            self._busy = None
            entrant.seconds += self._clock() - self._begun
        if entrant.seconds > self.budget:
            entrant.stopped_at, entrant.reason = bin_, "timed out"
            return None
        return answer

    def snapshot(self) -> Arrays:
        """Return the state as arrays; peers are fitted again to what they were fitted to."""
        fitted_at = -1 if self._fitted_at is None else self._fitted_at
        return nested(
            {
                "window": self._window.snapshot(),
                "fitted": {"history": self._fitted, "at": np.array(fitted_at)},
                "said": {f"{origin}": said for origin, said in self._said.items()},
                **{entrant.runner.name: entrant.snapshot() for entrant in self.entrants},
            }
        )

    def restore(self, arrays: Arrays) -> None:
        """Become the race that ``snapshot`` was taken of."""
        self._window.restore(scoped(arrays, "window"))
        self._fitted = arrays["fitted/history"].copy()
        fitted_at = int(arrays["fitted/at"])
        self._fitted_at = None if fitted_at < 0 else fitted_at
        said = scoped(arrays, "said")
        self._said = {int(origin): said[origin] for origin in said}
        for entrant in self.entrants:
            entrant.restore(scoped(arrays, entrant.runner.name))
            if fitted_at >= 0:
                self._refit(entrant, fitted_at)
