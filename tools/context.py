"""What every command is given: the settings file that ``--settings`` names, read when asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tidecast.state.settings import Settings

__all__ = ["SettingsFile", "pass_settings_file"]


@dataclass(frozen=True)
class SettingsFile:
    """Where the settings stand; commands that need none never read them."""

    path: Path = Path("tidecast.toml")

    def load(self) -> Settings:
        """Read the file and overlay ``TIDECAST_`` variables.

        Raises
        ------
        SettingsError
            When the file is missing or holds unknown or impossible values.
        """
        from tidecast.state.settings import load_settings  # not at start: --help must be fast

        return load_settings(self.path, os.environ)


pass_settings_file = click.make_pass_decorator(SettingsFile, ensure=True)
"""Give a command the ``SettingsFile`` as its first argument."""
