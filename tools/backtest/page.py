"""The page of a backtest: its pictures and figures in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import numpy as np

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.groups import by_size
from tidecast.models.evaluate.metrics import Score
from tidecast.models.evaluate.worst import WorstCell, worst_cells, yardstick
from tidecast.models.scores import BLEND
from tidecast.state.bins import from_micros
from tidecast.streams.backtest.sources import Place
from tidecast.tools.backtest import captions
from tidecast.tools.backtest.answers import (
    accuracy,
    cell_name,
    coverage,
    daily_weights,
    fan_panels,
    newest_weights,
    region_errors,
)
from tidecast.tools.backtest.figures import FIGURES, SIZES, expert_rows, figure, size_rows
from tidecast.tools.backtest.peers import PeerReport
from tidecast.tools.backtest.plan import Plan
from tidecast.tools.explain.picture import draw_parts
from tidecast.tools.explain.told import Told
from tidecast.tools.report.forecasts import draw_forecasts
from tidecast.tools.report.ink import house_style, to_svg
from tidecast.tools.report.page import Picture, Section, Table, render
from tidecast.tools.report.questions import Accuracy, Coverage
from tidecast.tools.report.region_map import draw_map
from tidecast.tools.report.summaries import (
    draw_accuracy,
    draw_coverage,
    draw_daily_weights,
    draw_weights,
    draw_worst,
    expert_styles,
)
from tidecast.tools.report.words import bin_words, moment_words, percent, shortened, spaced
from tidecast.tools.report.write import closing_table

__all__ = ["Page"]

PROGRAMS = ("tidecast", "numpy", "polars", "river", "lightgbm", "matplotlib")
"""Whose versions the page tells."""

ACRONYMS = {"wape", "rmse", "mase", "rmsse", "crps"}
WORST = 12
LABEL, UNIT = 34, 16  # letters left of a picture, and along a panel


class Page:
    """Draws what a run found.

    ``scores`` are its figures; ``origin`` tells how it came about, such as by which command;
    ``peers`` are those that ran beside; ``told`` explains the last forecast of a cell. Only what
    the backtest kept is drawn: sums, weights by day, and the fans of a few cells.
    """

    def __init__(
        self,
        plan: Plan,
        backtest: Backtest,
        scores: Sequence[Score],
        origin: Mapping[str, str],
        peers: PeerReport | None = None,
        told: Told | None = None,
    ) -> None:
        self._plan = plan
        self._backtest = backtest
        self._evaluator = backtest.evaluator
        self._scores = scores
        self._origin = origin
        self._peers = peers
        self._told = told
        self._profile = plan.profile
        self._unit = bin_words(plan.profile.grid.width)[1]
        self._styles = expert_styles([BLEND, *plan.profile.experts])

    def write(self, path: Path, title: str) -> None:
        """Write the page.

        Raises
        ------
        ServiceError
            When matplotlib is not installed.
        """
        errors, covered = accuracy(self._evaluator), coverage(self._evaluator)
        series = list(enumerate(self._profile.series))
        with house_style():
            drawn = [
                *(self._fans(number, name) for number, name in series),
                *(self._parts(name) for _, name in series),
                self._accuracy(errors),
                *(self._experts(name) for _, name in series),
                *(self._beside(name) for _, name in series),
                *(self._sizes(name) for _, name in series),
                self._coverage(covered),
                self._weights(),
                *(self._worst(number, name) for number, name in series),
                *(self._map(number, name) for number, name in series),
            ]
        page = render(
            title,
            self._lead(),
            self._facts(),
            closing_table(self._profile.series, errors, covered),
            [section for section in drawn if section.pictures or section.table],
            {**self._origin, **self._notes(), "versions": _versions()},
        )
        path.write_text(page, encoding="utf-8")

    def _notes(self) -> dict[str, str]:
        """Return what was told of the data, and of peers that have no figures or not their own."""
        of_peers = list(self._peers.notes()) if self._peers else []
        peers = {"peers": "; ".join(of_peers)} if of_peers else {}
        return {"read": "; ".join(self._plan.notes), **peers}

    def _lead(self) -> str:
        grid, slabs = self._profile.grid, self._plan.slabs
        start, end, scored = (
            moment_words(from_micros(micros).astimezone(grid.zone))
            for micros in (
                grid.start(slabs.first_bin),
                grid.end(slabs.last_bin),
                grid.start(self._plan.span.first_bin),
            )
        )
        return (
            f"From {start} to {end} ({grid.zone}), in bins of {bin_words(grid.width)[0]}; scored "
            f"from {scored} on. Each forecast was made before the bins it speaks of were seen, and "
            f"scored when they closed; nothing was fitted beforehand."
        )

    def _facts(self) -> dict[str, str]:
        slabs, span = self._plan.slabs, self._plan.span
        return {
            "bins": f"{slabs.last_bin + 1 - slabs.first_bin:,}",
            "bins scored": f"{slabs.last_bin + 1 - span.first_bin:,}",
            "cells": f"{len(self._backtest.cells):,}",
            f"{self._unit} ahead": f"{self._profile.horizon:,}",
            "experts": f"{len(self._profile.experts):,}",
        }

    def _fans(self, number: int, name: str) -> Section:
        panels = fan_panels(self._backtest, number)
        if not panels:
            return Section("", [])
        drawing = draw_forecasts(panels, shortened(spaced(name), UNIT), self._profile.grid.zone)
        svg = to_svg(drawing, f"fans-{number}", f"Forecasts of {name} as fans, and what happened")
        return Section(f"{spaced(name)}: forecast fans", [Picture(svg, captions.FANS)])

    def _parts(self, name: str) -> Section:
        told = self._told
        if told is None or name not in told.explanation.series:
            return Section("", [])
        place = told.explanation.series.index(name)
        drawing = draw_parts(told, name, self._unit)
        svg = to_svg(drawing, f"parts-{place}", f"Parts of the forecast of {name}")
        heading = f"{spaced(name)}: what the forecast of {told.name} is made of"
        caption = f"Forecast at {told.origin}. {captions.PARTS}"
        return Section(heading, [Picture(svg, caption)], Table(*told.rows(name)))

    def _accuracy(self, errors: Sequence[Accuracy]) -> Section:
        known = [answer for answer in errors if answer.n.any()]
        if not known:
            return Section("", [])
        drawing = draw_accuracy(known, self._profile.series, self._styles, self._unit)
        svg = to_svg(drawing, "accuracy", "WAPE by lead and expert")
        return Section("Accuracy by lead", [Picture(svg, captions.ACCURACY)])

    def _experts(self, name: str) -> Section:
        left_out = self._backtest.left_out
        experts = (BLEND, *self._profile.experts, *(left_out.names if left_out else ()))
        table = _compared(name, experts, self._scores)
        return Section(f"{spaced(name)}: figures over all leads", [], table)

    def _beside(self, name: str) -> Section:
        if self._peers is None:
            return Section("", [])
        experts = (BLEND, *self._profile.experts, *self._peers.names)
        table = _compared(name, experts, self._peers.scores)
        return Section(f"{spaced(name)}: {self._peers.title}", [], table)

    def _sizes(self, name: str) -> Section:
        rows = size_rows(by_size(self._evaluator), name)
        table = Table(["mean of a bin", *map(_head, SIZES)], rows) if rows else None
        return Section(f"{spaced(name)}: figures by size of cell", [], table)

    def _coverage(self, covered: Sequence[Coverage]) -> Section:
        if not covered:
            return Section("", [])
        svg = to_svg(draw_coverage(covered, self._profile.series), "coverage", "Coverage by day")
        return Section("Coverage by day", [Picture(svg, captions.COVERAGE)])

    def _weights(self) -> Section:
        days, shares = daily_weights(self._backtest)
        over_time = draw_daily_weights(days, shares, self._styles)
        by_lead = draw_weights(newest_weights(self._backtest), self._styles, self._unit)
        return Section(
            "Weights of the experts",
            [
                Picture(to_svg(over_time, "days", "Weights by day"), captions.WEIGHTS),
                Picture(to_svg(by_lead, "weights", "Weights by lead"), captions.WEIGHTS_BY_LEAD),
            ],
        )

    def _worst(self, number: int, name: str) -> Section:
        found = worst_cells(self._evaluator, number, WORST)
        if not found:
            return Section("", [])
        plain = yardstick(self._profile.experts)
        cells = [cell_name(self._backtest.cells[worst.cell]) for worst in found]
        drawing = draw_worst(
            [shortened(cell, LABEL) for cell in cells],
            np.array([worst.wape for worst in found]),
            np.array([worst.plain_wape for worst in found]),
            plain,
        )
        svg = to_svg(drawing, f"worst-{number}", f"Errors of {name} in the worst cells")
        rows = [[cell, *_worst_figures(w)] for cell, w in zip(cells, found, strict=True)]
        heads = ["cell", "mean of a bin", "WAPE", spaced(plain), "ratio", "of all errors"]
        return Section(
            f"{spaced(name)}: worst cells", [Picture(svg, captions.WORST_CELLS)], Table(heads, rows)
        )

    def _map(self, number: int, name: str) -> Section:
        regions = region_errors(self._evaluator, number)
        known = self._plan.slabs.positions(self._backtest.cells)
        nowhere: Place = (np.nan, np.nan)
        places = [known.get(region.region, nowhere) for region in regions]
        positions = np.array(places, np.float64).reshape(-1, 2)
        if not np.isfinite(positions).any():
            return Section("", [])
        svg = to_svg(draw_map(regions, positions), f"map-{number}", f"Map of regions: {name}")
        return Section(f"{spaced(name)}: regions", [Picture(svg, captions.MAP)])


def _compared(series: str, experts: Sequence[str], scores: Sequence[Score]) -> Table:
    """Return a table of experts; see `expert_rows`."""
    figures = (*FIGURES, "crps")
    rows, with_awake = expert_rows(scores, series, experts, figures)
    heads = ["expert", *map(_head, (*figures, "inside 80", "inside 90")), "p against tidecast"]
    heads += ["awake"] if with_awake else []
    return Table(heads, [[spaced(expert), *told] for expert, *told in rows])


def _head(name: str) -> str:
    """Return the name of a figure as it stands above a column."""
    words = [word.upper() if word in ACRONYMS else word for word in name.split()]
    return " ".join(words) + ("%" if words[0] == "inside" else "")


def _worst_figures(worst: WorstCell) -> list[str]:
    shares = [percent(worst.wape, 1), percent(worst.plain_wape, 1)]
    ratio = worst.wape / worst.plain_wape
    return [figure(worst.mean), *shares, f"{ratio:.2f}", percent(worst.share, 1)]


def _versions() -> str:
    found = [f"{name} {version(name)}" for name in PROGRAMS]
    return ", ".join([found[0], f"Python {python_version()}", *found[1:]])
