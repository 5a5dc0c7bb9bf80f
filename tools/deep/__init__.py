"""Deep networks, each step a command of ``tidecast deep``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import click

__all__ = ["deep"]

SUMMARIES = {
    "train": "Train a network on the past of a table.",
    "evaluate": "Tell what the forecasts of a trained network are worth.",
    "pems08": "Repeat the published task of PEMS08.",
    "worker": "Answer the closed bins of a live shop.",
}


class _Deep(click.Group):
    """Imports a command when it is run: torch is an extra, and takes seconds to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        if find_spec("torch") is None or find_spec("safetensors") is None:
            raise click.ClickException(
                f"tidecast deep {cmd_name} needs torch and safetensors, which are not installed: "
                'pip install "tidecast[deep]"'
            )
        command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.group(cls=_Deep)
def deep() -> None:
    """Train deep networks on all cells, and judge them."""
