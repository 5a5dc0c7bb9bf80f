"""A contest: models that answer the bins of the champion, scored when what they forecast is known.

It is a fold over the closed bins: told of the same bins, it comes to the same decisions.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidecast.models.deep.config import DEFAULT_LEVELS
from tidecast.models.deep.context import ClosedBin, Context
from tidecast.models.deep.history import Scales
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.promotion import Bounds, Trial, should_promote, should_roll_back
from tidecast.models.deep.scores import Score, score_of, size_groups
from tidecast.models.positions import Positions
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.settings import RegionsSettings
from tidecast.state.settings.base import Frozen

__all__ = ["Contest", "Decision", "Parties"]

Floats = NDArray[np.float32]

DEVIATES = np.array([NormalDist().inv_cdf(level) for level in DEFAULT_LEVELS], np.float32)
PROMISED = DEFAULT_LEVELS[-1] - DEFAULT_LEVELS[0]


class Decision(Frozen):
    """What became of ``model``: a challenger, or the champion that is watched."""

    model: str
    outcome: Literal["promoted", "rejected", "rolled_back", "kept"]
    reason: str


@dataclass(frozen=True)
class Parties:
    """Who takes part: the champion, its challengers, the champion before it."""

    champion: LiveModel
    challengers: Sequence[LiveModel] = ()
    former: LiveModel | None = None

    @property
    def others(self) -> tuple[LiveModel, ...]:
        """All but the champion."""
        return (*self.challengers, *([self.former] if self.former else []))


@dataclass(frozen=True)
class Round:
    """What was said at an origin, by name, and the usual level and scale of all cells then."""

    origin: int
    usual: Scales
    said: Mapping[str, DeepForecast]


@dataclass
class Table:
    """A shard's bins from ``first`` on, where its regions lie, rounds that are not scored yet."""

    first: int
    context: Context
    positions: Positions
    rounds: deque[Round] = field(default_factory=deque)


