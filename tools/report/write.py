"""Write the report of a run: what the store holds, as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tidecast.state.errors import StoreError
from tidecast.state.regions import region_positions
from tidecast.state.settings import Settings
from tidecast.streams.store import Store
from tidecast.tools.report.forecasts import draw_forecasts
from tidecast.tools.report.ink import house_style, to_svg
from tidecast.tools.report.page import Picture, Section, Table, render
from tidecast.tools.report.panels import cell_panel, telling_cells, total_panel
from tidecast.tools.report.questions import (
    BLEND,
    Accuracy,
    Coverage,
    accuracy,
    cell_totals,
    coverage,
    expert_weights,
    region_errors,
    run_of,
    series_names,
)
from tidecast.tools.report.region_map import draw_map
from tidecast.tools.report.summaries import (
    draw_accuracy,
    draw_coverage,
    draw_weights,
    expert_styles,
)
from tidecast.tools.report.words import bin_words, moment_words, percent, spaced, value_unit

__all__ = ["closing_table", "write_report"]

YARDSTICK = "seasonal_naive"


def write_report(
    store: Store, settings: Settings, output: Path, title: str, facts: Mapping[str, str]
) -> None:
    """Write the page about everything in ``store`` to ``output``.

    ``facts`` are shown first, as they are: such as the numbers of events, refused and late.
    ``settings`` give the time zone, the meaning of the series and the regions' positions.

    Raises
    ------
    ServiceError
        When matplotlib is not installed.
    StoreError
        When the store holds no actuals yet.
    """
    series = _order(series_names(store), settings)
    if not series:
        raise StoreError("the store holds no actuals yet: replay a log into it first")
    errors, covered = accuracy(store), coverage(store)
    with house_style():
        sections = [
            *(_forecasts(store, settings, name) for name in series),
            *_summaries(store, settings, series, errors, covered),
            *_map(store, settings, series),
        ]
    page = render(
        title,
        _lead(store, settings, series),
        facts,
        closing_table(series, errors, covered),
        [section for section in sections if section.pictures],
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")


def closing_table(
    series: Sequence[str], errors: Sequence[Accuracy], covered: Sequence[Coverage]
) -> Table:
    """Return WAPE beside the seasonal naive's, and coverage, per series over all leads."""
    levels = sorted({answer.nominal for answer in covered})
    wape = {(answer.series, answer.expert): answer.total_wape for answer in errors}
    inside = {(answer.series, answer.nominal): answer.total for answer in covered}
    rows = []
    for name in series:
        ours, naive = wape.get((name, BLEND), np.nan), wape.get((name, YARDSTICK), np.nan)
        rows.append(
            [
                spaced(name),
                percent(ours, 1),
                percent(naive, 1),
                percent(1 - ours / naive if naive else np.nan, 0),
                *(percent(inside.get((name, level), np.nan), 1) for level in levels),
            ]
        )
    heads = [f"inside the {level:.0%} interval" for level in levels]
    return Table(["series", "WAPE", "seasonal naive", "error saved", *heads], rows)


def _order(names: Sequence[str], settings: Settings) -> list[str]:
    """Put the series in the order of the settings."""
    known = [series.name for series in settings.series]
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def _additive(settings: Settings, name: str) -> bool:
    return any(s.name == name and s.aggregate in ("count", "sum") for s in settings.series)


def _lead(store: Store, settings: Settings, series: Sequence[str]) -> str:
    run = run_of(store, series[0])
    zone = ZoneInfo(settings.shop.time_zone)
    start, end = (moment.astimezone(zone) for moment in (run.start, run.end))
    return (
        f"{run.bins:,} bins of {bin_words(settings.bins.width)[0]} from {moment_words(start)} to "
        f"{moment_words(end)} ({settings.shop.time_zone}), {run.cells:,} cells of region and "
        f"category. Each forecast was made before the bins it speaks of were seen, and scored "
        f"when they closed."
    )


