"""What every command is given: the settings file that ``--settings`` names, and its own words."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tidecast.state.settings import Settings

__all__ = ["SettingsFile", "command_line", "keep_command_line", "pass_settings_file"]

WORDS = "tidecast.words"


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


def keep_command_line(context: click.Context, words: Sequence[str]) -> None:
    """Keep the words after ``tidecast`` for the commands that tell how they were called."""
    context.meta[WORDS] = tuple(words)


def command_line() -> str:
    """Return the command line that is being run, quoted as a shell needs it."""
    return shlex.join(["tidecast", *click.get_current_context().meta[WORDS]])
