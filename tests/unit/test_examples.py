"""The settings of docs/examples are settings, and name regions that their tables know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.state.regions import read_positions
from tidecast.state.settings import load_settings

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_can_be_read(path: Path) -> None:
    settings = load_settings(path, {})
    if settings.regions.table is not None:
        assert read_positions(settings.regions.table)


def test_every_example_is_described() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix != ".md"]
    assert len(files) > 5
    assert [name for name in files if f"]({name})" not in page] == []
