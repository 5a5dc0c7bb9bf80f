"""Files that a command is asked to write."""

from __future__ import annotations

import os
from pathlib import Path

import click

__all__ = ["OutputFile"]


class OutputFile(click.Path):
    """The path of a file that can be written: what cannot is refused before hours of work."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Return the path.

        Raises
        ------
        click.BadParameter
            When it is a folder, is not ours to write, or lies in a folder that is not there or
            takes no files.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not os.access(path.parent, os.W_OK):
            self.fail(f"{path.parent} is no folder in which a file can be written", param, ctx)
        try:
            _try(path)
        except OSError as error:
            self.fail(f"{path} cannot be written: {error.strerror}", param, ctx)
        return path


def _try(path: Path) -> None:
    """Open a file to write, and leave all as it was: rights alone do not tell, as of /proc."""
    is_new = not path.exists()
    if is_new or path.is_file():
        path.open("ab").close()
    if is_new:
        path.unlink()
