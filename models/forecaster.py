"""The forecast step: score what was forecast, learn from the slab, forecast again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful, finite, grown
from tidecast.models.beginning import Anew, Beginning
from tidecast.models.combination import Combination, shares
from tidecast.models.covariates import Covariates
from tidecast.models.explain import Explanation, Issued, explained
from tidecast.models.forecast import Forecast, Opinion
from tidecast.models.outlook import Moves
from tidecast.models.panel import Panel
from tidecast.models.pending import Due, Pending
from tidecast.models.periodic.refits import Refits
from tidecast.models.profile import ForecastProfile
from tidecast.models.quantiles import quantiles_of
from tidecast.models.ranks import NOTHING
from tidecast.models.scores import Scores, ScoreSheet
from tidecast.models.short import shortened
from tidecast.models.shut import limit
from tidecast.models.surroundings import Surroundings
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Forecaster"]

Values = NDArray[np.float32]

OWN = ("pending/", "beginning/", "surroundings/actions/", "watch/resets")
"""What a forecaster that learns its beginning anew keeps of its own: what it said and did."""


class Forecaster(Stateful):
    """All cells' window, experts and what combines them; one step for every closed bin.

    The same slabs give the same forecasts, to the byte; a forecast depends on no slab after its
    origin, nor on covariates that were not ``known`` there. Refits are made at once, or
    ``refits_are_decided`` elsewhere; `refits` tells them.
    """

    def __init__(
        self,
        profile: ForecastProfile,
        refits_are_decided: bool = False,
        known: CovariateTable | None = None,
    ) -> None:
        self.known = known
        self.profile = profile
        self.beginning = Beginning(profile)
        self.panel = Panel(profile)
        self._refits_at_once = not refits_are_decided
        self._window = Window(profile.context_length, profile.n_series)
        self._surroundings = Surroundings(profile, known)
        self._combination = Combination(profile)
        self._pending = Pending()

    def step(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> tuple[Scores | None, Forecast]:
        """Score the forecasts of this bin, learn from it, and forecast the next ones.

        ``cells`` are those of the slab's rows; they may only grow. ``positions`` are latitude and
        longitude of regions, as far as known. Scores are None when nothing was forecast of this
        bin. Forecasts of bins that were skipped are scored only if a correction of those comes.
        """
        scores = self.score(slab)
        opinion = self.advance(slab, cells, positions)
        return scores, self.issue(opinion, opinion.mean)

    def advance(
        self,
        slab: Slab,
        cells: Sequence[Cell],
        positions: Mapping[str, tuple[float, float]],
        moves: Moves | None = None,
    ) -> Opinion:
        """Learn as `step` does; return what is thought of the next bins, for `issue`.

        ``moves`` is told to those who do not know it by themselves.
        """
        self.refits.make()
        before = self._surroundings.scale, self._surroundings.level
        admitted, covariates = self._surroundings.observe(slab, cells, positions, moves)
        heard = np.where(np.isfinite(admitted.values), finite(slab.values), np.nan)
        for dues in self._pending.together(slab.bin, self.beginning.since):
            self._combination.learn(dues, heard, *before, slab.counts)
        if slab.counts is not None:
            self._combination.count(slab.bin, slab.counts)
        self._window.append(slab.bin, admitted.values)
        self.panel.learn(self._window, admitted, covariates)
        return self._think(covariates, heard)

    def issue(self, opinion: Opinion, mean: Values) -> Forecast:
        """Give out a forecast whose ``mean``, (series, cell, lead), may be another than thought.

        Quantiles follow their mean by its ratio. They are judged as they are given out; the
        weights of experts learn from what each of them said.
        """
        scale = _following(opinion.scale, opinion.mean, mean)
        shapes, whole = self._combination.shapes(), self._combination.whole
        bin_ = opinion.origin_bin
        self._pending.add(bin_, np.concatenate([mean[None], opinion.means]), scale, shapes, whole)
        self._pending.forget(lambda due: self._is_final(due, bin_))
        return Forecast(bin_, mean, quantiles_of(mean, scale, shapes, whole), opinion.weights)

    def unlearnt(self) -> Forecaster:
        """Return one of the same profile that has learnt nothing, and judges no beginning."""
        fresh = Forecaster(self.profile, not self._refits_at_once, self.known)
        fresh.beginning.restore({})
        return fresh

    def become(self, other: Forecaster, next_bin: int) -> None:
        """Take over what another has learnt of all that came before ``next_bin``.

        What was given out, and what the guards did, stays; it is not learnt from.
        """
        learnt = {n: a for n, a in other.snapshot().items() if not n.startswith(OWN)}
        own = {n: a for n, a in self.snapshot().items() if n.startswith(OWN)}
        self.restore(learnt | own)
        self.beginning.since = next_bin

    def count(self, anew: Anew) -> None:
        """Count the bursts of a beginning that had been learnt."""
        for slab, bursts in zip(anew.slabs, anew.bursts, strict=False):
            held = grown(self._window.at(slab.bin), len(bursts), fill=np.nan)
            self._surroundings.count_bursts(bursts & np.isfinite(held))

    def correct(self, slab: Slab) -> Scores | None:
        """Replace the values of an earlier bin, and score its forecasts by them.

        What was learnt from the bin stays; nothing is learnt twice. What was suspended and still
        looks it stays so. Scores are None when nothing was forecast of the bin.
        """
        self.amend(slab)
        return self.score(slab)

    def amend(self, slab: Slab) -> NDArray[np.float64]:
        """Replace the values of an earlier bin as `correct` does; score nothing.

        Return the values, (cell, series), NaN where they stay suspended.
        """
        self.beginning.correct(slab)
        demand = finite(slab.demand)
        kept = self._surroundings.fit(slab.bin, demand, self._window.at(slab.bin))
        self._window.correct(slab.bin, kept)
        return np.where(np.isfinite(kept), demand, np.nan)

    def hear(self, said: DeepForecast) -> None:
        """Let the expert `deep` say at the next step what a deep model has said of it."""
        self.panel.hear(said)

    @property
    def refits(self) -> Refits:
        """The refits of the experts there are now."""
        return Refits(self.panel.experts, self._refits_at_once)

    @property
    def n_cells(self) -> int:
        """Cells that were forecast so far."""
        return self._window.n_cells

    @property
    def actions(self) -> Mapping[str, NDArray[np.int64]]:
        """What the guards did so far: see `tidecast.models.actions`; each (series,)."""
        return self._surroundings.actions

    @property
    def resets(self) -> dict[str, int]:
        """How often each expert threw away state that was no longer sane, or began anew."""
        return self.panel.resets

    def explain(
        self, number: int, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> Explanation:
        """Return what the last forecast of a cell, by its number, is made of.

        ``cells`` and ``positions`` are those of the last `step`. Nothing is changed by it, and a
        restored forecaster says the same.

        Raises
        ------
        LookupError
            When nothing was forecast of the cell.
        """
        origin = -1 if self._window.last_bin is None else self._window.last_bin
        dues = self._said_from(origin, number)
        means = np.stack([due.means[:, :, number] for due in dues], axis=-1)
        awake = np.any([np.isfinite(due.means[1:]).any(axis=2) for due in dues], axis=0)
        covariates = self._surroundings.known_after(origin, cells, positions)
        weights = self._combination.weights(awake, covariates.level)[:, :, number]
        sane = self._surroundings.ceiling[number][:, None]
        limits = np.broadcast_to(limit(covariates), covariates.usual_ahead.T.shape)[:, number]
        ceiling = np.minimum(sane, limits)
        about = self.profile.series, origin
        level, factor = covariates.level[number], self._combination.factor()
        issued = Issued(*about, means, weights, level, ceiling, factor)
        experts = self.panel.explain(self._window, covariates, number)
        return explained(issued, experts, self._surroundings.explain_factor(origin, number))

    def _said_from(self, origin: int, number: int) -> list[Due]:
        """Return what was said at an origin, lead by lead, of as many cells at least."""
        leads = range(1, self.profile.horizon + 1)
        dues = [d for lead in leads for d in self.said_of(origin + lead) if d.lead == lead]
        if not dues or number >= dues[0].means.shape[-1]:
            raise LookupError(f"nothing was forecast of cell {number}")
        return dues

    def said_of(self, bin_: int) -> tuple[Due, ...]:
        """Return what was forecast of ``bin_`` so far, a lead each; ask before it closes."""
        return tuple(self._pending.about(bin_))

    def expected_of(self, bin_: int) -> Values | None:
        """Return the mean that was last forecast of ``bin_``, (series, cell); None = none was."""
        return self._pending.newest(bin_)

    def score(self, slab: Slab) -> Scores | None:
        """Score what was said of a bin by its values; None when nothing was."""
        if slab.bin not in self._pending:
            return None
        sheet, values = ScoreSheet(slab.bin, self.profile, slab.revision), finite(slab.demand)
        for dues in self._pending.together(slab.bin):
            actual = values[: dues.scale.shape[-1]].T  # (series, cell)
            sheet.fill(dues.leads, actual, dues.means, dues.quantiles())
        return sheet.scores

    def _is_final(self, bin_: int, closed: int) -> bool:
        """Tell whether a bin is closed and no later slab than ``closed`` may bring a correction."""
        grid = self.profile.grid
        return bin_ <= closed and grid.end(bin_) + self.profile.reach <= grid.end(closed + 1)

    def _think(self, covariates: Covariates, heard: NDArray[np.float64]) -> Opinion:
        means, scales = self._ask(covariates)
        means = np.minimum(means, limit(covariates))
        factor = covariates.factor_ahead.transpose(2, 1, 0)
        means = shortened(means * factor)  # (expert, series, cell, lead)
        of_series: NDArray[np.bool_] = np.any(np.isfinite(means), axis=(2, 3))  # (expert, series)
        weights = self._combination.weights(of_series, covariates.level)
        mean, scale = self._combination.combine(means, scales, weights, covariates)
        awake: NDArray[np.bool_] = np.any(of_series, axis=1)
        given = zip(self.profile.experts, shares(weights, covariates.level, awake), strict=True)
        spoke = dict(compress(given, awake))
        n_series, n_cells, n_leads = mean.shape
        moves = Moves(
            np.broadcast_to(covariates.factor_now, (n_cells, n_series)),
            np.broadcast_to(covariates.factor_ahead, (n_leads, n_cells, n_series)),
        )
        return Opinion(covariates.bin, heard, means, mean, scale, moves, spoke)

    def _ask(self, covariates: Covariates) -> tuple[Values, Values]:
        """Return what experts say; see `Panel.ask`."""
        return self.panel.ask(self._window, covariates, self._surroundings.ceiling)

    def _members(self) -> dict[str, Part]:
        return {
            "window": self._window,
            "surroundings": self._surroundings,
            "pending": self._pending,
            "beginning": self.beginning,
            **self._combination.parts(),
            **self.panel.parts(),
        }


def _following(scale: Values, mean: Values, moved: Values) -> Values:
    """Return the scale of a forecast whose mean was moved: by the same ratio, at most by five.

    Where nothing was forecast it stays.
    """
    ratio = moved / np.where(mean > NOTHING, mean, np.float32(1.0))
    ratio = np.where(mean > NOTHING, ratio, np.float32(1.0))
    return np.asarray(scale * np.clip(ratio, np.float32(0.2), np.float32(5.0)), np.float32)
