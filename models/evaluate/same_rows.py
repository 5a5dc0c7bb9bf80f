"""Levels that are another by another name: one cell is a region, a category and the total, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tidecast.models.evaluate.evaluator import Evaluator
from tidecast.models.evaluate.levels import LEVELS
from tidecast.models.evaluate.metrics import Score
from tidecast.models.evaluate.of_sums import OF_MEDIANS
from tidecast.models.evaluate.sums import PLAIN
from tidecast.models.scores import BLEND

__all__ = ["of_same_rows"]


def of_same_rows(scores: Sequence[Score], evaluator: Evaluator) -> Iterator[Score]:
    """Yield the blend's figures of quantiles of levels that have no quantiles of their own.

    Where no region has a second cell, regions are cells; the only region of several cells is the
    total; categories likewise. ``scores`` are those of cells and of sums.
    """
    of_quantiles = [name for name in evaluator.losses.names if name not in PLAIN]
    of_cells = OF_MEDIANS | {name: name for name in of_quantiles}
    of_sums = {name: name for name in of_cells.values()}
    n_rows = {name: len(level.rows) for name, level in evaluator.levels.items()}
    scored = {score.level for score in scores if score.metric == "pinball"}
    for level in [level for level in LEVELS if level not in scored]:
        same, names = "cell", of_cells
        if n_rows[level] < n_rows["cell"]:
            if n_rows[level] > 1:
                continue
            same, names = "total", of_sums
        for score in scores:
            if (score.level, score.expert) == (same, BLEND) and score.metric in names:
                yield replace(score, level=level, metric=names[score.metric])
