"""The example of the settings that `tidecast init` writes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tidecast.state.settings import Settings, load_settings, parse_settings
from tidecast.tools.init import example
from tidecast.tools.main import run


def uncommented() -> str:
    """Return the example with every optional line switched on."""
    return re.sub(r"(?m)^#(?=[\w\[])", "", example())


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the settings models inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models(argument)


def missing(model: type[BaseModel], tables: list[dict[str, Any]], path: str) -> Iterator[str]:
    """Yield the keys of ``model`` that none of ``tables`` has."""
    for name, field in model.model_fields.items():
        found = [table[name] for table in tables if name in table]
        if not found:
            yield f"{path}{name}"
        for inner in models(field.annotation):
            nested = [one for each in found for one in (each if isinstance(each, list) else [each])]
            yield from missing(inner, nested, f"{path}{name}.")


def test_the_example_is_valid_as_it_stands() -> None:
    parse_settings(tomllib.loads(example()))


def test_the_example_is_valid_with_every_line_switched_on() -> None:
    parse_settings(tomllib.loads(uncommented()))


def test_every_key_of_the_settings_appears_in_the_example() -> None:
    assert list(missing(Settings, [tomllib.loads(uncommented())], "")) == []


def test_what_the_example_shows_as_defaults_are_the_defaults() -> None:
    shown = tomllib.loads(example())
    given = parse_settings(shown)
    bare = parse_settings({"sources": shown["sources"], "series": shown["series"]})
    assert given == bare


def test_the_experts_that_the_example_shows_are_those_of_a_shop_that_names_none() -> None:
    shown = tomllib.loads(uncommented())["forecast"]["experts"]
    assert tuple(shown) == parse_settings(tomllib.loads(example())).forecast.experts


def test_init_writes_the_example_where_told(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    assert run(["init", str(path)]) == 0
    assert path.read_text() == example()
    load_settings(path, {})


def test_init_replaces_a_file_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("mine")
    assert run(["init", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run(["init", "--force", str(path)]) == 0
    assert path.read_text() == example()


def test_init_into_a_missing_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "absent" / "shop.toml")]) == 2
    assert "cannot be written" in capsys.readouterr().err
