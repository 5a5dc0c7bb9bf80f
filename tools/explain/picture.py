"""A picture of an explanation: the parts of every lead, stacked to its mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidecast.tools.explain.told import Told
from tidecast.tools.report.ink import COLOURS, EXPERT_COLOURS, lead_axis, legend, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_parts"]

WIDTH, HEIGHT = 10.2, 3.4  # inches
HATCHES = ("", "///", "...", "\\\\\\", "xx", "--", "++", "oo", "||", "**", "//")
"""Of the parts, in turn: nothing is told by colour alone."""


def draw_parts(told: Told, series: str, unit: str) -> Figure:
    """Draw the parts of a series' mean by lead: what adds to it upwards, what takes away down.

    ``unit`` names the width of a bin.
    """
    drawing, (axes,) = panels(1, 1, WIDTH, HEIGHT)
    mean = told.mean(series)
    leads = np.arange(1.0, mean.size + 1.0)
    tops, bottoms = np.zeros(mean.size), np.zeros(mean.size)
    colours = (COLOURS["tide"], *EXPERT_COLOURS)
    for place, (name, part) in enumerate(told.parts(series).items()):
        base = np.where(part >= 0.0, tops, bottoms)
        axes.bar(
            leads,
            part,
            0.8,
            base,
            color=colours[place % len(colours)],
            edgecolor=COLOURS["paper"],
            linewidth=0.4,
            hatch=HATCHES[place % len(HATCHES)],
            label=name.replace("_", " "),
        )
        tops, bottoms = tops + np.fmax(part, 0.0), bottoms + np.fmin(part, 0.0)
    axes.plot(leads, mean, color=COLOURS["ink"], marker="o", markersize=4, label="mean")
    axes.axhline(0.0, color=COLOURS["muted"], linewidth=0.6)
    lead_axis(axes, unit)
    legend(drawing, axes)
    return drawing
