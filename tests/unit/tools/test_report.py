"""The parts of the report: which cells are shown, how numbers and texts are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from html import escape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tidecast.state.cells import Cell
from tidecast.state.settings import Settings, parse_settings
from tidecast.tools.report.ink import house_style, panels, title, to_svg
from tidecast.tools.report.page import Picture, Section, Table, render
from tidecast.tools.report.panels import Choice, telling_cells
from tidecast.tools.report.questions import Accuracy, CellTotal, Coverage, RegionError
from tidecast.tools.report.region_map import draw_map
from tidecast.tools.report.summaries import (
    draw_accuracy,
    draw_coverage,
    draw_worst,
    expert_styles,
)
from tidecast.tools.report.words import bin_words, percent, value_unit
from tidecast.tools.report.write import closing_table

START = datetime(2025, 3, 3, tzinfo=UTC)
STYLES = expert_styles(["tidecast"])


def settings(width: str = "1h") -> Settings:
    return parse_settings(
        {
            "bins": {"width": width},
            "sources": [
                {"name": "orders", "topic": "orders", "stream": "order"},
                {"name": "scans", "topic": "scans", "stream": "logistics"},
            ],
            "series": [
                {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"},
                {"name": "orders", "stream": "order", "aggregate": "count", "kinds": ["order"]},
                {"name": "wait", "stream": "logistics", "aggregate": "mean", "of": "hours"},
                {
                    "name": "basket",
                    "aggregate": "ratio",
                    "numerator": "demand",
                    "denominator": "orders",
                },
            ],
        }
    )


def total(name: str, amount: float, observed: int = 100, day: int = 0) -> CellTotal:
    return CellTotal(Cell(name, "toys"), amount, observed, START + timedelta(days=day))


def test_the_largest_the_median_and_the_sparsest_cell_are_shown() -> None:
    totals = [total("a", 5), total("b", 50), total("c", 20), total("d", 1), total("e", 30)]
    assert telling_cells(totals, additive=True) == [
        Choice(Cell("b", "toys"), "the largest cell"),
        Choice(Cell("c", "toys"), "a cell of median size"),
        Choice(Cell("d", "toys"), "the sparsest cell"),
    ]


def test_the_largest_cell_that_opened_mid_way_is_shown_from_its_beginning() -> None:
    totals = [total("a", 5), total("b", 50), total("new", 99, day=14), total("newer", 7, day=15)]
    choices = telling_cells(totals, additive=True)
    assert choices[0].cell.region == "b"
    assert choices[-1] == Choice(Cell("new", "toys"), "opened mid-way", beginning=True)


def test_means_are_ranked_by_how_often_they_were_observed() -> None:
    totals = [total("rare", 500, observed=3), total("often", 20, observed=90)]
    assert telling_cells(totals, additive=False)[0].cell.region == "often"


def test_a_single_cell_is_shown_once_and_empty_cells_never() -> None:
    only = Choice(Cell("a", "toys"), "the only cell")
    assert telling_cells([total("a", 5)], additive=True) == [only]
    beside_an_empty_one = telling_cells([total("a", 5), total("b", 0)], additive=True)
    assert beside_an_empty_one == [Choice(Cell("a", "toys"), "the largest cell")]
    assert telling_cells([total("a", 0)], additive=True) == []
    assert telling_cells([], additive=True) == []


@pytest.mark.parametrize(
    ("width", "words"),
    [
        ("1h", ("1 hour", "hours")),
        ("15m", ("15 minutes", "bins of 15 minutes")),
        ("1m", ("1 minute", "minutes")),
        ("day", ("1 day", "days")),
        ("30s", ("30 seconds", "bins of 30 seconds")),
    ],
)
def test_bins_are_named_by_their_width(width: str, words: tuple[str, str]) -> None:
    assert bin_words(settings(width).bins.width) == words


def test_value_axes_carry_units() -> None:
    units = [value_unit(settings(), name) for name in ("demand", "orders", "wait", "basket")]
    assert units == ["units per hour", "orders per hour", "mean hours", "demand / orders"]
    assert value_unit(settings("15m"), "demand") == "units per 15 minutes"


def test_an_unknown_share_is_a_dash() -> None:
    assert (percent(math.nan, 1), percent(0.1234, 1)) == ("–", "12.3%")


def accuracy(series: str, expert: str, wape: float) -> Accuracy:
    return Accuracy(series, expert, np.array([1.0]), np.array([9.0]), np.array([wape]), wape)


def test_the_closing_table_sets_us_beside_the_seasonal_naive() -> None:
    errors = [accuracy("demand", "tidecast", 0.3), accuracy("demand", "seasonal_naive", 0.4)]
    covered = [Coverage("demand", 0.9, [START.date()], np.array([0.91]), 0.91)]
    table = closing_table(["demand", "wait_hours"], errors, covered)
    assert table.columns[-1] == "inside the 90% interval"
    assert table.rows == [
        ["demand", "30.0%", "40.0%", "25%", "91.0%"],
        ["wait hours", "–", "–", "–", "–"],
    ]


def test_a_wild_expert_does_not_flatten_the_picture() -> None:
    errors = [accuracy("demand", "tidecast", 0.3), accuracy("demand", "linear", 1e6)]
    with house_style():
        styles = expert_styles(["linear", "tidecast"])
        drawing = draw_accuracy(errors, ["demand"], styles, "hours")
    assert drawing.axes[0].get_ylim()[1] == pytest.approx(0.9)


def test_per_cent_on_an_axis_are_not_rounded() -> None:
    with house_style():
        (axes,) = draw_accuracy([accuracy("demand", "tidecast", 0.3)], ["demand"], STYLES, "h").axes
    written = [axes.yaxis.get_major_formatter()(share) for share in (0.025, 0.1, 1.0)]
    assert written == ["2.5%", "10%", "100%"]


def test_more_than_three_series_stand_in_rows() -> None:
    errors = [accuracy(name, "tidecast", 0.3) for name in "abcde"]
    with house_style():
        drawing = draw_accuracy(errors, list("abcde"), STYLES, "hours")
    shown = [axes.get_title(loc="left") for axes in drawing.axes if axes.get_visible()]
    assert shown == list("abcde")
    assert len({round(axes.get_position().y0, 3) for axes in drawing.axes}) == 2


def test_experts_can_be_told_apart_without_colours() -> None:
    styles = expert_styles(["tidecast", *"abcdefgh"])
    looks = {(str(style.get("linestyle")), style.get("marker")) for style in styles.values()}
    assert len(looks) == len(styles)


def test_days_that_scatter_are_drawn_with_their_running_mean() -> None:
    share = np.tile([0.8, 1.0], 50)
    share[40] = np.nan
    days = [(START + timedelta(days=n)).date() for n in range(100)]
    with house_style():
        (axes,) = draw_coverage([Coverage("demand", 0.9, days, share, 0.9)], ["demand"]).axes
    _, thin, thick = axes.lines
    assert np.array_equal(thin.get_ydata(), share, equal_nan=True)
    mean = np.asarray(thick.get_ydata(), np.float64)
    assert mean[20] == pytest.approx(share[17:24].mean())
    assert mean[40] == pytest.approx(np.nanmean(share[37:44]))


def test_the_worst_cell_stands_on_top_beside_its_yardstick() -> None:
    with house_style():
        drawing = draw_worst(["a", "b"], np.array([0.5, 0.4]), np.array([0.3, 0.6]), "time_of_week")
    (axes,) = drawing.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    shown = {str(line.get_label()): list(np.asarray(line.get_xdata())) for line in axes.lines}
    assert shown == {"time of week": [0.3, 0.6], "tidecast": [0.5, 0.4]}


def test_names_on_the_map_do_not_lie_on_each_other() -> None:
    regions = [RegionError(f"region {n}", 10.0 - n, 0.1 * n) for n in range(5)]
    apart = np.array([[0.0, 0.0], [5.0, 5.0], [9.0, 1.0], [np.nan, np.nan], [4.0, 9.0]])
    together = np.zeros((5, 2))
    written = []
    for positions in (apart, together):
        with house_style():
            axes = draw_map(regions, positions).axes[0]
        written.append([text.get_text() for text in axes.texts])
    assert written[0] == ["region 0 0%", "region 1 10%", "region 2 20%", "region 4 40%"]
    assert written[1] == ["region 0 0%", "region 1 10%"]  # below and above


def test_names_of_the_data_are_drawn_as_they_are() -> None:
    name = '$\\frac{$ <b> id="x" url(#a) #0b6e8f 北'
    with house_style():
        drawing, (axes,) = panels(1, 1, 3, 2)
        title(axes, name)
        svg = to_svg(drawing, "one", "a \\1 b")
    assert escape(name, quote=False) in svg
    assert 'aria-label="a \\1 b"' in svg


class References(HTMLParser):
    """Collects what a page would fetch, and all its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.fetched.append(f"{tag} {value}")
            if name == "id":
                self.ids.append(str(value))


