"""`tidecast services up|status|down`."""

from __future__ import annotations

import shlex
from typing import cast

import click
from rich.console import Console

from tidecast.tools.services.endpoints import PARTS, Part
from tidecast.tools.services.ledger import default_folder
from tidecast.tools.services.lifecycle import down, status, up

__all__ = ["services"]


@click.group()
def services() -> None:
    """Run a real Kafka and a real ClickHouse for development and tests."""


@services.command("up")
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
def up_command(parts: tuple[str, ...]) -> None:
    """Start PARTS (kafka, clickhouse; both if none is named) and print their endpoints.

    Use it as: eval "$(tidecast services up)"
    """
    console = Console(stderr=True)
    with console.status("looking for services") as progress:

        def report(message: str) -> None:
            progress.update(message)
            console.print(message, highlight=False, markup=False)

        endpoints = up(cast(tuple[Part, ...], parts) or PARTS, report=report)
    for name, value in endpoints.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@services.command("status")
def status_command() -> None:
    """Say what runs and whether it answers; exit with 1 if something does not."""
    found = status()
    if not found:
        click.echo("no services; start them with: tidecast services up")
    for part in found:
        answer = "answers" if part.problem is None else f"does not answer: {part.problem}"
        click.echo(f"{part.part} at {part.endpoint} ({part.way}) {answer}")
    if not found or any(part.problem is not None for part in found):
        raise SystemExit(1)


@services.command("down")
def down_command() -> None:
    """Stop what `up` started from this folder and remove its data."""
    console = Console(stderr=True)
    stopped = down(report=lambda message: console.print(message, highlight=False, markup=False))
    click.echo(
        f"stopped {', '.join(stopped)}" if stopped else f"nothing of {default_folder()} runs"
    )
