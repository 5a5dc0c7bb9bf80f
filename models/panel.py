"""The panel: the experts that are asked, and the watch that is kept on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part
from tidecast.models.covariates import Covariates
from tidecast.models.deep_expert import DeepExpert
from tidecast.models.experts import Expert, make_experts
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.watch import Watch
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Panel"]

Values = NDArray[np.float32]


class Panel:
    """The experts of a profile, in its order; one that has diverged is replaced by a new one."""

    def __init__(self, profile: ForecastProfile) -> None:
        self._profile = profile
        self._watch = Watch(len(profile.experts))
        self.experts: tuple[Expert, ...] = make_experts(profile)

    @property
    def resets(self) -> dict[str, int]:
        """How often each expert threw away state that was no longer sane, or began anew."""
        own = zip(self.experts, self._watch.resets.tolist(), strict=True)
        return {expert.name: expert.resets + anew for expert, anew in own}

    def hear(self, said: DeepForecast) -> None:
        """Let the expert `deep` say when it is asked next what a deep model has said."""
        for expert in self.experts:
            if isinstance(expert, DeepExpert):
                expert.hear(said)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Let all learn; see `Expert.learn`."""
        for expert in self.experts:
            expert.learn(window, slab, covariates)

    def ask(
        self, window: Window, covariates: Covariates, ceiling: NDArray[np.float64]
    ) -> tuple[Values, Values]:
        """Return the means and scales that experts say, (expert, series, cell, lead) each.

        Means are within [0, ``ceiling``], (cell, series); NaN = asleep. They are without what is
        known ahead to move demand. Who has diverged begins anew.
        """
        shape = (len(self.experts), *covariates.level.T.shape, self._profile.horizon)
        means, scales = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for place, expert in enumerate(self.experts):
            means[place], scales[place] = expert.forecast(window, covariates)
        means = self._watch.within(means, ceiling.T[:, :, None].astype(np.float32))
        for place in self._watch.diverged():
            self._begin_anew(place)
        return means, scales

    def _begin_anew(self, place: int) -> None:
        """Replace an expert by one that has learnt nothing."""
        experts = [*self.experts]
        fresh = replace(self._profile, experts=(experts[place].name,))
        experts[place] = make_experts(fresh)[0]
        self.experts = tuple(experts)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> dict[str, Parts]:
        """Return the parts of what each expert said last of a cell; see `Expert.explain`."""
        return {e.name: e.explain(window, covariates, cell) for e in self.experts}

    def parts(self) -> dict[str, Part]:
        """Return everything that has a state, by the name that it has in a snapshot."""
        return {"watch": self._watch, **{f"expert-{e.name}": e for e in self.experts}}
