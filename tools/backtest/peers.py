"""Peers in a backtest: on which cells, for how long, and how they did."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from tidecast.models.evaluate.beside import Beside
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.peers.catalogue import PEERS, check_installed, make_peer
from tidecast.models.peers.peer import PeerTask
from tidecast.models.peers.race import Entrant, Race
from tidecast.models.peers.sample import sample_cells
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import iso
from tidecast.state.cells import Cell
from tidecast.tools.backtest.peer_process import PeerProcess

__all__ = ["PeerReport", "PeersPlan", "start_peers"]


@dataclass(frozen=True)
class PeersPlan:
    """Which cells the peers forecast, by number, and the seconds that each peer has."""

    cells: tuple[int, ...]
    seconds: float

    @classmethod
    def of(cls, n_cells: int, n_wanted: int, seed: int, seconds: float) -> PeersPlan:
        """Return the plan for a sample of the cells.

        Raises
        ------
        SettingsError
            When what the peers need is not installed.
        """
        check_installed()
        return cls(tuple(sample_cells(n_cells, n_wanted, seed).tolist()), seconds)


def start_peers(plan: PeersPlan, profile: ForecastProfile, span: Span) -> Beside:
    """Return all peers, a process each, which begin with the first origin that is scored."""
    task = PeerTask.of(profile)
    runners = [PeerProcess(name, partial(make_peer, name, task)) for name in PEERS]
    first_origin = span.first_bin - profile.horizon
    race = Race(runners, profile, first_origin, plan.seconds, time.monotonic)
    return Beside(profile, span, np.array(plan.cells, np.int64), race)


class PeerReport:
    """What to tell of the peers of a run, figures apart; ``cells`` are all that there are."""

    def __init__(self, beside: Beside, cells: Sequence[Cell]) -> None:
        self.beside = beside
        self.scores = tuple(beside.scores())
        self.is_sample = len(beside.cells) < len(cells)
        self._cells = [cells[number] for number in beside.cells]
        self._n_cells = len(cells)

    @property
    def names(self) -> tuple[str, ...]:
        """Peers that came to the end."""
        entrants = self.beside.race.entrants
        return tuple(e.runner.name for e in entrants if e.stopped_at is None)

    @property
    def title(self) -> str:
        """On which cells the peers are compared."""
        if not self.is_sample:
            return "beside peers, all cells and leads"
        return f"beside peers, the same {len(self._cells):,} of {self._n_cells:,} cells, all leads"

    def notes(self) -> Iterator[str]:
        """Yield a sentence on every peer that stopped, or could not be fitted everywhere."""
        for entrant in self.beside.race.entrants:
            name = entrant.runner.name
            if entrant.stopped_at is not None:
                yield (
                    f"{name} {entrant.reason} after {entrant.seconds:,.0f} s, at "
                    f"{self._when(entrant)}: it has no figures "
                    "(fewer --peer-cells or more --peer-seconds)"
                )
            elif entrant.unfit:
                yield (
                    f"{name}: {entrant.unfit:,} of {entrant.fits:,} fits were not possible; "
                    "the seasonal naive stood in"
                )

    def to_json(self) -> dict[str, Any]:
        """Return all that there is to tell."""
        return {
            "cells": [list(cell) for cell in self._cells],
            "scores": [asdict(score) for score in self.scores],
            "peers": [
                {
                    "peer": entrant.runner.name,
                    "seconds": round(entrant.seconds, 1),
                    "fits": entrant.fits,
                    "not_possible": entrant.unfit,
                    "stopped": entrant.reason or None,
                    "stopped_at": None if entrant.stopped_at is None else self._when(entrant),
                }
                for entrant in self.beside.race.entrants
            ],
        }

    def _when(self, entrant: Entrant) -> str:
        """Return the start of the bin at which a peer stopped."""
        return iso(self.beside.evaluator.profile.grid.start(entrant.stopped_at or 0))
