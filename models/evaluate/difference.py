"""Is one forecaster better than another? The test of Diebold and Mariano (1995)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["Difference", "compare", "diebold_mariano"]

Floats = NDArray[np.float64]
FEWEST = 10
"""Origins below which nothing is said."""


@dataclass(frozen=True)
class Difference:
    """A test of a mean difference: positive ``statistic`` = the other's losses are larger.

    ``p`` is two-sided, by the normal distribution.
    """

    statistic: float
    p: float
    n: int


def diebold_mariano(excess: Floats, overlap: int) -> Difference | None:
    """Return the test of one difference of losses per origin, (origin,); NaN = not scored.

    ``overlap`` is over how many origins errors hang together by their making. The variance of the
    mean allows for twice as many lags (Newey and West, 1987: Bartlett weights, which are never
    negative, but fall off: with lags of the overlap alone one test in eight is significant by
    chance), and for the usual 4 (n / 100)^(2/9) at least. None when fewer than 10 origins are
    known, or the difference never varies.
    """
    known = np.isfinite(excess)
    n = int(known.sum())
    if n < FEWEST:
        return None
    mean = excess[known].mean()
    away = np.where(known, excess - mean, 0.0)
    n_lags = min(max(2 * overlap, int(4 * (n / 100) ** (2 / 9))), n - 1)
    variance = float(away @ away)
    for lag in range(1, n_lags + 1):
        variance += 2 * (1 - lag / (n_lags + 1)) * float(away[lag:] @ away[:-lag])
    if variance <= 1e-30 * n:
        return None
    statistic = float(n * mean / np.sqrt(variance))
    return Difference(statistic, 2 * NormalDist().cdf(-abs(statistic)), n)


def compare(excess: Floats) -> dict[int | None, Difference]:
    """Return the tests by lead, and of the mean over leads (None), of (bin, lead) differences.

    Errors of lead h overlap over h - 1 origins: so many lags at least are allowed for.
    """
    horizon = excess.shape[1]
    tests: dict[int | None, Difference | None] = {
        None: diebold_mariano(_by_origin(excess), horizon - 1)
    }
    for lead in range(1, horizon + 1):
        tests[lead] = diebold_mariano(excess[:, lead - 1], lead - 1)
    return {lead: test for lead, test in tests.items() if test is not None}


def _by_origin(excess: Floats) -> Floats:
    """Return means over the leads of each origin whose leads are all known: (origin,)."""
    n_bins, horizon = excess.shape
    n_origins = n_bins - horizon + 1
    if n_origins < 1:
        return np.zeros(0)
    leads = [excess[lead : lead + n_origins, lead] for lead in range(horizon)]
    return np.asarray(np.stack(leads).mean(axis=0))
