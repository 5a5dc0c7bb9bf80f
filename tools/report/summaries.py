"""Draw what sums a run up: accuracy by lead, coverage by day, the weights of the experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.report.ink import (
    COLOURS,
    EXPERT_COLOURS,
    date_axis,
    lead_axis,
    legend,
    panels,
    title,
)
from tidecast.tools.report.questions import BLEND, Accuracy, Coverage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_accuracy", "draw_coverage", "draw_weights", "expert_palette"]

WIDTH, HEIGHT = 10.2, 2.9  # inches of the whole row
ABREAST = 3

Floats = NDArray[np.float64]


def expert_palette(experts: Sequence[str]) -> dict[str, str]:
    """Give each expert its colour, the same in every picture; the blend has the page's own."""
    others = [name for name in experts if name != BLEND]
    colours = {name: EXPERT_COLOURS[n % len(EXPERT_COLOURS)] for n, name in enumerate(others)}
    return colours | {BLEND: COLOURS["tide"]}


def draw_accuracy(
    answers: Sequence[Accuracy], series: Sequence[str], palette: Mapping[str, str], unit: str
) -> Figure:
    """Draw WAPE over lead, a panel a series; ``unit`` names the width of a bin."""
    drawing, row = _side_by_side(len(series))
    answers = sorted(answers, key=lambda answer: answer.expert != BLEND)
    for axes, name in zip(row, series, strict=True):
        for answer in answers:
            if answer.series == name:
                blend = answer.expert == BLEND
                axes.plot(
                    answer.lead,
                    answer.wape,
                    color=palette[answer.expert],
                    linewidth=2.4 if blend else 1.3,
                    marker="o" if answer.lead.size == 1 else None,
                    zorder=3 if blend else 2,
                    label=_words(answer.expert),
                )
        _percent(axes, name)
        lead_axis(axes, unit)
        axes.set_ylim(0, _ceiling([a for a in answers if a.series == name]))
    row[0].set_ylabel("WAPE")
    legend(drawing, row[0])
    return drawing


def draw_coverage(answers: Sequence[Coverage], series: Sequence[str]) -> Figure:
    """Draw the coverage of each day beside the nominal line, a panel a series."""
    drawing, row = _side_by_side(len(series))
    levels = sorted({answer.nominal for answer in answers})
    shades = dict(zip(levels, (COLOURS["warm"], COLOURS["tide"], *EXPERT_COLOURS), strict=False))
    for axes, name in zip(row, series, strict=True):
        for answer in answers:
            if answer.series == name and answer.nominal in shades:
                colour = shades[answer.nominal]
                axes.axhline(answer.nominal, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
                axes.plot(
                    np.array(answer.days),
                    answer.share,
                    color=colour,
                    linewidth=1.6,
                    marker="o",
                    markersize=3,
                    markeredgewidth=0,
                    label=f"{answer.nominal:.0%} interval",
                )
        _percent(axes, name)
        date_axis(axes, ZoneInfo("UTC"), 6)
        axes.set_ylim(*_coverage_span([a for a in answers if a.series == name]))
    row[0].set_ylabel("actuals inside")
    legend(drawing, row[0])
    return drawing


def draw_weights(
    weights: Mapping[str, Mapping[str, Floats]], palette: Mapping[str, str], unit: str
) -> Figure:
    """Draw the experts' shares of the blend by lead, stacked, a panel a series."""
    drawing, row = _side_by_side(len(weights))
    for axes, (name, shares) in zip(row, weights.items(), strict=True):
        bottom: Floats | float = 0.0
        for expert, share in shares.items():
            leads = np.arange(1, share.size + 1)
            axes.bar(
                leads,
                share,
                0.86,
                bottom,
                color=palette[expert],
                linewidth=0,
                label=_words(expert),
            )
            bottom = bottom + share
        _percent(axes, name)
        axes.grid(visible=False)
        lead_axis(axes, unit)
        axes.set_ylim(0, 1)
        axes.set_xlim(0.4, max(s.size for s in shares.values()) + 0.6)
    row[0].set_ylabel("share of the blend")
    legend(drawing, row[0])
    return drawing


def _side_by_side(n: int) -> tuple[Figure, list[Axes]]:
    """Return ``n`` panels, at most ABREAST of them in a row."""
    columns = min(n, ABREAST)
    drawing, axes = panels(-(-n // columns), columns, WIDTH / columns, HEIGHT)
    for spare in axes[n:]:
        spare.set_visible(False)
    return drawing, axes[:n]


def _percent(axes: Axes, series: str) -> None:
    from matplotlib.ticker import PercentFormatter

    title(axes, _words(series))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _ceiling(answers: Sequence[Accuracy]) -> float | None:
    """Return where the axis of errors ends: one wild expert must not flatten the others."""
    worst = max((float(np.nanmax(a.wape)) for a in answers if np.isfinite(a.wape).any()), default=0)
    blend = [a.wape for a in answers if a.expert == BLEND and np.isfinite(a.wape).any()]
    limit = min([1.05 * worst, *(3 * float(np.nanmax(wape)) for wape in blend)])
    return limit or None


def _coverage_span(answers: Sequence[Coverage]) -> tuple[float, float]:
    """Return the axis of coverage: a few days of learning at the start may fall out of it."""
    lows = [min(a.nominal, float(np.nanquantile(a.share, 0.1))) for a in answers if a.share.size]
    return max(0.0, min([0.9, *lows]) - 0.1), 1.02


def _words(name: str) -> str:
    return name.replace("_", " ")
