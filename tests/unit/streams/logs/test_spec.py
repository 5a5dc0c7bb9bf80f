"""Which source a log belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.state.errors import LogError
from tidecast.state.settings import Settings, parse_settings
from tidecast.streams.logs import parse_log_specs


def settings(*names: str) -> Settings:
    sources = [{"name": name, "topic": f"shop.{name}", "stream": "click"} for name in names]
    series = [{"name": "traffic", "stream": "click", "aggregate": "count"}]
    return parse_settings({"sources": sources, "series": series})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.ndjson.gz"
    path.touch()
    return path


def test_the_name_of_the_file_tells_the_source(file: Path) -> None:
    (spec,) = parse_log_specs([str(file)], settings("clicks", "views"))
    assert (spec.source.name, spec.path) == ("clicks", file)


@pytest.mark.parametrize("name", ["views", "shop.views"])
def test_a_source_is_named_by_its_name_or_topic(file: Path, name: str) -> None:
    (spec,) = parse_log_specs([f"{name}={file}"], settings("clicks", "views"))
    assert (spec.source.name, spec.path) == ("views", file)


def test_the_only_source_takes_a_log_of_any_name(file: Path) -> None:
    (spec,) = parse_log_specs([str(file)], settings("other"))
    assert spec.source.name == "other"


def test_a_path_may_hold_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "day=1.ndjson"
    path.touch()
    (spec,) = parse_log_specs([str(path)], settings("clicks"))
    assert spec.path == path


def test_a_log_of_an_unknown_source_names_the_known_ones(file: Path) -> None:
    with pytest.raises(LogError, match=r"SOURCE=.*\(sources: orders, views\)"):
        parse_log_specs([str(file)], settings("orders", "views"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no log file .*clicks\.ndjson"):
        parse_log_specs([str(tmp_path / "clicks.ndjson")], settings("clicks"))
    with pytest.raises(LogError, match=r"no log file .*cliks\.ndjson"):
        parse_log_specs([str(tmp_path / "cliks.ndjson")], settings("clicks", "views"))


def test_a_source_has_one_log(file: Path) -> None:
    with pytest.raises(LogError, match="more than one log"):
        parse_log_specs([str(file), f"clicks={file}"], settings("clicks", "views"))
