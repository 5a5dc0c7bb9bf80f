"""Drawing for the page: figures become inline SVG whose colours follow light and dark."""

from __future__ import annotations

import html
import io
import re
import warnings
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
    "house_style",
    "lead_axis",
    "legend",
    "panels",
    "require_matplotlib",
    "title",
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

LEFT, RIGHT, ABOVE, BELOW = 0.72, 0.12, 0.3, 0.42  # inches around the axes of a panel
LEGEND = 0.26
PIXELS = 100  # of the page to an inch of a drawing, so that all text is of one size

RC: Any = {  # any: the stubs want each key spelt as a literal type
    "svg.fonttype": "none",
    "svg.hashsalt": "tidecast",  # the same drawing, the same bytes
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
    "text.parse_math": False,  # a name from the data may hold dollars
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
    require_matplotlib()
    from matplotlib import rc_context

    with rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser's fonts will have it
        yield


def require_matplotlib() -> None:
    """Ask for matplotlib, before work is done that is to be drawn.

    Raises
    ------
    ServiceError
        When it is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ServiceError(
            'the report draws with matplotlib, which is missing: pip install "tidecast[report]"'
        ) from error


def panels(
    rows: int, columns: int, width: float, height: float, left: float = LEFT
) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels, each so many inches with its margins, and room for a legend."""
    from matplotlib.figure import Figure  # heavy, and optional: only who draws needs it

    whole = (columns * width, rows * height + LEGEND)
    drawing = Figure(figsize=whole, facecolor="none")
    axes = drawing.subplots(rows, columns, squeeze=False)
    inner_width = width - left - RIGHT
    inner_height = height - ABOVE - BELOW
    # Margins are known, so they are set: measuring every text to find them takes as long as drawing
    drawing.subplots_adjust(
        left=left / whole[0],
        right=1 - RIGHT / whole[0],
        bottom=BELOW / whole[1],
        top=1 - (ABOVE + LEGEND) / whole[1],
        wspace=(left + RIGHT) / inner_width,
        hspace=(ABOVE + BELOW) / inner_height,
    )
    for panel in axes.flat:
        panel.set_facecolor("none")
        panel.spines["left"].set_visible(False)
    return drawing, list(axes.flat)


def title(axes: Axes, text: str, note: str = "") -> None:
    """Write the title of a panel, and a note at its right end."""
    axes.set_title(text, fontweight="bold")
    axes.set_title(note, loc="right", fontsize=9, color=COLOURS["muted"])


def legend(drawing: Figure, axes: Axes) -> None:
    """Explain the lines of ``axes`` in the figure's upper right corner."""
    handles, labels = axes.get_legend_handles_labels()
    drawing.legend(
        handles,
        labels,
        loc="upper right",
        ncols=max(len(labels), 1),
        frameon=False,
        fontsize=9,
        handlelength=1.4,
        borderaxespad=0.1,
    )


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
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0.5), max(right, 1.5))


def to_svg(drawing: Figure, name: str, description: str) -> str:
    """Return the figure as an inline SVG element, its ids beginning with ``name``."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: _of_page(tag[0], name), text)
    label = html.escape(description)
    width = f"{drawing.get_figwidth() * PIXELS:.0f}px"
    view = re.search(r'viewBox="[^"]*"', text)
    head = f'<svg {view[0] if view else ""} style="max-width: {width}" role="img"'
    return f'{head} aria-label="{label}">{text[text.index(">") + 1 :]}'


def _of_page(tag: str, name: str) -> str:
    """Let ids in a tag begin with ``name``, and its colours be those of the page."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'(href="|url\()#', rf"\1#{name}-", tag)
    for colour, value in COLOURS.items():
        tag = tag.replace(value, f"var(--{colour})")
    return tag
