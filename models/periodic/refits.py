"""Refits: made at once, or decided elsewhere and then swapped in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from tidecast.models.experts import Expert
from tidecast.models.periodic.artifact import fit
from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.trees import TreesExpert
from tidecast.state.cuts import Refit
from tidecast.state.errors import CheckpointError

__all__ = ["DueRefit", "Refits"]

logger = logging.getLogger(__name__)


class DueRefit(NamedTuple):
    """A refit of ``expert`` that came due with the closing of ``bin``."""

    expert: str
    bin: int


class Refits:
    """The refits of all experts that have any.

    A refit that came due with the closing of a bin acts from the next one on. Where refits are
    made ``at_once`` that one waits for the fit; else for a `Refit`, which may also say to go on
    without. So both give the same forecasts where none says so.
    """

    def __init__(self, experts: Sequence[Expert], at_once: bool) -> None:
        self._experts = {each.name: each for each in experts if isinstance(each, TreesExpert)}
        self._at_once = at_once

    @property
    def due(self) -> DueRefit | None:
        """A refit that is due, None where none is."""
        dues = ((name, expert.schedule.due) for name, expert in self._experts.items())
        return min((DueRefit(n, bin_) for n, bin_ in dues if bin_ is not None), default=None)

    @property
    def are_awaited(self) -> bool:
        """Whether the next bin may only be closed after a decision."""
        return not self._at_once and any(e.schedule.is_awaited for e in self._experts.values())

    def training_rows(self, due: DueRefit) -> tuple[TrainingRows, ...]:
        """Return what to fit to, series by series."""
        return self._experts[due.expert].training_rows

    def make(self) -> None:
        """Make what is due, where refits are made at once."""
        while self._at_once and (due := self.due) is not None:
            self._experts[due.expert].swap([fit(rows) for rows in self.training_rows(due)])

    def decide(self, refit: Refit) -> None:
        """Act on a decision; one of a refit that is not due, or was made, changes nothing.

        Artifacts that cannot be read are refused, and the bins go on without.
        """
        expert = self._experts.get(refit.expert)
        if expert is None or expert.schedule.due != refit.bin:
            return
        expert.schedule.go_without()
        if refit.artifacts is not None:
            try:
                expert.swap(refit.artifacts)
            except CheckpointError as error:
                logger.warning("a refit of %s goes without effect: %s", refit.expert, error)