def _forecasts(store: Store, settings: Settings, name: str) -> Section:
    lead = max(1, settings.forecast.horizon // 2)
    additive = _additive(settings, name)
    total = total_panel(store, name, lead) if additive else None
    choices = telling_cells(cell_totals(store, name), additive)
    panels = [total, *(cell_panel(store, name, choice, lead) for choice in choices)]
    drawn = [panel for panel in panels if panel is not None]
    if not drawn:
        return Section("", [])
    drawing = draw_forecasts(drawn, value_unit(settings, name), ZoneInfo(settings.shop.time_zone))
    words = spaced(name)
    unit = bin_words(settings.bins.width)[1]
    caption = (
        f"Line and bands: what was forecast {lead} {unit} ahead. Dots: what happened; a gap is a "
        "bin in which nothing was observed. Most dots should lie inside the bands, and the line "
        "should turn where the dots turn, not later."
    )
    if total is not None:
        caption += " The total has intervals of its own: means add up, quantiles do not."
    svg = to_svg(drawing, f"forecast-{name}", f"Forecasts of {words} against actuals")
    return Section(f"{words.capitalize()}: forecast and actual", [Picture(svg, caption)])


def _summaries(
    store: Store,
    settings: Settings,
    series: Sequence[str],
    errors: Sequence[Accuracy],
    covered: Sequence[Coverage],
) -> list[Section]:
    styles = expert_styles(sorted({answer.expert for answer in errors}))
    unit = bin_words(settings.bins.width)[1]
    weights = {name: expert_weights(store, name) for name in series}
    weights = {name: shares for name, shares in weights.items() if shares}
    styles = expert_styles(sorted({*styles, *(e for s in weights.values() for e in s)}))
    sections = []
    if errors:
        svg = to_svg(
            draw_accuracy(errors, series, styles, unit), "accuracy", "WAPE by lead and expert"
        )
        sections.append(Section("Accuracy by lead", [Picture(svg, ACCURACY)]))
    if covered:
        svg = to_svg(draw_coverage(covered, series), "coverage", "Coverage by day")
        sections.append(Section("Coverage by day", [Picture(svg, COVERAGE)]))
    if weights:
        svg = to_svg(draw_weights(weights, styles, unit), "weights", "Weights of the experts")
        sections.append(Section("Weights of the experts", [Picture(svg, WEIGHTS)]))
    return sections


def _map(store: Store, settings: Settings, series: Sequence[str]) -> list[Section]:
    name = next((name for name in series if _additive(settings, name)), None)
    if name is None:
        return []
    regions = region_errors(store, name)
    positions = region_positions(settings.regions, [region.region for region in regions])
    if not np.isfinite(positions).all(axis=1).any():
        return []
    words = spaced(name)
    svg = to_svg(draw_map(regions, positions), "map", f"Map of regions: {words} and its error")
    caption = MAP.format(series=words)
    return [Section(f"Regions: {words} and its error", [Picture(svg, caption)])]


ACCURACY = (
    "WAPE, the sum of absolute errors over the sum of actuals, of tidecast and of each of its "
    "experts alone. Lower is better; tidecast should lie at or below the best of them at every "
    "lead, though no expert is the best everywhere. A line that leaves the picture above is more "
    "than three times as wrong."
)
COVERAGE = (
    "The share of actuals that fell inside tidecast's intervals, over all leads; dashed: the share "
    "that should. A line that stays near its dashes means that the intervals can be believed. "
    "Counts are whole numbers, so intervals of sparse cells cannot help holding more."
)
WEIGHTS = (
    "How much each expert had to say in the newest fifth of the forecasts. Experts earn their "
    "share by their recent errors, separately for each series and lead."
)
MAP = (
    "Area: mean {series} of the region in a bin. Colour: WAPE over all leads and categories, "
    "lighter is better. Small regions are hard to forecast: chance weighs more in small numbers."
)
