"""The wheel holds every package, and docstring examples run."""

from __future__ import annotations

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("deploy", "models", "state", "streams", "tools")
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def dotted(path: Path) -> str:
    return ".".join(("tidecast", *path.relative_to(ROOT).parts))


def modules() -> list[str]:
    """Return every module of the product; those of the benchmark's peers need their packages."""
    found = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")]
    names = [dotted(p.parent if p.stem == "__init__" else p.with_suffix("")) for p in found]
    return sorted(name for name in names if ".contenders." not in name)


def test_the_listed_packages_are_the_folders_that_hold_modules() -> None:
    folders = {dotted(p.parent) for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")}
    assert sorted(SETUPTOOLS["packages"]) == sorted(folders)


def test_every_listed_package_is_mapped_to_its_folder() -> None:
    mapped = {package: dotted(ROOT / path) for package, path in SETUPTOOLS["package-dir"].items()}
    assert mapped == {package: package for package in SETUPTOOLS["packages"]}


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f != "deploy"])
def test_every_folder_says_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").is_file()


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_run(name: str) -> None:
    if ".deep." in f"{name}.":
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
