"""Other people's programs, run with a bound and read kindly."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidecast.state.errors import ServiceError

__all__ = ["last_lines", "program", "run"]


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
        When it fails or takes longer than `timeout_s`; the message ends in its last lines.
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
        raise ServiceError(f"{_shown(argv)} failed: {last_lines(done.stdout)}")
    return done.stdout


def last_lines(text: str, count: int = 4) -> str:
    """Return the last lines that say something, joined to one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it said nothing"


def _shown(argv: Sequence[str]) -> str:
    return " ".join([Path(argv[0]).name, *argv[1:3]])
