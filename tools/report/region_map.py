"""Draw the regions where they lie: size is demand, colour is error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.report.ink import COLOURS, panels
from tidecast.tools.report.questions import RegionError

if TYPE_CHECKING:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure

__all__ = ["draw_map"]

WIDTH, HEIGHT = 7.6, 6.4  # inches
NEAR = 0.12  # of the map's span
LABELLED = 30  # the largest regions carry their names
LARGEST = 1500.0  # points^2
SHADES = ("#cfe3e4", "#9ccbd0", "#63a9b6", "#3d8296", "#2f5f7a", "#2b3f5c")

Floats = NDArray[np.float64]


def draw_map(regions: Sequence[RegionError], positions: Floats) -> Figure:
    """Draw regions at ``positions``, (region, 2) as lat and lng; those without one are left out."""
    known = np.flatnonzero(np.isfinite(positions).all(axis=1))
    placed = [regions[number] for number in known.tolist()]
    lat, lng = positions[known].T
    drawing, (axes,) = panels(1, 1, WIDTH, HEIGHT)
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
    radii = np.sqrt(LARGEST * sizes / max(sizes.max(), 1e-9)) / 2
    for number in np.argsort(-sizes)[:LABELLED]:
        up = _crowded_below(lat, lng, int(number))
        axes.annotate(
            placed[number].region,
            (lng[number], lat[number]),
            xytext=(0, radii[number] + 3 if up else -radii[number] - 3),
            textcoords="offset points",
            va="bottom" if up else "top",
            ha="center",
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


def _crowded_below(lat: Floats, lng: Floats, number: int) -> bool:
    """Tell whether another region lies where this one's name would stand."""
    span = max(float(np.ptp(lat)), float(np.ptp(lng)), 1e-9)
    south, east = (lat[number] - lat) / span, (lng - lng[number]) / span
    return bool(((south > 0) & (south < NEAR) & (np.abs(east) < NEAR)).any())


def _classes(errors: Floats) -> tuple[ListedColormap, BoundaryNorm]:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.ticker import MaxNLocator

    found = errors[np.isfinite(errors)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    bounds = MaxNLocator(len(SHADES)).tick_values(low, max(high, low + 0.01))
    steps = np.linspace(0, len(SHADES) - 1, len(bounds) - 1).round().astype(int)
    return ListedColormap([SHADES[step] for step in steps]), BoundaryNorm(bounds, len(steps))
