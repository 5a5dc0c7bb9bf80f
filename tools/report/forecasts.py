"""Draw forecasts with their intervals against what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tidecast.tools.report.ink import COLOURS, date_axis, figure, plain
from tidecast.tools.report.panels import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_forecasts"]

WIDTH, HEIGHT = 10.2, 1.95  # inches of one panel


def draw_forecasts(panels: Sequence[Panel], unit: str, zone: ZoneInfo) -> Figure:
    """Draw one panel below the other, times in ``zone``; ``unit`` labels the value axis."""
    drawing = figure(WIDTH, HEIGHT * len(panels) + 0.3)
    for axes, panel in zip(drawing.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        _draw(axes, panel)
        date_axis(axes, zone, 12)
        axes.set_ylabel(unit)
    drawing.axes[0].legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=4,
        frameon=False,
        fontsize=9,
        handlelength=1.4,
        borderaxespad=0.2,
    )
    return drawing


def _draw(axes: Axes, panel: Panel) -> None:
    plain(axes)
    times = np.array(panel.forecast_time)
    for band in panel.bands:
        axes.fill_between(
            times,
            band.low,
            band.high,
            color=COLOURS["tide"],
            alpha=0.16,
            linewidth=0,
            label=f"{band.content:.0%} interval",
        )
    axes.plot(times, panel.forecast, color=COLOURS["tide"], linewidth=1.5, label="forecast")
    axes.plot(
        np.array(panel.actual_time),
        panel.actual,
        color=COLOURS["ink"],
        linewidth=0.7,
        marker="o",
        markersize=1.9,
        markeredgewidth=0,
        label="actual",
    )
    axes.set_title(panel.title, fontweight="bold")
    axes.annotate(
        panel.note,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, -2),
        textcoords="offset points",
        va="top",
        fontsize=8.5,
        color=COLOURS["muted"],
    )
    _scale(axes, panel)


def _scale(axes: Axes, panel: Panel) -> None:
    """Leave room above for the note; a series without negative values begins at zero."""
    values = [panel.actual, panel.forecast, *(b.high for b in panel.bands)]
    lows = [panel.actual, panel.forecast, *(b.low for b in panel.bands)]
    top = max((float(np.nanmax(v)) for v in values if np.isfinite(v).any()), default=1.0)
    bottom = min((float(np.nanmin(v)) for v in lows if np.isfinite(v).any()), default=0.0)
    bottom = min(bottom, 0.0)
    axes.set_ylim(bottom, top + 0.2 * (top - bottom or 1.0))
    axes.margins(x=0.005)
