"""What a backtest found, as tables on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.groups import by_day, by_size, by_week
from tidecast.models.evaluate.levels import LEVELS
from tidecast.models.evaluate.metrics import Score, scores_of
from tidecast.models.evaluate.same_rows import of_same_rows
from tidecast.models.scores import BLEND
from tidecast.tools.backtest.figures import (
    BASELINE,
    FIGURES,
    SHARES,
    SIZES,
    expert_rows,
    figure,
    percent,
    size_rows,
)
from tidecast.tools.backtest.peers import PeerReport
from tidecast.tools.explain.told import Told

__all__ = ["Findings"]

Values = dict[tuple[str, str, str, int | None, str], float | None]


class Findings:
    """The figures of a run, kept by (series, level, expert, lead, metric)."""

    def __init__(
        self,
        backtest: Backtest,
        run: dict[str, Any],
        peers: PeerReport | None = None,
        told: Told | None = None,
    ) -> None:
        self._evaluator = evaluator = backtest.evaluator
        self._left_out = backtest.left_out
        self._run = run
        self._peers = peers
        self._told = told
        left_out = self._left_out.scores() if self._left_out else ()
        scores = (*scores_of(evaluator), *backtest.of_sums.scores())
        self.scores: tuple[Score, ...] = (
            *scores,
            *of_same_rows(scores, evaluator),
            *by_week(evaluator),
            *left_out,
        )
        self._value = _by_key(self.scores)

    def write(self, path: Path) -> None:
        """Write one JSON object: ``scores``, and what belongs to them."""
        found: dict[str, Any] = {
            "scores": [asdict(score) for score in self.scores],
            "sizes": [asdict(score) for score in by_size(self._evaluator)],
            "days": [asdict(score) for score in by_day(self._evaluator)],
            "run": self._run,
        }
        if self._peers is not None:
            found["peers"] = self._peers.to_json()
            if not self._peers.is_sample:
                theirs = [s for s in self._peers.scores if s.expert in self._peers.names]
                found["scores"] += [asdict(score) for score in theirs]
        if self._told is not None:
            found["explanation"] = self._told.to_json(self._told.explanation.series)
        path.write_text(json.dumps(found, allow_nan=False) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """Print tables for every series: experts, leads, levels and sizes of cells.

        Nothing is printed of what has no figures.
        """
        sizes = tuple(by_size(self._evaluator))
        for series in self._evaluator.profile.series:
            for table in (self._experts(series), self._leads(series), self._levels(series)):
                if table.row_count:
                    console.print(table)
            if rows := size_rows(sizes, series):
                console.print(_of_sizes(series, rows))
            if self._peers is not None:
                console.print(self._beside(series, self._peers))

    def _of(self, *key: Any) -> float | None:
        return self._value.get(key)

    def _experts(self, series: str) -> Table:
        left_out = self._left_out.names if self._left_out else ()
        experts = (BLEND, *self._evaluator.profile.experts, *left_out)
        return _compared(f"{series}: cells, all leads", series, experts, self.scores)

    def _beside(self, series: str, peers: PeerReport) -> Table:
        experts = (BLEND, *self._evaluator.profile.experts, *peers.names)
        return _compared(f"{series}: {peers.title}", series, experts, peers.scores)

    def _leads(self, series: str) -> Table:
        names = ("wape", "rmse", "pinball", *SHARES, "weeks_80")
        table = _table(f"{series}: {BLEND}, cells, by lead", "lead", *names, f"wape {BASELINE}")
        for lead in _some_leads(self._evaluator.profile.horizon):
            if self._of(series, "cell", BLEND, lead, "mae") is None:
                continue
            figures = [self._of(series, "cell", BLEND, lead, name) for name in names]
            naive = self._of(series, "cell", BASELINE, lead, "wape")
            texts = [figure(value) for value in figures[:3]]
            shares = [percent(value) for value in figures[3:]]
            table.add_row(str(lead), *texts, *shares, figure(naive))
        return table

    def _levels(self, series: str) -> Table:
        heads = (*FIGURES, *SHARES, f"wape {BASELINE}")
        table = _table(f"{series}: {BLEND}, by level", "level", *heads)
        for level in LEVELS:
            if self._of(series, level, BLEND, None, "mae") is None:
                continue
            figures = [figure(self._of(series, level, BLEND, None, name)) for name in FIGURES]
            shares = [percent(self._of(series, level, BLEND, None, name)) for name in SHARES]
            naive = self._of(series, level, BASELINE, None, "wape")
            table.add_row(level, *figures, *shares, figure(naive))
        return table


def _by_key(scores: Sequence[Score]) -> Values:
    return {(s.series, s.level, s.expert, s.lead, s.metric): s.value for s in scores}


def _of_sizes(series: str, rows: Sequence[Sequence[str]]) -> Table:
    table = _table(f"{series}: {BLEND}, cells by their mean of a bin", "mean", *SIZES)
    for row in rows:
        table.add_row(*row)
    return table


def _compared(title: str, series: str, experts: Sequence[str], scores: Sequence[Score]) -> Table:
    """Return a table of experts; see `expert_rows`."""
    rows, with_awake = expert_rows(scores, series, experts, FIGURES)
    table = _table(title, "expert", *FIGURES, *SHARES, "p", *(["awake"] if with_awake else []))
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name.replace("coverage_", "inside ").replace("_", " "), justify="right")
    return table


def _some_leads(horizon: int) -> Sequence[int]:
    """Return the first leads, the last, and some between them."""
    return sorted({1, 2, 3, 6, 12, 24, 48, 96, horizon} & set(range(1, horizon + 1)))
