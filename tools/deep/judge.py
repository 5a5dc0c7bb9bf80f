"""``tidecast deep judge``."""

from __future__ import annotations

import asyncio
import os

import click

from tidecast.models.deep.contest import Decision
from tidecast.streams.deep_judge import Judge
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.crew import stop_with

__all__ = ["LOWEST_PRIORITY", "judge"]

LOWEST_PRIORITY = 19


@click.command("judge")
@click.option("--lifeline", type=int, hidden=True)
@pass_settings_file
def judge(settings_file: SettingsFile, lifeline: int | None) -> None:
    """Judge the models of `deep.models` by the bins of a live shop, until none is left to judge.

    Challengers, and the champion before, answer the bins that the champion answers. One that is
    better takes its place, one that is not is rejected; a champion that is worse than the one
    before goes back. Each decision is a line of JSON. A deep worker runs this beside itself.
    """
    if lifeline is not None:
        stop_with(lifeline, "the deep worker")
    os.nice(LOWEST_PRIORITY)
    asyncio.run(Judge(settings_file.load(), say).run())


def say(decision: Decision) -> None:
    """Print a decision."""
    click.echo(decision.model_dump_json())
