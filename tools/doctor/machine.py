"""What this machine must have: settings, their files, and room for temporary ones."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

from tidecast.state.errors import CheckpointError, SettingsError
from tidecast.state.regions import read_positions
from tidecast.state.settings import Settings
from tidecast.tools.doctor.findings import Finding, fail, ok, warn

__all__ = ["examine_deep", "examine_files", "examine_room", "room"]

LITTLE_BYTES = 1 << 30
NONE_BYTES = 100 << 20


def examine_files(settings: Settings) -> Iterator[Finding]:
    """Read the files that the settings name.

    Raises
    ------
    SettingsError
        When the table of regions cannot be read.
    """
    if settings.regions.table is not None:
        count = len(read_positions(settings.regions.table))
        yield ok("regions.table", f"{count:,} regions in {settings.regions.table}")


def examine_deep(settings: Settings) -> Iterator[Finding]:
    """Look for what deep networks need, and say what they would run on."""
    is_asked = "deep" in settings.forecast.experts
    if find_spec("torch") is None or find_spec("safetensors") is None:
        if is_asked:
            remedy = 'pip install "tidecast[deep]" where `tidecast deep worker` shall run'
            yield warn("deep", "torch or safetensors is not installed here", remedy)
        return
    from tidecast.models.deep.device import describe_device
    from tidecast.models.deep.folder import list_models
    from tidecast.streams.deep_models import who_answers

    found = describe_device()
    if is_asked:
        try:
            found += f", where {who_answers(settings).name} answers"
        except (CheckpointError, SettingsError) as error:
            yield warn("deep", f"{found}, but {error}", "`tidecast deep train ... --out`")
            return
    n_models = len(list_models(settings.deep.models))
    yield ok("deep", f"{found}; {n_models} models in {settings.deep.models}")


def examine_room() -> Iterator[Finding]:
    """Look at the disk that temporary files lie on."""
    folder = tempfile.gettempdir()
    found = shutil.disk_usage(folder)
    yield room(f"disk of {folder}", found.free, found.total, "free some, or set TMPDIR")


def room(subject: str, free: int, total: int, remedy: str) -> Finding:
    """Judge the bytes that are left on a disk."""
    found = f"{free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB free"
    if free < NONE_BYTES:
        return fail(subject, found, remedy)
    return warn(subject, found, remedy) if free < LITTLE_BYTES else ok(subject, found)