def drawn(name: str) -> str:
    with house_style():
        drawing, (axes,) = panels(1, 1, 3, 2)
        axes.plot([1, 2], [3, 4], marker="o", color="#0b6e8f")
        return to_svg(drawing, name, 'A "quoted" line')


def test_a_drawing_takes_its_colours_from_the_page() -> None:
    svg = drawn("one")
    assert "var(--tide)" in svg
    assert "#0b6e8f" not in svg
    assert 'aria-label="A &quot;quoted&quot; line"' in svg


def test_the_page_fetches_nothing_and_its_ids_are_unique() -> None:
    sections = [Section("Two", [Picture(drawn("one"), "first"), Picture(drawn("two"), "second")])]
    parser = References()
    parser.feed(render("A title", "lead", {}, Table(["a"], []), sections))
    assert parser.fetched == []
    assert len(parser.ids) == len(set(parser.ids)) > 0


def test_how_a_page_came_about_stands_at_its_end() -> None:
    page = render("t", "l", {}, Table([], []), [], {"command": "tidecast <x>"})
    assert "<dt>command</dt><dd>tidecast &lt;x&gt;</dd>" in page
    assert "<footer>" not in render("t", "l", {}, Table([], []), [])


def test_a_section_may_have_a_table_of_its_own() -> None:
    section = Section("Worst", [], Table(["cell"], [["a & b"]]))
    assert '<th scope="row">a &amp; b</th>' in render("t", "l", {}, Table([], []), [section])


def test_indented_facts_are_details_in_one_line() -> None:
    page = render("t", "l", {"refused": "7", "  not_json": "4", "  late<": "3"}, Table([], []), [])
    assert "<dt>refused</dt><dd>7</dd>" in page
    assert "Refused: not json&nbsp;4 · late&lt;&nbsp;3" in page


def test_texts_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    table = Table([evil], [[evil, evil]])
    page = render(evil, evil, {evil: evil}, table, [Section(evil, [Picture("", evil)])])
    assert "<script" not in page


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from tidecast.state.errors import ServiceError

    blocked: Any = None
    monkeypatch.setitem(sys.modules, "matplotlib", blocked)
    with pytest.raises(ServiceError, match=r"tidecast\[report\]"), house_style():
        pass
