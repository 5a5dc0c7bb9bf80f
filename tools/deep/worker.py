"""``tidecast deep worker``."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress

import click

from tidecast.state.settings import Settings
from tidecast.streams.deep_aside import DeepAside
from tidecast.streams.deep_worker import DeepLoop
from tidecast.streams.probes import serve_probes
from tidecast.streams.topics import partition_counts, topic_names
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["worker"]


@click.command("worker")
@pass_settings_file
def worker(settings_file: SettingsFile) -> None:
    """Answer the closed bins of a live shop with a trained network, until stopped.

    It reads the windows topic and writes the topic of deep forecasts. The model is the champion of
    the folder `deep.models` of the settings, or the last whole one by name where none was promoted;
    another takes over as soon as it is there. Beside it `tidecast deep judge` runs while there is
    a champion with others to be judged, and `tidecast deep retrain` as often as `deep.retrain`
    says. Forecasts hear of it where `deep` is among `forecast.experts`.
    """
    settings = settings_file.load()
    names = topic_names(settings.kafka.topic_prefix)
    partition_counts(settings.kafka, [names.windows, names.deep_forecasts])
    program = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(settings_file.path)]
    asyncio.run(_run(settings, DeepAside(settings.deep, program)))


async def _run(settings: Settings, aside: DeepAside) -> None:
    loop = DeepLoop(settings)
    serve_probes(settings.metrics, loop.health)
    running = asyncio.gather(loop.run(), aside.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
