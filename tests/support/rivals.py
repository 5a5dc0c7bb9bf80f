"""Peers for tests, and a runner that runs one in this process."""

from __future__ import annotations

import os
import time

import numpy as np

from tidecast.models.peers.peer import Floats, Peer, PeerTask

TASK = PeerTask(3, (0.1, 0.5, 0.9), (7,))


class Last:
    """Says the last value for ever, with certainty; remembers what it was asked."""

    def __init__(self, task: PeerTask = TASK) -> None:
        self.task = task
        self.fits: list[Floats] = []
        self.since: list[Floats] = []

    def fit(self, history: Floats) -> int:
        self.fits.append(history)
        return 0

    def forecast(self, since: Floats) -> Floats:
        self.since.append(since)
        fitted = self.fits[-1]  # who was never fitted cannot answer
        newest = since[-1] if len(since) else fitted[-1]
        shape = (since.shape[1], self.task.horizon, 1 + len(self.task.quantile_levels))
        return np.broadcast_to(np.nan_to_num(newest)[:, None, None], shape)


class Stalling(Last):
    """Never comes to the end of its second fit."""

    def fit(self, history: Floats) -> int:
        if self.fits:
            time.sleep(3600)
        return super().fit(history)


class Crashing(Last):
    """Takes its process with it, as foreign code may."""

    def forecast(self, since: Floats) -> Floats:
        os._exit(3)


class InProcess:
    """Runs a peer here, and lets ``clock`` run on by ``seconds`` a call."""

    def __init__(self, name: str, peer: Peer, seconds: float = 0.0) -> None:
        self.name = name
        self.peer = peer
        self.seconds = seconds
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def fit(self, history: Floats, within: float) -> int:
        self.now += self.seconds
        return self.peer.fit(history)

    def forecast(self, since: Floats, within: float) -> Floats:
        self.now += self.seconds
        return self.peer.forecast(since)