class Contest:
    """Runs challengers, and the former champion, beside the champion.

    They are judged by what they say to a forecaster, mean and scale, and only at origins after all
    that either of two has learnt from. A challenger is judged once, by its first ``bounds.span``
    origins; one without a sound answer is out, and so is one that never answers within
    ``patience`` seconds of ``clock``. The former champion answers while ``watching``.
    """

    def __init__(
        self,
        parties: Parties,
        n_series: int,
        regions: RegionsSettings,
        bounds: Bounds,
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self.parties, self.bounds = parties, bounds
        self._patience, self._clock = patience, clock
        self.watching = False
        everybody = (parties.champion, *parties.others)
        self._horizon = parties.champion.horizon
        self._length = max(self._horizon, *(model.context_length for model in everybody))
        self._n_series, self._regions = n_series, regions
        self._trials = {model.name: Trial(self._horizon, PROMISED) for model in parties.others}
        self._failed: dict[str, str] = {}
        self._silent = 0  # bins in a row
        self._quickest: dict[str, float] = {}  # seconds
        self._tables: dict[int, Table] = {}

    @property
    def n_bins(self) -> int:
        """Bins that a trial looks at in all: one that begins anew reads so many."""
        return self._length + self.bounds.span + self._horizon

    def take(self, shard: int, closed: ClosedBin) -> None:
        """Take in a closed bin of a shard, or its correction."""
        bin_ = closed.bin
        if shard not in self._tables:
            context = Context(self._length, self._n_series)
            self._tables[shard] = Table(bin_, context, Positions(self._regions))
        table = self._tables[shard]
        if not table.context.take(closed):
            return
        while table.rounds and table.rounds[0].origin + self._horizon <= bin_:
            self._score(table.rounds.popleft(), table.context)
        if bin_ >= table.first + self._length:  # what all look back at is there
            self._ask(table, bin_)

    def decisions(self) -> Iterator[Decision]:
        """Yield what is due to be decided now."""
        for name in [model.name for model in self.parties.challengers]:
            trial = self._trials[name]
            if name in self._failed:
                yield Decision(model=name, outcome="rejected", reason=self._failed[name])
            elif len(trial) == self.bounds.span:
                yield self._of_challenger(name, trial)
        former = self.parties.former
        if former is not None and self._silent >= self.bounds.watch:
            reason = f"no sound answer to {self._silent} bins that the one before has answered"
            yield Decision(model=self.parties.champion.name, outcome="rolled_back", reason=reason)
        elif former is not None and len(self._trials[former.name]) >= self.bounds.watch:
            yield self._of_champion(self._trials[former.name])

    def _of_challenger(self, name: str, trial: Trial) -> Decision:
        """Decide about a challenger whose span is over."""
        if (seconds := self._quickest[name]) > self._patience:
            reason = f"its quickest answer took {seconds:.1f} s"
            return Decision(model=name, outcome="rejected", reason=reason)
        verdict = should_promote(trial, self.bounds)
        outcome: Literal["promoted", "rejected"] = "promoted" if verdict.change else "rejected"
        return Decision(model=name, outcome=outcome, reason=verdict.reason)

    def _of_champion(self, trial: Trial) -> Decision:
        """Decide about the champion that was watched, and begin to watch anew."""
        verdict = should_roll_back(trial, self.bounds)
        trial.clear()
        outcome: Literal["rolled_back", "kept"] = "rolled_back" if verdict.change else "kept"
        return Decision(model=self.parties.champion.name, outcome=outcome, reason=verdict.reason)

    def _ask(self, table: Table, origin: int) -> None:
        """Have everybody answer who is on trial at ``origin``."""
        champion = self.parties.champion
        asked = [model for model in self.parties.others if self._is_asked(model, origin)]
        if not asked:
            return
        said = self._answer(champion, table)
        if isinstance(said, str):
            self._count_silence(asked, table)
            return
        self._silent = 0
        answers = {champion.name: said}
        for model in asked:
            answer = self._answer(model, table)
            if isinstance(answer, str):
                self._leave_out(model, f"no sound answer to bin {origin}: {answer}")
            elif not _says_as_much(answer, said):
                self._leave_out(model, f"no answer to bin {origin} for a series of the champion")
            else:
                answers[model.name] = answer
        table.rounds.append(Round(origin, champion.usual(table.context), answers))

    def _count_silence(self, asked: Sequence[LiveModel], table: Table) -> None:
        """Count a bin to which the champion has no sound answer, and the one before has."""
        former = self.parties.former
        if former in asked and former is not None:
            self._silent += isinstance(self._answer(former, table), DeepForecast)

    def _is_asked(self, model: LiveModel, origin: int) -> bool:
        if origin + 1 < max(self.parties.champion.learnt_until, model.learnt_until):
            return False  # one of them has seen what comes
        return self._is_open(model.name) and (model is not self.parties.former or self.watching)

    def _is_open(self, name: str) -> bool:
        return name not in self._failed and len(self._trials[name]) < self.bounds.span

    def _answer(self, model: LiveModel, table: Table) -> DeepForecast | str:
        """Return what ``model`` says of the newest bin, or why it says nothing."""
        context, started = table.context, self._clock()
        try:
            answer = model.answer(context, table.positions.of(context.cells))
        except RuntimeError as error:  # torch's, of memory that is full among others
            return repr(error)
        seconds = self._clock() - started
        self._quickest[model.name] = min(seconds, self._quickest.get(model.name, math.inf))
        return "not finite" if answer is None else answer

    def _leave_out(self, model: LiveModel, why: str) -> None:
        if model is self.parties.former:
            self._trials[model.name].clear()
        else:
            self._failed[model.name] = why

    def _score(self, finished: Round, context: Context) -> None:
        """Score all that was said at an origin whose leads have closed."""
        speaking = finished.said[self.parties.champion.name]
        n_cells = speaking.mean.shape[1]
        actual = context.after(finished.origin, self._horizon)[:, :n_cells]
        taken = np.flatnonzero(np.isfinite(speaking.mean).all(axis=(1, 2)))  # (series,)
        scores = {
            name: _score(said, actual, finished.usual, taken)
            for name, said in finished.said.items()
        }
        for name, score in scores.items():
            if name in self._trials and self._is_open(name):
                self._trials[name].learn(scores[self.parties.champion.name], score)


def _says_as_much(answer: DeepForecast, champion: DeepForecast) -> bool:
    """Tell whether there is an answer to each series that the champion has one to."""
    return bool((np.isfinite(answer.mean) | np.isnan(champion.mean)).all())


def _score(said: DeepForecast, actual: Floats, usual: Scales, taken: NDArray[np.intp]) -> Score:
    """Return the score of what is said of the series ``taken``, as of normal distributions."""
    mean, scale = said.mean[taken, ..., None], said.scale[taken, ..., None]
    quantiles = mean + scale * DEVIATES  # (series, cell, lead, level)
    groups = size_groups(usual.level[:, taken])
    return score_of(quantiles, actual[taken], DEFAULT_LEVELS, usual.scale[:, taken], groups)
