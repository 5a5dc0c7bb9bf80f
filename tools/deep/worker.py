"""``tidecast deep worker``."""

from __future__ import annotations

import asyncio
import signal

import click

from tidecast.state.settings import Settings
from tidecast.streams.deep_worker import DeepLoop
from tidecast.streams.probes import serve_probes
from tidecast.streams.topics import partition_counts, topic_names
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["worker"]


@click.command("worker")
@pass_settings_file
def worker(settings_file: SettingsFile) -> None:
    """Answer the closed bins of a live shop with a trained network, until stopped.

    It reads the windows topic and writes the topic of deep forecasts; the model is the last whole
    one, by name, of the folder `deep.models` of the settings, and is replaced by a newer one as
    soon as that is there. The forecaster asks it where `deep` is among `forecast.experts`.
    """
    settings = settings_file.load()
    names = topic_names(settings.kafka.topic_prefix)
    partition_counts(settings.kafka, [names.windows, names.deep_forecasts])
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    loop = DeepLoop(settings)
    serve_probes(settings.metrics, loop.health)
    running = asyncio.ensure_future(loop.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await asyncio.wait({running})
    if not running.cancelled():
        running.result()
