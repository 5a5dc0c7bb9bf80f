"""Draw the regions where they lie: size is demand, colour is error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.report.ink import COLOURS, figure, plain
from tidecast.tools.report.questions import RegionError

if TYPE_CHECKING:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure

__all__ = ["draw_map"]

LABELLED = 30  # the largest regions carry their names
LARGEST = 1500.0  # points^2
SHADES = ("#cfe3e4", "#9ccbd0", "#63a9b6", "#3d8296", "#2f5f7a", "#2b3f5c")


def draw_map(regions: Sequence[RegionError], positions: NDArray[np.float64]) -> Figure:
    """Draw regions at ``positions``, (region, 2) as lat and lng; those without one are left out."""
    known = np.flatnonzero(np.isfinite(positions).all(axis=1))
    placed = [regions[number] for number in known.tolist()]
    lat, lng = positions[known].T
    drawing = figure(7.2, 6.2)
    axes = drawing.subplots()
    plain(axes)
    sizes = np.array([region.per_bin for region in placed])
    errors = np.array([region.wape for region in placed])
    colours, norm = _classes(errors)
    points = axes.scatter(
        lng,
        lat,
        s=LARGEST * sizes / max(sizes.max(), 1e-9),
        c=errors,
        cmap=colours,
        norm=norm,
        edgecolors=COLOURS["ink"],
        linewidths=0.6,
    )
    for number in np.argsort(-sizes)[:LABELLED]:
        radius = np.sqrt(LARGEST * sizes[number] / max(sizes.max(), 1e-9)) / 2
        axes.annotate(
            placed[number].region,
            (lng[number], lat[number]),
            xytext=(radius + 4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_aspect(1 / max(np.cos(np.radians(lat.mean())), 0.1), adjustable="datalim")
    axes.margins(0.12)
    axes.grid(visible=False)
    axes.set_xlabel("longitude, degrees")
    axes.set_ylabel("latitude, degrees")
    bar = drawing.colorbar(points, ax=axes, shrink=0.5, aspect=18, format="{x:.0%}")
    bar.set_label("WAPE over all leads")
    bar.outline.set_visible(False)
    return drawing


def _classes(errors: NDArray[np.float64]) -> tuple[ListedColormap, BoundaryNorm]:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.ticker import MaxNLocator

    found = errors[np.isfinite(errors)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    bounds = MaxNLocator(len(SHADES)).tick_values(low, max(high, low + 0.01))
    steps = np.linspace(0, len(SHADES) - 1, len(bounds) - 1).round().astype(int)
    return ListedColormap([SHADES[step] for step in steps]), BoundaryNorm(bounds, len(steps))
