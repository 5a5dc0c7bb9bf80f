"""The parts of the report: which cells are shown, how numbers and texts are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tidecast.state.cells import Cell
from tidecast.state.settings import Settings, parse_settings
from tidecast.tools.report.ink import house_style, panels, to_svg
from tidecast.tools.report.page import Picture, Section, Table, render
from tidecast.tools.report.panels import Choice, telling_cells
from tidecast.tools.report.questions import Accuracy, CellTotal, Coverage
from tidecast.tools.report.summaries import draw_accuracy, expert_palette
from tidecast.tools.report.words import bin_words, percent, value_unit
from tidecast.tools.report.write import closing_table

START = datetime(2025, 3, 3, tzinfo=UTC)


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
    assert [c.cell.region for c in telling_cells([total("a", 5)], additive=True)] == ["a"]
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
    assert bin_words(settings(width)) == words


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
        palette = expert_palette(["linear", "tidecast"])
        drawing = draw_accuracy(errors, ["demand"], palette, "hours")
    assert drawing.axes[0].get_ylim()[1] == pytest.approx(0.9)


def test_more_than_three_series_stand_in_rows() -> None:
    errors = [accuracy(name, "tidecast", 0.3) for name in "abcde"]
    with house_style():
        drawing = draw_accuracy(errors, list("abcde"), expert_palette(["tidecast"]), "hours")
    shown = [axes.get_title(loc="left") for axes in drawing.axes if axes.get_visible()]
    assert shown == list("abcde")
    assert len({round(axes.get_position().y0, 3) for axes in drawing.axes}) == 2


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
