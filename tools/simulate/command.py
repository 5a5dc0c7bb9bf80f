"""The command ``tidecast simulate``."""

from __future__ import annotations

from pathlib import Path

import click

from tidecast.tools.simulate.write import SimulatedShop, simulate

__all__ = ["command"]


@click.command("simulate")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--days", default=28, show_default=True, help="Local days, from a Monday.")
@click.option("--events", default=300_000, show_default=True, help="About how many records.")
def command(folder: Path, seed: int, days: int, events: int) -> None:
    """Write the event logs of a simulated shop into FOLDER, with the truth beside them."""
    click.echo(_summary(simulate(folder, seed, days, events)))


def _summary(shop: SimulatedShop) -> str:
    lines = [f"{'log':<16}{'lines':>10}{'accepted':>10}{'late':>8}{'refused':>9}{'repeated':>10}"]
    for source, counts in shop.counts.items():
        lines.append(
            f"{shop.logs[source].name:<16}{counts.lines:>10,}{counts.accepted:>10,}"
            f"{counts.late:>8,}{counts.refused:>9,}{counts.duplicates:>10,}"
        )
    lines.append(f"The truth is in {shop.truth}; the settings that read the logs: {shop.settings}")
    return "\n".join(lines)
