"""Of which source a model was made."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["CHECKOUT", "described"]

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the source lies, if it is a checkout."""


def described(checkout: Path = CHECKOUT) -> str | None:
    """Return what ``git describe`` says of a checkout; None of what is none, or without git."""
    if not (checkout / ".git").exists():  # an installed package may lie in somebody's checkout
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--tags", "--dirty"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None
