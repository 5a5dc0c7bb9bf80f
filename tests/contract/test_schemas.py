"""The exported contracts: current, valid, and true of what the judge accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tidecast.state.errors import ContractError
from tidecast.state.settings.events import KINDS, NUMBERS, StreamKind
from tidecast.streams.schemas.events import EVENT_MODELS
from tidecast.streams.schemas.export import CHANNELS, asyncapi, exported_files, json_schemas
from tidecast.tools.schemas import schemas, stale_files

DOCS = Path(__file__).parents[2] / "docs"


def test_the_exported_files_are_current() -> None:
    assert stale_files(DOCS, exported_files()) == [], "run `tidecast schemas`"


def test_a_changed_a_missing_and_a_leftover_file_are_stale(tmp_path: Path) -> None:
    run = CliRunner().invoke(schemas, ["--output", str(tmp_path)])
    assert run.exit_code == 0
    assert stale_files(tmp_path, exported_files()) == []
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "schemas" / "ClickEvent.json").unlink()
    (tmp_path / "schemas" / "OldEvent.json").write_text("{}")
    assert stale_files(tmp_path, exported_files()) == [
        "asyncapi.json",
        "schemas/ClickEvent.json",
        "schemas/OldEvent.json",
    ]
    check = CliRunner().invoke(schemas, ["--output", str(tmp_path), "--check"])
    assert isinstance(check.exception, ContractError)
    assert "OldEvent.json" in str(check.exception)


@pytest.mark.parametrize("stream", StreamKind)
def test_the_schema_of_a_stream_lists_its_kinds_and_numbers(stream: StreamKind) -> None:
    properties = EVENT_MODELS[stream].model_json_schema()["properties"]
    assert tuple(properties["kind"]["enum"]) == KINDS[stream]
    assert set(NUMBERS[stream]) < properties.keys()


def test_every_record_that_tidecast_writes_has_a_schema_version() -> None:
    for channel in CHANNELS:
        for model in channel.models:
            assert ("schema_version" in model.model_fields) == channel.send, model


def references(value: Any) -> list[str]:
    """Return all "$ref" below a value."""
    if isinstance(value, list):
        return [ref for item in value for ref in references(item)]
    if not isinstance(value, dict):
        return []
    found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return found + [ref for item in value.values() for ref in references(item)]


@pytest.mark.parametrize("document", [asyncapi(), *json_schemas().values()])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in references(document):
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
        assert isinstance(at, dict)


def test_the_export_is_plain_json_without_numbers_that_are_none() -> None:
    for text in exported_files().values():
        json.loads(text, parse_constant=pytest.fail)
