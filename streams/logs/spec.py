"""Which log belongs to which source: ``orders=jan.ndjson.gz``, or just ``orders.ndjson.gz``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidecast.state.errors import LogError
from tidecast.state.settings import Settings, SourceSettings

__all__ = ["LogSpec", "parse_log_specs"]


@dataclass(frozen=True)
class LogSpec:
    """A recorded log and the source whose events it holds."""

    source: SourceSettings
    path: Path


def parse_log_specs(texts: Sequence[str], settings: Settings) -> tuple[LogSpec, ...]:
    """Return the logs that ``texts`` name, each as ``source=path`` or ``path``.

    A bare path belongs to the source named as the file is (up to its first dot), by name or by
    topic; to the only source where the settings have but one.

    Raises
    ------
    LogError
        When a file is missing, or its source is unknown or named twice.
    """
    specs = tuple(_parse(text, settings) for text in texts)
    names = [spec.source.name for spec in specs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LogError(
            f"source {twice[0]} has more than one log: join them to one file, in time order"
        )
    return specs


def _parse(text: str, settings: Settings) -> LogSpec:
    sources = {source.topic: source for source in settings.sources}
    sources |= {source.name: source for source in settings.sources}
    name, equals, path = text.partition("=")
    if equals and name in sources:
        return _existing(sources[name], Path(path))
    stem = Path(text).name.partition(".")[0]
    if stem in sources:
        return _existing(sources[stem], Path(text))
    if len(settings.sources) == 1:
        return _existing(settings.sources[0], Path(text))
    _check(Path(text))
    known = ", ".join(source.name for source in settings.sources)
    raise LogError(f"log {text}: say whose events it holds, as SOURCE={text} (sources: {known})")


def _existing(source: SourceSettings, path: Path) -> LogSpec:
    _check(path)
    return LogSpec(source, path)


def _check(path: Path) -> None:
    if not path.is_file():
        raise LogError(f"no log file {path}: check the path")
