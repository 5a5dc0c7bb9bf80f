"""``tidecast topics``: make the topics that tidecast reads and writes, and look at them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tidecast.streams.topics import TopicReport, create_topics, describe_topics, plan_topics
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["topics"]

partitions_option = click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    default=4,
    show_default=True,
    help="Of each source topic and of the predictions: as many workers can share the work.",
)


@click.group()
def topics() -> None:
    """Create and list the Kafka topics."""


@topics.command()
@partitions_option
@pass_settings_file
def create(settings_file: SettingsFile, partitions: int) -> None:
    """Make the topics that do not exist; leave the others as they are and say what differs.

    All keep records for ever, because event times may lie years back and the broker's default
    would delete them at once; set retention.bytes or retention.ms yourself where disks are
    small and events are never older than that.
    """
    settings = settings_file.load()
    _show(create_topics(settings.kafka, plan_topics(settings, partitions)))


@topics.command("list")
@partitions_option
@pass_settings_file
def list_(settings_file: SettingsFile, partitions: int) -> None:
    """Show each topic, its partitions, and where it is not as tidecast needs it."""
    settings = settings_file.load()
    _show(describe_topics(settings.kafka, plan_topics(settings, partitions)))


def _show(reports: Sequence[TopicReport]) -> None:
    width = max(len(report.name) for report in reports)
    for report in reports:
        state = "created" if report.created else "exists" if report.partitions else "missing"
        click.echo(f"{report.name:{width}}  {report.partitions:>4} partitions  {state}")
        for remark in report.remarks if report.partitions else ():
            click.echo(f"{'':{width}}  ! {remark}")
