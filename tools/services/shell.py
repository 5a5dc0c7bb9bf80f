"""Other people's programs, run with a bound and read kindly."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidecast.state.errors import ServiceError

__all__ = ["gist", "program", "run"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"error|exception|cannot|failed|^E:", re.IGNORECASE)


def program(name: str, remedy: str) -> str:
    """Return the full path of a program.

    Raises
    ------
    ServiceError
        When it is not on the PATH; `remedy` says how to get it.
    """
    found = shutil.which(name)
    if found is None:
        raise ServiceError(f"{name} is not on the PATH; {remedy}")
    return found


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it said, errors included.

    Raises
    ------
    ServiceError
        When it fails or takes longer than `timeout_s`; the message ends in what it complained of.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise ServiceError(f"{_shown(argv)} did not end within {timeout_s:g} s") from problem
    except OSError as problem:
        raise ServiceError(f"{_shown(argv)} cannot be run: {problem.strerror}") from problem
    if done.returncode != 0:
        raise ServiceError(f"{_shown(argv)} failed: {gist(done.stdout)}")
    return done.stdout


def gist(text: str) -> str:
    """Return the first line that speaks of an error, else the last ones that say something."""
    lines = [_COLOUR.sub("", line).strip() for line in text.splitlines()]
    spoken = [line for line in lines if line]
    errors = [line for line in spoken if _ERROR.search(line)]
    return errors[0] if errors else " | ".join(spoken[-3:]) or "it said nothing"


def _shown(argv: Sequence[str]) -> str:
    return " ".join([Path(argv[0]).name, *argv[1:3]])
