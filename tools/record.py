"""``tidecast record``: keep a live run, so that a replay can repeat it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from tidecast.state.settings import Settings
from tidecast.streams.recording.folder import Recording
from tidecast.streams.recording.recorder import Recorder, manifest_of
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.progress import count_progress

__all__ = ["record"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--until-end", is_flag=True, help="Stop where the topics end now.")
@pass_settings_file
def record(settings_file: SettingsFile, folder: Path, until_end: bool) -> None:
    """Keep a live run in FOLDER, beside the workers, until stopped; `tidecast replay` repeats it.

    The same FOLDER again goes on where it ended.
    """
    settings = settings_file.load()
    recording = Recording.begin(folder, manifest_of(settings))
    reach = asyncio.run(_record(settings, recording, until_end))
    width = max(map(len, reach))
    for place, offsets in sorted(reach.items()):
        note = f"  from offset {offsets.start:,} on: the topic begins there"
        click.echo(f"{place:<{width}} {len(offsets):>14,} records{note if offsets.start else ''}")
    click.echo(f"recorded in {folder}; repeat it: tidecast replay {folder}")


async def _record(settings: Settings, recording: Recording, until_end: bool) -> dict[str, range]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await Recorder(settings, recording, count_progress).run(stop, until_end)
