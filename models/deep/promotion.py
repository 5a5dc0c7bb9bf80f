"""Promotion: which of two models that answer side by side is to speak, decided by their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tidecast.models.deep.scores import Score
from tidecast.models.evaluate.difference import diebold_mariano
from tidecast.state.settings.base import Frozen

__all__ = ["Bounds", "Trial", "Verdict", "should_promote", "should_roll_back"]

Floats = NDArray[np.float64]
Share = Annotated[float, Field(ge=0, lt=1)]


class Bounds(Frozen):
    """What a challenger must show, and what sends a champion back.

    A challenger is judged after ``span`` origins, a champion beside the one before it after each
    ``watch``. Losses differ where the test of Diebold and Mariano gives ``p`` or less. No group of
    at least ``least`` values may be worse by more than the share ``worse``. The coverage may be
    further from the promised one by ``coverage`` at most.
    """

    span: int = Field(default=336, ge=20)
    watch: int = Field(default=48, ge=20)
    p: float = Field(default=0.05, gt=0, lt=1)
    least: int = Field(default=200, ge=1)
    worse: Share = 0.05
    coverage: Share = 0.03


@dataclass(frozen=True)
class Verdict:
    """What is to be done, and why; ``gain`` is the share of the loss that the other one saves."""

    change: bool
    reason: str
    gain: float


class Trial:
    """The scores of two models at the same origins: the one that speaks, and another beside it.

    ``horizon`` leads make the errors of neighbouring origins hang together; ``promised`` is the
    share of values that the outermost quantiles should hold between them. Memory grows with the
    origins until `clear`.
    """

    def __init__(self, horizon: int, promised: float) -> None:
        self.horizon = horizon
        self.promised = promised
        self._loss: list[Floats] = []
        self._n: list[Floats] = []
        self._inside: list[tuple[float, float]] = []

    def __len__(self) -> int:
        """Return how many origins were scored."""
        return len(self._loss)

    def learn(self, speaking: Score, other: Score) -> None:
        """Add what both said at an origin, in order of time, of the same values.

        Raises
        ------
        ValueError
            When they are not of the same values.
        """
        if not np.array_equal(speaking.n, other.n):
            raise ValueError("two models are scored by different values")
        self._loss.append(np.stack([speaking.loss, other.loss]))
        self._n.append(speaking.n)
        self._inside.append((speaking.inside, other.inside))

    def clear(self) -> None:
        """Begin anew."""
        self._loss.clear()
        self._n.clear()
        self._inside.clear()

    def gain(self) -> float:
        """Return the share of the loss of the speaking one that the other saves."""
        speaking, other = self._losses().sum(axis=(0, 2))
        return float(1.0 - other / speaking) if speaking > 0 else 0.0

    def p(self) -> float:
        """Return how likely so large a difference of losses is by chance; 1 = nothing is said."""
        n = self._values().sum(axis=1)  # (origin,)
        sums = self._losses().sum(axis=2)  # (origin, model)
        means = np.divide(sums, n[:, None], out=np.full_like(sums, np.nan), where=n[:, None] > 0)
        test = diebold_mariano(means[:, 0] - means[:, 1], self.horizon - 1)
        return test.p if test else 1.0

    def worst_group(self, least: int) -> tuple[int, float]:
        """Return the group for which the other one is worst, and by what share of its loss.

        Groups of fewer than ``least`` values do not count; (-1, 0) without any.
        """
        speaking, other = self._losses().sum(axis=0)  # (group,)
        counts = (self._values().sum(axis=0) >= least) & (speaking > 0)
        if not counts.any():
            return -1, 0.0
        worse = np.full_like(speaking, -np.inf)
        np.divide(other - speaking, speaking, out=worse, where=counts)
        worst = int(worse.argmax())
        return worst, float(worse[worst])

    def coverages(self) -> tuple[float, float]:
        """Return the share of values between the outermost quantiles, of both."""
        total = max(self._values().sum(), 1.0)
        speaking, other = np.array(self._inside).reshape(-1, 2).sum(axis=0) / total
        return float(speaking), float(other)

    def strays(self) -> float:
        """Return how much further the other's coverage is from what was promised."""
        speaking, other = (abs(found - self.promised) for found in self.coverages())
        return other - speaking

    def _losses(self) -> Floats:
        """Return all sums of losses: (origin, model, group)."""
        return np.stack(self._loss) if self._loss else np.zeros((0, 2, 1))

    def _values(self) -> Floats:
        """Return all numbers of values: (origin, group)."""
        return np.stack(self._n) if self._n else np.zeros((0, 1))


def should_promote(trial: Trial, bounds: Bounds) -> Verdict:
    """Decide whether the challenger, the other one of ``trial``, is to take the champion's place.

    It is asked once, after ``bounds.span`` origins: who asks after each, finds a difference sooner
    or later where there is none.
    """
    gain, p = trial.gain(), trial.p()
    group, worse = trial.worst_group(bounds.least)
    if len(trial) < bounds.span:
        return Verdict(False, f"{len(trial)} of {bounds.span} origins are scored", gain)
    if not (gain > 0 and p <= bounds.p):
        return Verdict(False, f"not significantly better: {gain:+.2%} of loss, p = {p:.3g}", gain)
    if worse > bounds.worse:
        return Verdict(False, f"group {group} is worse by {worse:.1%}", gain)
    if trial.strays() > bounds.coverage:
        return Verdict(False, f"coverage {trial.coverages()[1]:.1%}", gain)
    return Verdict(True, f"saves {gain:.2%} of loss, p = {p:.3g}", gain)


def should_roll_back(trial: Trial, bounds: Bounds) -> Verdict:
    """Decide whether the former champion, the other one of ``trial``, is to come back."""
    gain, p = trial.gain(), trial.p()
    if len(trial) < bounds.watch:
        return Verdict(False, f"{len(trial)} of {bounds.watch} origins are scored", gain)
    if gain > 0 and p <= bounds.p:
        return Verdict(True, f"the one before saves {gain:.2%} of loss, p = {p:.3g}", gain)
    if -trial.strays() > bounds.coverage:
        return Verdict(True, f"coverage {trial.coverages()[0]:.1%}", gain)
    return Verdict(False, "not worse than the one before", gain)
