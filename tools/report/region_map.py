"""Draw the regions where they lie: size is demand, colour and the figure are the error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.report.ink import COLOURS, panels
from tidecast.tools.report.questions import RegionError
from tidecast.tools.report.words import percent, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure

__all__ = ["draw_map"]

WIDTH, HEIGHT = 7.6, 6.4  # inches
LABELLED = 30  # the largest regions carry their names and errors
LETTERS = 24
LETTER, LINE = 5.2, 11.0  # points of a name, wide and high
BACKGROUND = {"facecolor": COLOURS["paper"], "alpha": 0.7, "edgecolor": "none", "pad": 0.6}
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
    axes.set_aspect(1 / max(np.cos(np.radians(lat.mean())), 0.1), adjustable="datalim")
    axes.margins(0.12)
    axes.grid(visible=False)
    axes.set_xlabel("longitude, degrees")
    axes.set_ylabel("latitude, degrees")
    bar = drawing.colorbar(points, ax=axes, shrink=0.5, aspect=18, format="{x:.0%}")
    bar.set_label("WAPE over all leads")
    bar.outline.set_visible(False)
    drawing.draw_without_rendering()  # the scale of the axes is only known then
    _write_names(axes, placed, positions[known])
    return drawing


def _write_names(axes: Axes, placed: Sequence[RegionError], positions: Floats) -> None:
    """Write names and errors below the largest regions, or above, where no other name stands."""
    inches = axes.figure.dpi_scale_trans.inverted()
    points = 72 * inches.transform(axes.transData.transform(positions[:, ::-1]))
    sizes = np.array([region.per_bin for region in placed])
    radii = np.sqrt(LARGEST * sizes / max(sizes.max(), 1e-9)) / 2
    taken = np.zeros((0, 4))
    for number in np.argsort(-sizes, kind="stable")[:LABELLED].tolist():
        region = placed[number]
        text = f"{shortened(region.region, LETTERS)} {percent(region.wape, 0)}"
        for side in (-1, 1):
            offset = side * (radii[number] + 3)
            box = _box(points[number] + [0, offset + side * LINE / 2], text)
            if not _overlaps(box, taken):
                taken = np.vstack([taken, box])
                axes.annotate(
                    text,
                    (positions[number, 1], positions[number, 0]),
                    xytext=(0, offset),
                    textcoords="offset points",
                    va="bottom" if side > 0 else "top",
                    ha="center",
                    fontsize=9,
                    bbox=BACKGROUND,
                )
                break


def _box(middle: Floats, text: str) -> Floats:
    """Return left, bottom, right and top of a text, about, in points."""
    half = np.array([LETTER * len(text) / 2, LINE / 2])
    return np.concatenate([middle - half, middle + half])


def _overlaps(box: Floats, others: Floats) -> bool:
    apart = (others[:, :2] > box[2:]) | (others[:, 2:] < box[:2])
    return not bool(apart.any(axis=1).all())


def _classes(errors: Floats) -> tuple[ListedColormap, BoundaryNorm]:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.ticker import MaxNLocator

    found = errors[np.isfinite(errors)]
    low, high = (found.min(), found.max()) if found.size else (0.0, 1.0)
    bounds = MaxNLocator(len(SHADES)).tick_values(low, max(high, low + 0.01))
    steps = np.linspace(0, len(SHADES) - 1, len(bounds) - 1).round().astype(int)
    return ListedColormap([SHADES[step] for step in steps]), BoundaryNorm(bounds, len(steps))
