"""`tidecast deep retrain` in a folder whose models are in ``models``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tidecast.tools.main import cli

SHOP = """
[bins]
width = "1m"
[[sources]]
name = "orders"
topic = "orders"
stream = "order"
[forecast]
horizon = 3
"""
SERIES = """
[[series]]
name = "{name}"
stream = "order"
aggregate = "sum"
of = "{of}"
"""
FIELDS = {"value": "amount", "turnover": "amount", "demand": "units"}


def retrain_in(folder: Path, *series: str) -> str:
    """Retrain the champion of a shop of these series, in this order; return what is said."""
    settings = folder / "tidecast.toml"
    settings.write_text(SHOP + "".join(SERIES.format(name=n, of=FIELDS[n]) for n in series))
    words = ["--settings", str(settings), "deep", "retrain"]
    done = CliRunner().invoke(cli, words, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output
