"""What one check found: fine, worth a look, or to be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tidecast.state.errors import TidecastError

__all__ = ["Finding", "Level", "fail", "guarded", "merged", "ok", "warn"]

Level = Literal["ok", "warn", "fail"]
_WORSE: tuple[Level, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and the command or setting that mends it."""

    level: Level
    subject: str
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding("ok", subject, found)


def warn(subject: str, found: str, remedy: str) -> Finding:
    """Return a finding that works but will not always."""
    return Finding("warn", subject, found, remedy)


def fail(subject: str, found: str, remedy: str = "") -> Finding:
    """Return a finding that a live run would stop at."""
    return Finding("fail", subject, found, remedy)


def merged(subject: str, findings: Sequence[Finding], otherwise: str) -> Finding:
    """Return all ``findings`` about one thing as one line, as bad as the worst of them."""
    if not findings:
        return ok(subject, otherwise)
    worst = max((finding.level for finding in findings), key=_WORSE.index)
    remedies = dict.fromkeys(finding.remedy for finding in findings if finding.remedy)
    return Finding(
        worst, subject, "; ".join(finding.found for finding in findings), "; ".join(remedies)
    )


def guarded(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what ``check`` finds; an error of ours ends it as a finding, not the whole visit."""
    try:
        yield from check()
    except TidecastError as error:
        found, _, remedy = str(error).rpartition(": ")
        yield fail(subject, found, remedy) if found else fail(subject, remedy)
