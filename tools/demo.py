"""``tidecast demo``: a simulated shop, forecast bin by bin, and a page of pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tidecast.state.settings import load_settings
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.streams.store import open_embedded
from tidecast.tools.report import write_report
from tidecast.tools.run import query_of, run_replay
from tidecast.tools.simulate import simulate

__all__ = ["demo"]


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tidecast-demo"),
    show_default=True,
    help="Where logs, store and page go.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Another is another shop."
)
@click.option("--days", default=28, show_default=True, help="Local days, from a Monday.")
def demo(folder: Path, seed: int, days: int) -> None:
    """Simulate an online shop, forecast it bin by bin, and draw what came of it."""
    shop = simulate(folder, seed, days)
    click.echo(f"simulated {days} days of a shop in {folder}")
    settings = load_settings(shop.settings, {})
    specs = [f"{source}={log}" for source, log in shop.logs.items()]
    replayed = Replay(settings, parse_log_specs(specs, settings))
    shutil.rmtree(folder / "store", ignore_errors=True)
    store = open_embedded(folder / "store")
    try:
        store.migrate()
        result = run_replay(settings, replayed, store)
        result.show()
        page = folder / "report.html"
        write_report(store, settings, page, "A simulated shop", dict(result.rows()))
    finally:
        store.close()
    click.echo(f"\npictures: {page}")
    click.echo(f"ask the store: {query_of(folder / 'store')}")
