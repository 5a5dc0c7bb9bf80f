"""``tidecast migrate``: carry what was learnt over to other settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click

from tidecast.state.changes import Change
from tidecast.state.settings import load_settings
from tidecast.streams.migrator import Migrator, Move
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["migrate"]


@click.command()
@click.option(
    "--from",
    "old_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The settings that the checkpoints were made under.",
)
@click.option(
    "--anew",
    multiple=True,
    metavar="SOURCE",
    help="Its topic was deleted and made again, or lost records: go on with what it holds now.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@pass_settings_file
def migrate(
    settings_file: SettingsFile, old_path: Path | None, anew: Sequence[str], dry_run: bool
) -> None:
    """Carry checkpoints over to the settings of now: series, sources, levels or `deep` come and go.

    Stop the workers of ingest and forecast first. What cannot be carried over is refused by name,
    with the reason.
    """
    if old_path is None and not anew:
        raise click.UsageError("say which settings it was: --from OLD.toml; or --anew SOURCE")
    new = settings_file.load()
    old = new if old_path is None else load_settings(old_path, os.environ)
    change = Change.between(old, new)
    for line in change.says():
        click.echo(line)
    if old.fingerprint() == new.fingerprint() and not anew:
        click.echo("these settings mean the same: there is nothing to migrate")
        return
    moves = asyncio.run(_migrate(Migrator(change, anew), dry_run))
    for move in moves:
        _show(move)
    if not moves:
        click.echo("everything was migrated already")
    elif dry_run:
        click.echo("nothing was written: run it without --dry-run")


async def _migrate(migrator: Migrator, dry_run: bool) -> Sequence[Move]:
    moves = await migrator.plan()
    if moves and not dry_run:
        await migrator.write(moves)
    return moves


def _show(move: Move) -> None:
    owner, size = move.owners[0], len(move.checkpoint.data)
    click.echo(f"{owner.name}: state at offset {move.checkpoint.position}, {size:,} bytes")
