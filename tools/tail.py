"""``tidecast tail``: print predictions as a downstream consumer would receive them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import click

from tidecast.state.errors import ContractError
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.subscriber import PredictionSubscriber, Received
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["Wanted", "line", "tail"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """Which forecasts to print; None takes all."""

    series: str | None = None
    region: str | None = None
    category: str | None = None

    def takes(self, record: PredictionRecord) -> bool:
        """Tell whether ``record`` is one of them."""
        return (
            self.series in (None, record.series)
            and self.region in (None, record.region)
            and self.category in (None, record.category)
        )


def line(record: PredictionRecord) -> str:
    """Return one line: the cell, and the next lead's mean with its outermost quantiles."""
    outer = ""
    if len(record.quantile_levels) > 1:
        low, high = record.quantile_levels[0], record.quantile_levels[-1]
        quantiles = record.quantiles[0]
        outer = f" [{quantiles[0]:.2f}, {quantiles[-1]:.2f}] at {low:g}-{high:g}"
    far = f", in {len(record.mean)}: {record.mean[-1]:.2f}" if len(record.mean) > 1 else ""
    cell = f"{record.series} {record.region}/{record.category}"
    return f"{record.origin:%Y-%m-%d %H:%M:%S} {cell}: next {record.mean[0]:.2f}{outer}{far}"


def select(
    received: Iterable[Received], wanted: Wanted
) -> Iterator[tuple[Received, PredictionRecord]]:
    """Yield what is wanted; a record that breaks its contract is logged and passed over."""
    for item in received:
        try:
            record = item.parse()
        except ContractError as error:
            logger.warning("%s", error)
            continue
        if wanted.takes(record):
            yield item, record


@click.command()
@click.option("--series", help="Only this series.")
@click.option("--region", help="Only this region.")
@click.option("--category", help="Only this category.")
@click.option("--from-beginning", is_flag=True, help="Start with what the topic already holds.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many forecasts.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as they are on the wire.")
@pass_settings_file
def tail(
    settings_file: SettingsFile,
    series: str | None,
    region: str | None,
    category: str | None,
    from_beginning: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Print predictions as they are published, one a line, until Ctrl-C.

    A line shows the origin (the end of the last bin known), the cell, the mean of the next bin
    with its outermost quantiles, and the mean of the last bin of the horizon.
    """
    wanted = Wanted(series, region, category)
    with PredictionSubscriber(settings_file.load().kafka, from_beginning) as subscriber:
        for item, record in islice(select(subscriber, wanted), limit):
            click.echo(item.value if as_json else line(record))
