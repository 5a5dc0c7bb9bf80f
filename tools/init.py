"""``tidecast init``: write a commented example of the settings."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from tidecast.state.errors import SettingsError

__all__ = ["example", "init"]


def example() -> str:
    """Return the commented example: every key, with what it means."""
    return files("tidecast.tools").joinpath("example.toml").read_text(encoding="utf-8")


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="tidecast.toml")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
def init(path: Path, force: bool) -> None:
    """Write a commented example of the settings to PATH [default: tidecast.toml]."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(example())
    except FileExistsError as error:
        raise SettingsError(f"{path} exists: give another path, or use --force") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}: edit it, then `tidecast topics create`")
