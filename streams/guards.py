"""What the guards did at each bin, told in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from tidecast.models.actions import ACTIONS
from tidecast.models.coherent import CoherentForecaster

__all__ = ["Action", "GuardLog"]

logger = logging.getLogger(__name__)

STARTS = {
    "outage": "series %s: all cells are at zero, more often than chance allows; taken for an "
    "outage, nothing is learnt from it, and forecasts go on",
    "shared_burst": "series %s: a burst of all cells; the first bins of it are not learnt from",
}
ENDS = {
    "outage": "series %s: values are learnt from again",
    "shared_burst": "series %s: what comes now is learnt from again",
}


class Action(NamedTuple):
    """So many actions of a kind, in a series; or resets of an expert."""

    what: str
    name: str
    times: int


class GuardLog:
    """Holds the guards' counts after a bin against those before; logs what begins and ends.

    What a forecaster did before it was first looked at is no news.
    """

    def __init__(self, forecaster: CoherentForecaster) -> None:
        self._forecaster = forecaster
        self._before = self._counts()
        self._going_on: set[tuple[str, str]] = set()

    def news(self) -> Sequence[Action]:
        """Return what was done since the last call, and log it."""
        now = self._counts()
        found = [
            Action(*key, count - self._before.get(key, 0))
            for key, count in now.items()
            if count > self._before.get(key, 0)
        ]
        self._before = now
        self._tell(found)
        return found

    def _counts(self) -> dict[tuple[str, str], int]:
        actions, series = self._forecaster.actions, self._forecaster.profile.series
        counts = {
            (what, name): int(count)
            for what in ACTIONS
            for name, count in zip(series, actions[what], strict=True)
        }
        return counts | {("reset", name): n for name, n in self._forecaster.resets.items()}

    def _tell(self, found: Sequence[Action]) -> None:
        going_on = {(what, name) for what, name, _ in found if what in STARTS}
        for what, name in sorted(going_on - self._going_on):
            logger.warning(STARTS[what], name)
        for what, name in sorted(self._going_on - going_on):
            logger.info(ENDS[what], name)
        self._going_on = going_on
        for what, name, count in found:
            if what == "reset":
                logger.warning("expert %s threw away insane state, %d times", name, count)
