"""Downloads that are kept: each made whole in a draft folder, then moved into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tidecast.tools.services.ledger import locked

__all__ = ["cache_folder", "kept"]


def cache_folder() -> Path:
    """Return tidecast's folder below `XDG_CACHE_HOME`, or below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).resolve() / "tidecast"


def kept(name: str, make: Callable[[Path], None], is_good: Callable[[Path], bool]) -> Path:
    """Return the cached folder `name`; have `make` fill it when it is absent or no longer good.

    Two processes that want the same folder wait for each other.
    """
    folder = cache_folder() / name
    with locked(cache_folder()):
        if folder.is_dir() and is_good(folder):
            return folder
        draft = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=cache_folder()))
        try:
            make(draft)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder
