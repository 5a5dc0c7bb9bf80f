"""Logs in which refits come due, and what decides them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from slabs import LISTED, PLACES, settings_with
from tree_worlds import training_rows

from tidecast.models.fold import Closed, ForecastFold
from tidecast.models.periodic.artifact import fit
from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import BinSums, Cut, InputMessage, Refit

SETTINGS = settings_with(forecast={"horizon": 3, "season_lengths": [4]})
FIRST_BIN = 1_000_000
DUE = FIRST_BIN + 7
"""The bin after which the first refit is due; the next one is at 16 bins."""

FITTED = fit(training_rows())
"""Trees over the features known."""

REFIT = Refit("trees", DUE, (FITTED, b""))
WITHOUT = Refit("trees", DUE, None)
CELLS = [Cell(region, "x") for region in "abcde"]


def bins(first: int, last: int) -> list[Cut]:
    """Return cuts that close the bins from FIRST_BIN + ``first`` to before ``last``."""
    return [cut for n in range(first, last) for cut in _cuts(n)]


def _cuts(number: int) -> Iterator[Cut]:
    counts = 1 + (np.arange(5) * (3 + number % 4) + number * 7) % 11
    sums = np.stack([counts, 10 * counts]).astype(np.int64)
    bin_ = FIRST_BIN + number
    for source, partition in PLACES:
        held = (BinSums.of(bin_, CellIndex(9, CELLS), sums),)
        yield Cut(source, partition, FIRST_BIN, bin_, number, held)


def log(n_bins: int, decisions: Sequence[Refit], at: int = 8) -> list[InputMessage]:
    """Return a log of so many bins, with decisions after the cuts of the first ``at`` ones."""
    return [LISTED, *bins(0, at), *decisions, *bins(at, n_bins)]


def decided() -> ForecastFold:
    return ForecastFold(SETTINGS, refits_are_decided=True)


def closed(fold: ForecastFold, messages: Iterable[InputMessage]) -> list[Closed]:
    """Return what the messages close."""
    made = (part for message in messages for part in fold.step(message))
    return [part for part in made if isinstance(part, Closed)]


def said(parts: Iterable[Closed]) -> list[tuple[int, bytes, bytes]]:
    """Return each origin, its means and its quantiles."""
    forecasts = [part.forecast for part in parts if part.forecast is not None]
    return [(f.origin_bin, f.mean.tobytes(), f.quantiles.tobytes()) for f in forecasts]
