"""``tidecast topics``: make the topics that tidecast reads and writes, and look at them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tidecast.streams.topics import TopicReport, create_topics, describe_topics, plan_topics
from tidecast.streams.trim import STORED, delete_spare, find_spare
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


@topics.command()
@click.option(
    "--stored",
    type=click.Choice(STORED),
    multiple=True,
    help="Also delete what the sink has stored of this topic; may be given again.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@pass_settings_file
def trim(settings_file: SettingsFile, stored: tuple[str, ...], dry_run: bool) -> None:
    """Delete the records that nothing of tidecast needs any more, and say why.

    That is of the cuts what lies before the forecaster's second-last checkpoint. What the sink
    has stored is only deleted where --stored names its topic: services of yours, and
    `tidecast verify`, may read it. Source topics are never touched.
    """
    settings = settings_file.load()
    spare = find_spare(settings, stored)
    if not dry_run:
        delete_spare(settings, spare)
    width = max(len(part.topic) for part in spare)
    for part in spare:
        done = "would go" if dry_run else "deleted"
        click.echo(
            f"{part.topic:{width}}  partition {part.partition}  {part.count:>9,} {done}  "
            f"{part.reason}"
        )


def _show(reports: Sequence[TopicReport]) -> None:
    width = max(len(report.name) for report in reports)
    for report in reports:
        state = "created" if report.created else "exists" if report.partitions else "missing"
        click.echo(f"{report.name:{width}}  {report.partitions:>4} partitions  {state}")
        for remark in report.remarks if report.partitions else ():
            click.echo(f"{'':{width}}  ! {remark}")
