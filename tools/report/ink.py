"""Drawing for the page: figures become inline SVG whose colours follow light and dark."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tidecast.state.errors import ServiceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "EXPERT_COLOURS",
    "date_axis",
    "figure",
    "house_style",
    "lead_axis",
    "plain",
    "to_svg",
]

COLOURS = {
    "ink": "#1b2430",
    "muted": "#6b7785",
    "grid": "#dde2e8",
    "tide": "#0b6e8f",
    "warm": "#c2571a",
    "paper": "#fdfdfc",
}
"""The colours of a drawing by name; on the page each is the CSS variable of that name."""

EXPERT_COLOURS = ("#8a93a0", "#c9a24b", "#7d6bb0", "#4f9d69", "#b3586b", "#5b8fc9")
"""For what is drawn side by side beyond these, in order; readable on light and on dark."""

RC: Any = {  # any: the stubs want each key spelt as a literal type
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlecolor": COLOURS["ink"],
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "lines.solid_capstyle": "round",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw within this context, and all figures look alike.

    Raises
    ------
    ServiceError
        When matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise ServiceError(
            'the report draws with matplotlib, which is missing: pip install "tidecast[report]"'
        ) from error
    with rc_context(RC):
        yield


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    from matplotlib.figure import Figure  # heavy, and optional: only who draws needs it

    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def plain(axes: Axes) -> None:
    """Take away the box of an axis: the grid says enough."""
    axes.set_facecolor("none")
    axes.spines["left"].set_visible(False)


def date_axis(axes: Axes, zone: ZoneInfo, most: int) -> None:
    """Label the x axis with at most so many dates and hours of ``zone``."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def lead_axis(axes: Axes, unit: str) -> None:
    """Label the x axis with whole leads."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(f"lead, {unit}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def to_svg(drawing: Figure, name: str, description: str) -> str:
    """Return the figure as an inline SVG element, its ids beginning with ``name``."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    label = html.escape(description)
    head = rf'<svg viewBox="\1" role="img" aria-label="{label}">'
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', head, text, count=1)
    for colour, value in COLOURS.items():
        text = text.replace(value, f"var(--{colour})")
    return text
