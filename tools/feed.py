"""``tidecast feed``: play recorded logs into Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import click

from tidecast.state.settings import Settings
from tidecast.streams.feed import TICK_SECONDS, Sender, paced, send_ends
from tidecast.streams.feed import feed as send_all
from tidecast.streams.logs import Dealer, Piece, TimedLog, merge, parse_log_specs
from tidecast.streams.topics import partition_counts
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.progress import log_progress

__all__ = ["Speed", "feed"]

MAX_SPEED_TICK = 60_000_000  # logs stay within a minute of event time of each other


class Speed(click.ParamType):
    """A positive number, or "max" (None)."""

    name = "N|max"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """Return the number; refuse what is not one."""
        if value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither a positive number nor max", param, ctx)
        return speed


@click.command()
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
@click.option(
    "--speed",
    type=Speed(),
    default="max",
    show_default=True,
    help="Seconds of event time a second; 1 is as it happened, max as fast as the broker takes.",
)
@click.option("--key", metavar="FIELD", help="The field that is the key [default: the region].")
@click.option("--partition-field", metavar="FIELD", help="The field that names the partition.")
@click.option("--end", is_flag=True, help="Close every partition with an end-of-log record.")
@pass_settings_file
def feed(
    settings_file: SettingsFile,
    logs: Sequence[str],
    speed: float | None,
    key: str | None,
    partition_field: str | None,
    end: bool,
) -> None:
    """Play recorded logs (NDJSON, plain, gzip or zstd; Parquet) into their topics.

    LOG is SOURCE=PATH, or a PATH whose file is named as the source is. Several logs are merged
    by event time. Equal keys meet in one partition; record timestamps are event times.
    """
    settings = settings_file.load()
    timed = [TimedLog(spec) for spec in parse_log_specs(logs, settings)]
    sources = {log.spec.source.name: log.spec.source for log in timed}
    counts = partition_counts(settings.kafka, [source.topic for source in sources.values()])
    dealers = {
        name: Dealer(source, counts[source.topic], key, partition_field)
        for name, source in sources.items()
    }
    _feed(settings, timed, dealers, speed, counts if end else {})


def _feed(
    settings: Settings,
    logs: Sequence[TimedLog],
    dealers: Mapping[str, Dealer],
    speed: float | None,
    ends: Mapping[str, int],
) -> None:
    started = time.monotonic()
    clock = Clock()
    readers = [log.reader for log in logs]
    with log_progress("feed", readers) as advance, Sender(settings.kafka) as sender:
        sent = send_all(clock.watch(_pieces(logs, speed)), sender, dealers, advance)
        send_ends(sender, ends, clock.time)
    seconds = time.monotonic() - started
    total = sum(sent.values())
    click.echo(f"fed {total:,} events in {seconds:.1f} s ({total / seconds:,.0f}/s)", err=True)
    for topic, count in sent.items():
        click.echo(f"  {topic}: {count:,}", err=True)


def _pieces(logs: Sequence[TimedLog], speed: float | None) -> Iterator[Piece]:
    if speed is None:
        return merge(logs, MAX_SPEED_TICK)
    return paced(merge(logs, int(speed * TICK_SECONDS * 1e6)), speed)


class Clock:
    """The latest event time of the pieces that went by, in microseconds."""

    time = 0

    def watch(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Pass the pieces on."""
        for piece in pieces:
            self.time = max(self.time, int(piece.clock[-1]))
            yield piece
