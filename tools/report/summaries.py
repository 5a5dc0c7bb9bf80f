"""Draw what sums a run up: accuracy by lead, coverage by day, the weights of the experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
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
from tidecast.tools.report.words import spaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "Style",
    "draw_accuracy",
    "draw_coverage",
    "draw_daily_weights",
    "draw_weights",
    "draw_worst",
    "expert_styles",
]

WIDTH, HEIGHT = 10.2, 2.9  # inches of the whole row
ABREAST = 3
LABELS = 2.4  # inches left of a panel whose rows have names
MARKED = 12  # markers on a line, about
MANY_DAYS = 60
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

Floats = NDArray[np.float64]
Style = dict[str, Any]
"""What `Axes.plot` is given of an expert."""


def expert_styles(experts: Sequence[str]) -> dict[str, Style]:
    """Give each expert its line, the same in every picture; the blend has the page's own.

    Dashes and markers differ as well as colours, for those who cannot tell these apart.
    """
    others = [name for name in experts if name != BLEND]
    ours = {"color": COLOURS["tide"], "linewidth": 2.4, "zorder": 3}
    return {
        name: {
            "color": EXPERT_COLOURS[n % len(EXPERT_COLOURS)],
            "linestyle": DASHES[n % len(DASHES)],
            "marker": MARKERS[n % len(MARKERS)],
            "markersize": 4,
            "linewidth": 1.3,
        }
        for n, name in enumerate(others)
    } | {BLEND: ours}


def draw_accuracy(
    answers: Sequence[Accuracy], series: Sequence[str], styles: Mapping[str, Style], unit: str
) -> Figure:
    """Draw WAPE over lead, a panel a series; ``unit`` names the width of a bin."""
    drawing, row = _side_by_side(len(series))
    answers = sorted(answers, key=lambda answer: answer.expert != BLEND)
    for axes, name in zip(row, series, strict=True):
        for answer in answers:
            if answer.series == name:
                _line(axes, answer.lead, answer.wape, answer.expert, styles)
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
    marks = dict(zip(levels, MARKERS, strict=False))
    for axes, name in zip(row, series, strict=True):
        for answer in answers:
            if answer.series == name and answer.nominal in shades:
                style = {"color": shades[answer.nominal], "marker": marks[answer.nominal]}
                _covered(axes, answer, style)
        _percent(axes, name)
        date_axis(axes, ZoneInfo("UTC"), 6)
        axes.set_ylim(*_coverage_span([a for a in answers if a.series == name]))
    row[0].set_ylabel("actuals inside")
    legend(drawing, row[0])
    return drawing


def _covered(axes: Axes, answer: Coverage, style: Style) -> None:
    """Draw the days of one interval, and over many of them, which scatter, a running mean."""
    days = np.array(answer.days)
    axes.axhline(answer.nominal, color=style["color"], linewidth=0.9, linestyle=(0, (4, 3)))
    share = answer.share
    if days.size > MANY_DAYS:
        axes.plot(days, share, color=style["color"], linewidth=0.5, alpha=0.5)
        share = _running_mean(share)
    axes.plot(
        days,
        share,
        **style,
        linewidth=1.6,
        markersize=4,
        markeredgewidth=0,
        markevery=max(1, days.size // MARKED),
        label=f"{answer.nominal:.0%} interval",
    )


def _running_mean(share: Floats) -> Floats:
    """Return means over seven days around each; days without a figure count for nothing."""
    known = np.isfinite(share)
    total = np.convolve(np.where(known, share, 0.0), np.ones(7), "same")
    return np.asarray(total / np.fmax(np.convolve(known, np.ones(7), "same"), 1))


def draw_weights(
    weights: Mapping[str, Mapping[str, Floats]], styles: Mapping[str, Style], unit: str
) -> Figure:
    """Draw the experts' shares of the blend by lead, a panel a series."""
    drawing, row = _side_by_side(len(weights))
    for axes, (name, shares) in zip(row, weights.items(), strict=True):
        for expert, share in shares.items():
            _line(axes, np.arange(1, share.size + 1), share, expert, styles)
        _percent(axes, name)
        lead_axis(axes, unit)
        axes.set_ylim(0, _top(shares))
    row[0].set_ylabel("share of the blend")
    legend(drawing, row[0])
    return drawing


def draw_daily_weights(
    days: Sequence[date], weights: Mapping[str, Mapping[str, Floats]], styles: Mapping[str, Style]
) -> Figure:
    """Draw the experts' shares of the blend on each of the ``days``, a panel a series."""
    drawing, row = _side_by_side(len(weights))
    for axes, (name, shares) in zip(row, weights.items(), strict=True):
        for expert, share in shares.items():
            _line(axes, np.array(days), share, expert, styles)
        _percent(axes, name)
        date_axis(axes, ZoneInfo("UTC"), 6)
        axes.set_ylim(0, _top(shares))
    row[0].set_ylabel("share of the blend")
    legend(drawing, row[0])
    return drawing


def draw_worst(cells: Sequence[str], ours: Floats, plain: Floats, yardstick: str) -> Figure:
    """Draw the WAPE of ``cells`` beside that of a yardstick, the first on top."""
    drawing, (axes,) = panels(1, 1, WIDTH, 0.8 + 0.28 * len(cells), left=LABELS)
    rows = np.arange(len(cells))
    axes.hlines(rows, ours, plain, color=COLOURS["muted"], linewidth=1.2)
    axes.plot(
        plain, rows, "D", color=COLOURS["warm"], markerfacecolor="none", label=spaced(yardstick)
    )
    axes.plot(ours, rows, "o", color=COLOURS["tide"], label=BLEND)
    axes.set_yticks(rows, cells, color=COLOURS["ink"])
    axes.set_ylim(len(cells) - 0.5, -0.5)
    _percent(axes, "", axes.xaxis)
    axes.set_xlabel("WAPE over all leads")
    axes.set_xlim(0, 1.06 * max(ours.max(), plain.max()))
    legend(drawing, axes)
    return drawing


def _line(axes: Axes, x: NDArray[Any], y: Floats, expert: str, styles: Mapping[str, Style]) -> None:
    """Draw the line of an expert, with a few markers on it, or all there are."""
    style = {"marker": "o" if x.size == 1 else None, **styles[expert]}
    axes.plot(x, y, markevery=max(1, x.size // MARKED), label=spaced(expert), **style)


def _top(shares: Mapping[str, Floats]) -> float:
    """Return where the axis of shares ends."""
    largest = max((float(np.nanmax(s)) for s in shares.values() if np.isfinite(s).any()), default=1)
    return min(1.02, 1.1 * largest) or 1.0


def _side_by_side(n: int) -> tuple[Figure, list[Axes]]:
    """Return ``n`` panels, at most ABREAST of them in a row."""
    columns = min(n, ABREAST)
    drawing, axes = panels(-(-n // columns), columns, WIDTH / columns, HEIGHT)
    for spare in axes[n:]:
        spare.set_visible(False)
    return drawing, axes[:n]


def _percent(axes: Axes, heading: str, axis: Axis | None = None) -> None:
    """Write the title of a panel, and per cent on its y axis, or another."""
    title(axes, spaced(heading))
    (axis or axes.yaxis).set_major_formatter(lambda share, _: f"{100 * share:.4g}%")


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
