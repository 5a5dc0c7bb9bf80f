"""``tidecast backtest``, from a table to figures."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click_settings import click_settings
from numpy.typing import NDArray
from shops import click

from tidecast.models.covariates import Covariates
from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.online.time_of_week import TimeOfWeek
from tidecast.state.bins import HOUR, iso
from tidecast.state.settings.experts import DEFAULT_EXPERTS
from tidecast.state.window import Window
from tidecast.tools.backtest import resume
from tidecast.tools.backtest import run as runner
from tidecast.tools.backtest.asked import Asked
from tidecast.tools.backtest.plan import plan_table
from tidecast.tools.main import run

Means = NDArray[np.float32]
START = 474_000 * HOUR
SETTINGS = click_settings("clicks", horizon=3)


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """Write six days of hourly sales in two regions and two categories."""
    random = np.random.default_rng(5)
    rows = [
        {
            "time": iso(START + hour * HOUR),
            "region": region,
            "category": category,
            "value": float(random.poisson(5 + 4 * np.sin(hour * np.pi / 12))),
        }
        for hour in range(24 * 6)
        for region in ("north", "south")
        for category in ("books", "toys")
    ]
    path = tmp_path / "sales.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def backtest(path: Path, *options: str) -> int:
    return run(["backtest", str(path), "--freq", "1h", "--horizon", "3", *options])


def scores(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())["scores"]
    return found


def test_what_the_guards_did_is_in_the_figures_and_told(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = (pl.col("time").rank("dense") - 1).alias("hour")
    silent = pl.when(hour.is_between(76, 83)).then(0.0).otherwise(pl.col("value")).alias("value")
    down, file = tmp_path / "down.parquet", tmp_path / "scores.json"
    pl.read_parquet(sales).with_columns(silent).write_parquet(down)
    assert backtest(down, "--seasons", "24", "--json", str(file)) == 0
    told = json.loads(file.read_text())["run"]
    assert set(told["guards"]["value"]) == {"burst", "shared_burst", "outage", "shift"}
    assert told["guards"]["value"]["outage"] in (6 * 4, 7 * 4, 8 * 4)  # from the first or so on
    assert set(told["resets"].values()) == {0}
    assert f"{told['guards']['value']['outage']:,} for outages" in capsys.readouterr().err


def test_what_was_sold_out_is_not_scored(sales: Path, tmp_path: Path) -> None:
    sold_out = (pl.col("region") == "north").alias("sold_out")
    marked, file = tmp_path / "marked.parquet", tmp_path / "scores.json"
    pl.read_parquet(sales).with_columns(sold_out).write_parquet(marked)
    assert backtest(marked, "--score-last", "48", "--json", str(file)) == 0
    (mae,) = (
        score
        for score in scores(file)
        if (score["level"], score["expert"], score["lead"]) == ("cell", "tidecast", None)
        and score["metric"] == "mae"
    )
    assert mae["n"] == 48 * 3 * 2


def test_values_below_zero_are_told_of(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps = pl.when(pl.col("value") == 5).then(-1.0).otherwise(pl.col("value")).alias("value")
    marked = tmp_path / "marked.parquet"
    table = pl.read_parquet(sales).with_columns(gaps)
    table.write_parquet(marked)
    assert backtest(marked, "--score-last", "24") == 0
    n_marked = table.filter(pl.col("value") < 0).height
    assert f"{n_marked:,} values are below 0" in capsys.readouterr().err


def test_names_of_a_table_are_shown_as_they_are(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    litres = tmp_path / "litres.parquet"
    pl.read_parquet(sales).rename({"value": "flow [l/s] [/]"}).write_parquet(litres)
    assert backtest(litres, "--value", "flow [l/s] [/]", "--score-last", "24") == 0
    assert "flow [l/s] [/]: cells, all leads" in capsys.readouterr().out


def test_a_table_is_forecast_without_settings(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.json"
    assert backtest(sales, "--score-last", "48", "--json", str(file)) == 0
    said = capsys.readouterr()
    assert "time = time; value = value; region = region; category = category" in said.err
    assert "144 bins, of which the last 48 are scored" in said.err
    assert "tidecast" in said.out
    found = scores(file)
    assert set(found[0]) == {"series", "level", "expert", "lead", "metric", "value", "n"}
    assert {score["level"] for score in found} == {"cell", "region", "category", "total"}
    assert {score["lead"] for score in found} == {None, 1, 2, 3}
    assert {score["series"] for score in found} == {"value"}
    assert {"tidecast", "seasonal_naive", "linear"} <= {score["expert"] for score in found}
    rows = {"cell": 4, "region": 2, "category": 2, "total": 1}
    for score in found:
        if score["metric"] == "mae":
            leads = 3 if score["lead"] is None else 1
            assert score["n"] == 48 * rows[score["level"]] * leads


def test_figures_are_those_that_the_table_gives_by_hand(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    assert backtest(sales, "--seasons", "24", "--score-last", "24", "--json", str(file)) == 0
    table = pl.read_parquet(sales).group_by("time").agg(pl.col("value").sum()).sort("time")
    total = table["value"].to_numpy()
    error = np.abs(total[-24:] - total[-48:-24])
    before = np.abs(total[24:-24] - total[:-48]).mean()
    naive = {
        score["metric"]: score["value"]
        for score in scores(file)
        if (score["expert"], score["level"], score["lead"]) == ("seasonal_naive", "total", 1)
    }
    assert naive["mae"] == pytest.approx(error.mean())
    assert naive["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert naive["wape"] == pytest.approx(error.sum() / total[-24:].sum())
    assert naive["mase"] == pytest.approx(error.mean() / before)


def test_a_filter_concerns_scores_only(sales: Path, tmp_path: Path) -> None:
    plain, some = tmp_path / "plain.json", tmp_path / "some.json"
    assert backtest(sales, "--json", str(plain)) == 0
    assert backtest(sales, "--score-where", "actual > 4", "--json", str(some)) == 0
    n = [score["n"] for file in (plain, some) for score in scores(file)[:1]]
    assert n[1] < n[0]


def first_words(printed: str) -> set[str]:
    """Return what the rows of tables begin with."""
    return {line.split()[0] for line in printed.splitlines() if line.strip()}


def test_tables_have_no_row_of_which_there_is_no_figure(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(sales, "--score-last", "2") == 0
    shown = first_words(capsys.readouterr().out)
    assert {"tidecast", "linear", "1", "2", "3", "cell", "region", "category", "total"} <= shown
    assert "leading" not in shown  # a series alone is led by none
    short, page = tmp_path / "short.parquet", tmp_path / "page.html"
    north = pl.col("region") == "north"
    pl.read_parquet(sales).filter(north).drop("region").head(6).write_parquet(short)
    assert backtest(short, "--html", str(page)) == 0  # three bins: nothing is known of lead 3
    shown = first_words(capsys.readouterr().out)
    assert {"1", "2", "cell"} <= shown
    assert shown.isdisjoint({"3", "trees", "leading"})
    assert "trees</th>" not in page.read_text("utf-8")


def test_a_filter_that_keeps_nothing_is_told(
    sales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--without", "trees", "--without", "leading", "--score-last", "20")
    assert backtest(sales, *few, "--score-where", "actual > 1000") == 0
    said = capsys.readouterr()
    assert "nothing was scored" in said.err
    assert said.out == ""
    assert backtest(sales, *few) == 0
    assert "nothing was scored" not in capsys.readouterr().err


def test_who_slept_is_told_beside_figures_that_are_of_fewer_forecasts(
    sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    options = ("--score-last", "24", "--html", str(page))
    assert backtest(sales, *options) == 0
    said = capsys.readouterr().out
    assert "awake" not in said + page.read_text("utf-8")

    forecast = TimeOfWeek.forecast

    def drowsy(self: TimeOfWeek, window: Window, covariates: Covariates) -> tuple[Means, Means]:
        mean, scale = forecast(self, window, covariates)
        return (mean if covariates.bin % 2 else mean * np.float32(np.nan)), scale

    monkeypatch.setattr(TimeOfWeek, "forecast", drowsy)
    assert backtest(sales, *options) == 0
    said = capsys.readouterr().out
    assert re.search(r"expert .* p +awake\n", said)
    assert re.search(r"tidecast .* 100\.0%\n", said)
    assert re.search(r"time_of_week .* 50\.0%\n", said)
    assert re.search(r"time of week</th>.*<td>50\.0%</td></tr>", page.read_text("utf-8"))


def test_sizes_of_cells_have_a_table_where_there_are_several(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--without", "trees", "--without", "leading", "--score-last", "48")
    assert backtest(sales, *few) == 0
    assert "by their mean of a bin" not in capsys.readouterr().out
    larger, file = tmp_path / "larger.parquet", tmp_path / "scores.json"
    grown = pl.when(pl.col("region") == "south").then(pl.col("value") * 20)
    pl.read_parquet(sales).with_columns(grown.otherwise(pl.col("value"))).write_parquet(larger)
    assert backtest(larger, *few, "--json", str(file)) == 0
    shown = capsys.readouterr().out
    for score in json.loads(file.read_text())["sizes"]:
        if (score["expert"], score["metric"]) == ("tidecast", "wape"):
            name = f"{score['low']:g} to {score['high']:g}"
            assert re.search(rf"{name} +2 +{score['value']:.4g} ", shown)


def stopping(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the signal of Ctrl-C come in the middle of a step."""
    step: Callable[..., None] = Backtest.step
    steps = iter(range(10_000))

    def interrupted(self: Backtest, *arguments: Any) -> None:
        if next(steps) == after:
            signal.raise_signal(signal.SIGINT)
        step(self, *arguments)

    monkeypatch.setattr(Backtest, "step", interrupted)


