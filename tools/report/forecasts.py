"""Draw forecasts with their intervals against what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from tidecast.tools.report.ink import COLOURS, date_axis, legend, panels, title
from tidecast.tools.report.panels import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_forecasts"]

WIDTH, HEIGHT = 10.2, 1.9  # inches of one panel


def draw_forecasts(shown: Sequence[Panel], unit: str, zone: ZoneInfo) -> Figure:
    """Draw one panel below the other, times in ``zone``; ``unit`` labels the value axis."""
    drawing, all_axes = panels(len(shown), 1, WIDTH, HEIGHT)
    for axes, panel in zip(all_axes, shown, strict=True):
        _draw(axes, panel)
        title(axes, panel.title, panel.note)
        date_axis(axes, zone, 12)
        axes.set_ylabel(unit)
    legend(drawing, all_axes[-1])
    return drawing


def _draw(axes: Axes, panel: Panel) -> None:
    times = np.array(panel.forecast_time)
    for depth, band in enumerate(panel.bands, 1):
        axes.fill_between(
            times,
            band.low,
            band.high,
            color=COLOURS["tide"],
            alpha=0.12 * depth,
            linewidth=0,
            label=f"{band.content:.0%} interval",
        )
    if panel.origins:
        axes.vlines(
            np.array(panel.origins),
            0,
            1,
            transform=axes.get_xaxis_transform(),
            color=COLOURS["muted"],
            linewidth=0.6,
            linestyle=(0, (1, 2)),
            label="forecast made",
        )
    axes.plot(times, panel.forecast, color=COLOURS["tide"], linewidth=1.5, label="forecast")
    axes.plot(
        np.array(panel.actual_time),
        panel.actual,
        color=COLOURS["ink"],
        linewidth=0.6,
        marker="o",
        markersize=2.1,
        markeredgewidth=0,
        label="actual",
    )
    _scale(axes, panel)


def _scale(axes: Axes, panel: Panel) -> None:
    """Let the axis begin at zero, and end where the forecasts or the actuals do."""
    from matplotlib.ticker import MaxNLocator

    values = [panel.actual, panel.forecast, *(b.high for b in panel.bands)]
    lows = [panel.actual, panel.forecast, *(b.low for b in panel.bands)]
    top = max((float(np.nanmax(v)) for v in values if np.isfinite(v).any()), default=1.0)
    bottom = min((float(np.nanmin(v)) for v in lows if np.isfinite(v).any()), default=0.0)
    bottom = min(bottom, 0.0)
    axes.set_ylim(bottom, top + 0.06 * (top - bottom or 1.0))
    axes.margins(x=0.005)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=top > 2))
