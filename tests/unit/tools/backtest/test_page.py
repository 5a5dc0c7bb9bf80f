"""The page of ``tidecast backtest --html``: what stands in it, and what it never does."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidecast.state.bins import HOUR, iso
from tidecast.tools.main import run

START = 474_000 * HOUR
EVIL = '<script>alert("1")</script> $\\frac{$'
FOREIGN = '北京 id="x" url(#a) #0b6e8f'
SERIES = 'un"its \\1 <b>'
OPTIONS = ("--freq", "1h", "--horizon", "3", "--value", SERIES)


class Document(HTMLParser):
    """Collects the texts of a page by the element they stand in, its ids, and what it fetches."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.fetched.append(f"{tag} {value}")
            if name == "id":
                self.ids.append(str(value))
            if name == "aria-label":
                self.labels.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())

    def within(self, tag: str) -> str:
        return "\n".join(self.texts.get(tag, []))


def sales(folder: Path) -> Path:
    """Write eight days of hourly sales in three regions and two categories, and their places."""
    random = np.random.default_rng(5)
    rows = [
        {
            "time": iso(START + hour * HOUR),
            "region": region,
            "category": category,
            SERIES: float(random.poisson(size * (1.2 + np.sin(hour * np.pi / 12)))),
        }
        for hour in range(24 * 8)
        for region, size in ((EVIL, 9), (FOREIGN, 5), ("south", 2))
        for category in ("books", "toys")
    ]
    path = folder / "sales of <the> shop.parquet"
    pl.DataFrame(rows).write_parquet(path)
    places = {"region": [EVIL, FOREIGN], "lat": [30.0, 31.0], "lng": [104.0, 105.0]}
    pl.DataFrame(places).write_csv(folder / "places.csv")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a run over a table whose names are all hostile."""
    folder = tmp_path_factory.mktemp("page")
    file = folder / "page.html"
    places = ["--regions", str(folder / "places.csv")]
    command = ["backtest", str(sales(folder)), *OPTIONS, *places, "--html", str(file)]
    command += ["--explain", f"{EVIL}/toys"]
    assert run(command) == 0
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document(page: str) -> Document:
    return Document(page)


def test_it_has_a_section_for_each_of_the_pictures(document: Document) -> None:
    assert document.texts["h2"] == [
        f"{SERIES}: forecast fans",
        f"{SERIES}: what the forecast of {EVIL}/toys is made of",
        "Accuracy by lead",
        f"{SERIES}: figures over all leads",
        f"{SERIES}: figures by size of cell",
        "Coverage by day",
        "Weights of the experts",
        f"{SERIES}: worst cells",
        f"{SERIES}: regions",
    ]
    assert len(document.labels) == 8
    assert all(document.labels)


def test_title_span_command_and_versions_are_told(document: Document) -> None:
    assert document.texts["h1"] == ["Backtest of sales of <the> shop.parquet"]
    assert document.texts["title"] == document.texts["h1"]
    lead = document.texts["p"][0]
    assert lead.startswith("From 28 January 2024, 00:00 to 5 February 2024, 00:00 (UTC)")
    assert "in bins of 1 hour; scored from 28 January 2024, 20:00 on" in lead
    told = document.within("dd")
    assert "tidecast backtest '" in told
    assert "--horizon 3 --value 'un\"its \\1 <b>' --regions" in told
    assert f"Python {sys.version.split()[0]}" in told
    assert "tidecast 0." in told
    assert "numpy " in told
    assert "192 bins, of which the last 172 are scored" in told


def test_the_figures_of_the_blend_and_of_every_expert_are_there(document: Document) -> None:
    rows = document.texts["th"]
    for expert in ("tidecast", "seasonal naive", "time of week", "holt winters", "linear"):
        assert expert in rows
    for name in ("WAPE", "RMSE", "pinball", "inside 80%", "p against tidecast"):
        assert name in rows
    assert rows.count("inside 80%") == 2  # of experts, and by size of cell
    assert "WAPE seasonal naive" in rows
    assert f"{EVIL} · toys" in rows  # among the worst cells


def test_fans_are_of_telling_cells_and_of_their_sum(document: Document) -> None:
    texts = document.texts["text"]
    assert texts.count("forecast made") == 1
    assert "All cells" in texts
    notes = [text for text in texts if "largest cell" in text or "sparsest cell" in text]
    assert len(notes) == 2
    assert any(text.startswith(EVIL) for text in texts)


def test_the_parts_of_a_forecast_are_drawn_and_told(document: Document) -> None:
    assert {"level", "season", "mean"} <= set(document.texts["text"])
    rows = document.texts["th"]
    assert rows[rows.index("lead") :][:4] == ["lead", "until", "mean", "level"]


def test_the_map_names_regions_that_have_a_place_and_their_error(document: Document) -> None:
    texts = document.texts["text"]
    assert any(re.fullmatch(r"北京 id=.* \d+%", text) for text in texts)
    assert not any(text.startswith("south ") and text.endswith("%") for text in texts)


def test_names_of_the_data_stay_texts(page: str, document: Document) -> None:
    assert document.tags.isdisjoint({"script", "b", "img", "iframe", "link", "object"})
    assert "<script" not in page
    assert FOREIGN in document.within("text")  # not taken for an id or a colour


def test_it_fetches_nothing_and_forbids_it(page: str, document: Document) -> None:
    assert document.fetched == []
    assert re.findall(r"""url\((?!#)|@import|https?://""", page) == []
    assert "default-src 'none'" in page
    assert len(document.ids) == len(set(document.ids))


def test_it_is_made_for_light_and_dark(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert "var(--ink)" in page
    drawn = page[page.index("<main>") :]
    assert not any(colour in drawn.replace(FOREIGN[-7:], "") for colour in ("#1b2430", "#0b6e8f"))


def table(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    n = len(next(iter(values.values())))
    pl.DataFrame({"time": [iso(START + h * HOUR) for h in range(n)], **values}).write_parquet(path)
    return path


def test_one_cell_without_a_name_and_one_lead_will_do(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    path = table(tmp_path, {"value": np.random.default_rng(1).poisson(4, 96).astype(float)})
    assert run(["backtest", str(path), "--freq", "1h", "--horizon", "1", "--html", str(file)]) == 0
    document = Document(file.read_text(encoding="utf-8"))
    assert "the only cell" in document.texts["text"]
    assert "value: regions" not in document.texts["h2"]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_what_never_changes_can_be_drawn(tmp_path: Path, value: float) -> None:
    file = tmp_path / "page.html"
    path = table(tmp_path, {"value": np.full(60, value)})
    assert run(["backtest", str(path), "--freq", "1h", "--horizon", "4", "--html", str(file)]) == 0
    assert "Coverage by day" in Document(file.read_text(encoding="utf-8")).texts["h2"]


def test_a_run_in_which_nothing_is_scored_has_a_page(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    path = table(tmp_path, {"value": np.arange(60.0)})
    options = ["--freq", "1h", "--horizon", "4", "--score-where", "actual > 99"]
    assert run(["backtest", str(path), *options, "--html", str(file)]) == 0
    document = Document(file.read_text(encoding="utf-8"))
    assert "value: forecast fans" in document.texts["h2"]
    assert "Accuracy by lead" not in document.texts["h2"]


def test_without_matplotlib_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked: Any = None
    monkeypatch.setitem(sys.modules, "matplotlib", blocked)
    absent = str(tmp_path / "absent.parquet")
    assert run(["backtest", absent, "--freq", "1h", "--html", str(tmp_path / "page.html")]) == 4
    assert "tidecast[report]" in capsys.readouterr().err