def test_what_was_stopped_goes_on_to_the_same_figures(
    sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, resumed = tmp_path / "whole.json", tmp_path / "resumed.json"
    pages = [path.with_suffix(".html") for path in (whole, resumed)]
    options = ["--resume", str(tmp_path / "state"), "--json", str(resumed), "--html", str(pages[1])]
    assert backtest(sales, "--json", str(whole), "--html", str(pages[0])) == 0
    with monkeypatch.context() as patches:
        stopping(100, patches)
        assert backtest(sales, *options) == 130
    assert "stopped after 101 of 144 bins; the same command goes on" in capsys.readouterr().err
    assert not resumed.exists()
    taken: list[int] = []
    load = runner.Resume.load
    monkeypatch.setattr(
        runner.Resume, "load", lambda *given: taken.append(load(*given)) or taken[0]
    )
    assert backtest(sales, *options) == 0
    assert "goes on after 101 of 144 bins" in capsys.readouterr().err
    assert taken == [101]
    assert scores(resumed) == scores(whole)
    drawn = [re.sub("<dt>command.*?</dd>", "", page.read_text("utf-8")) for page in pages]
    assert drawn[0] == drawn[1]


def test_a_state_of_another_run_is_refused(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--resume", str(tmp_path / "state")]
    assert backtest(sales, *state) == 0
    assert backtest(sales, *state, "--score-last", "10") == 5
    assert "belongs to a backtest of other data or options" in capsys.readouterr().err


def test_a_state_of_another_format_is_refused(
    sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--without", "trees", "--without", "leading", "--resume", str(tmp_path / "state"))
    with monkeypatch.context() as patches:
        patches.setattr(resume, "FORMAT", resume.FORMAT - 1)
        assert backtest(sales, *few) == 0
    assert backtest(sales, *few) == 5
    assert "or of another tidecast" in capsys.readouterr().err


def test_one_cell_has_its_quantiles_at_every_level(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only, file = tmp_path / "only.parquet", tmp_path / "scores.json"
    pl.read_parquet(sales).filter(region="north", category="toys").write_parquet(only)
    few = ("--without", "trees", "--without", "leading", "--score-last", "48")
    assert backtest(only, *few, "--json", str(file)) == 0
    found = {
        (score["level"], score["metric"]): f"{score['value']:.4g}"
        for score in scores(file)
        if (score["expert"], score["lead"]) == ("tidecast", None)
    }
    shown = capsys.readouterr().out
    for level in ("cell", "region", "category", "total"):
        assert found[level, "pinball"] == found["cell", "pinball"]
        assert re.search(rf"{level} .* {found['cell', 'pinball']} +\d+\.\d% +\d+\.\d%", shown)


def test_an_expert_may_be_left_out(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    assert backtest(sales, "--without", "linear", "--json", str(file)) == 0
    assert "linear" not in {score["expert"] for score in scores(file)}


def test_a_column_that_is_known_ahead_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(5)
    promoted = np.isin(np.arange(70), [30, 37, 44, 50, 58, 63, 66])
    path = tmp_path / "sales.parquet"
    pl.DataFrame(
        {
            "date": [iso(START + 24 * HOUR * day)[:10] for day in range(70)],
            "sales": random.poisson(np.where(promoted, 400.0, 100.0)).astype(float),
            "promotion": promoted.astype(int),
        }
    ).write_parquet(path)
    errors = []
    for options in ([], ["--future", "promotion"]):
        file = tmp_path / "scores.json"
        asked = [*options, "--score-last", "20", "--json", str(file)]
        assert run(["backtest", str(path), "--freq", "1D", "--horizon", "3", *asked]) == 0
        errors += [
            score["value"]
            for score in scores(file)
            if (score["expert"], score["metric"], score["level"], score["lead"])
            == ("tidecast", "wape", "cell", None)
        ]
    assert errors[1] < 0.6 * errors[0]
    assert "known ahead: promotion" in capsys.readouterr().err


def test_the_blend_without_each_expert_is_told_everywhere(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "scores.json", tmp_path / "page.html"
    experts = ("--without", "holt_winters", "--without", "pooled", "--without", "time_of_week")
    outputs = ("--leave-one-out", "--json", str(file), "--html", str(page))
    assert backtest(sales, "--score-last", "24", *experts, *outputs) == 0
    told = {"without seasonal_naive", "without linear"}
    assert told < {score["expert"] for score in scores(file)}
    shown = capsys.readouterr().out
    assert all(name in shown for name in told)
    assert all(f">{name.replace('_', ' ')}</th>" in page.read_text("utf-8") for name in told)


def test_of_one_expert_none_can_be_left_out(
    sales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [text for name in DEFAULT_EXPERTS[1:] for text in ("--without", name)]
    assert backtest(sales, *others, "--leave-one-out") == 2
    assert "--leave-one-out needs two experts or more" in capsys.readouterr().err


def test_an_expert_that_is_not_there_is_not_left_out(
    sales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(sales, "--leave-out", "oracle") == 2
    assert "without 'oracle': there is no such expert" in capsys.readouterr().err


def test_event_logs_are_forecast_by_their_settings(tmp_path: Path) -> None:
    settings, log, file = (tmp_path / name for name in ("t.toml", "clicks.ndjson", "s.json"))
    settings.write_text(SETTINGS)
    minutes = range(0, 60 * 24 * 4, 20)
    log.write_bytes(b"\n".join(click(event_time=iso(START + m * HOUR // 60)) for m in minutes))
    outputs = ["--json", str(file), "--html", str(tmp_path / "s.html")]
    assert run(["--settings", str(settings), "backtest", str(log), *outputs]) == 0
    found = scores(file)
    assert {score["series"] for score in found} == {"traffic"}
    assert {score["lead"] for score in found} == {None, 1, 2, 3}
    wape = next(score for score in found if score["metric"] == "wape")
    assert wape["value"] < 0.01  # three clicks an hour, every hour
    assert "Backtest of clicks.ndjson" in (tmp_path / "s.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--freq", "7h"], 2, "freq '7h'"),
        (["--seasons", "24,12"], 2, "season_lengths"),
        (["--seasons", "day"], 2, "joined by commas"),
        (["--timezone", "Mars/Base"], 2, "name an IANA time zone"),
        (["--value", "units"], 3, "no column 'units'"),
        (["--score-where", "value > 0"], 2, "write actual"),
        (["--without", "oracle"], 2, "there is no such expert"),
        (["--holidays", "Germany"], 2, "holidays = 'Germany'"),
        (["--holidays", "XX"], 2, "write a country of ISO 3166"),
        (["--future", "promotion"], 3, "no column 'promotion'"),
        (["--future", "category"], 3, "covariates category cannot be read"),
        (["--with", "oracle"], 2, "'oracle' is unknown; use some of seasonal_naive"),
        (["--json", "gone/scores.json"], 2, "gone is no folder in which a file can be written"),
        (["--json", "/proc/scores.json"], 2, "/proc/scores.json cannot be written"),
        (["--html", "/proc/scores.html"], 2, "/proc/scores.html cannot be written"),
    ],
)
def test_what_makes_no_sense_is_named(
    sales: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: int, says: str
) -> None:
    assert backtest(sales, *options) == code
    assert says in capsys.readouterr().err


def test_a_folder_that_takes_no_state_is_refused_before_the_first_bin(
    sales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backtest, "step", lambda *_: pytest.fail("stepped"))
    assert backtest(sales, "--resume", "/proc/kept") == 1
    assert "/proc/kept cannot be read or written" in capsys.readouterr().err


def test_options_of_tables_need_a_frequency(
    sales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", str(sales), "--value", "value"]) == 2
    assert "--value is for a TABLE, which needs --freq" in capsys.readouterr().err


def test_a_table_without_a_frequency_is_not_sent_away_for_settings(
    sales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sales.parent)
    assert run(["backtest", str(sales)]) == 2
    assert "a TABLE needs --freq" in capsys.readouterr().err
    Path("tidecast.toml").write_text(SETTINGS)
    assert run(["backtest", str(sales)]) == 3
    assert "if it is a TABLE, give --freq" in capsys.readouterr().err


def test_of_one_bin_nothing_can_be_scored(sales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.read_parquet(sales).head(4).write_parquet(sales)
    assert backtest(sales) == 3
    assert "all values lie in one bin" in capsys.readouterr().err


def test_the_last_forecast_of_a_cell_is_explained_also_when_the_run_was_finished_before(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for file in (tmp_path / "one.json", tmp_path / "other.json"):
        options = ("--explain", "north/toys", "--resume", str(tmp_path / "kept"))
        assert backtest(sales, *options, "--json", str(file)) == 0
        found.append(json.loads(file.read_text())["explanation"])
    assert found[0] == found[1]
    assert found[0]["origin"] == iso(START + 24 * 6 * HOUR)
    value = found[0]["series"]["value"]
    assert np.allclose(np.sum(list(value["parts"].values()), axis=0), value["mean"])
    assert "value of north/toys, forecast at 2024-02-03 00:00 (UTC); " in capsys.readouterr().out


def test_a_cell_that_is_not_there_is_not_explained(
    sales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(sales, "--explain", "nord/toys") == 2
    assert "there is no cell 'nord/toys'" in capsys.readouterr().err


def test_columns_may_be_known_ahead_past_or_static(sales: Path, tmp_path: Path) -> None:
    path, size = tmp_path / "more.parquet", pl.col("region").str.len_chars().alias("size")
    spent = (pl.col("value") * 2).alias("spent")
    pl.read_parquet(sales).with_columns(spent, size).write_parquet(path)
    plan = plan_table(path, Asked(freq="1h", value=("value",), past=("spent",), static=("size",)))
    assert (plan.profile.past, plan.profile.static) == (("spent",), ("size",))
    (size_of_all,) = plan.known.of_kind("static").covariates
    assert dict(zip(size_of_all.keys, size_of_all.values, strict=True)) == {
        (region, category): 5.0 for region in ("north", "south") for category in ("books", "toys")
    }
    (spent_then,) = plan.known.of_kind("past").covariates
    assert len(spent_then.values) == 24 * 6 * 4
    assert "past: spent; static: size" in plan.notes[0]


def test_regions_keep_the_holidays_of_their_column(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions = tmp_path / "regions.csv"
    regions.write_text("region,lat,lng,holidays\nnorth,55,-2,GB-ENG\nsouth,51,0,England\n")
    assert backtest(sales, "--regions", str(regions)) == 2
    assert "holidays = 'England'" in capsys.readouterr().err
    regions.write_text("region,lat,lng,holidays\nnorth,55,-2,GB-ENG\nsouth,51,0,\n")
    plan = plan_table(sales, Asked(freq="1h", regions=regions))
    assert plan.profile.region_holidays == (("north", "GB-ENG"),)
