"""``tidecast deep list``, ``promote`` and ``rollback``: who of a folder of models answers."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from tidecast.models.deep.folder import load_model
from tidecast.models.deep.registry import Registry
from tidecast.models.deep.standing import Standing
from tidecast.state.errors import CheckpointError
from tidecast.tools.console import open_console

__all__ = ["list_", "promote", "rollback"]

ROOT = click.Path(path_type=Path, exists=True, file_okay=False)
COLUMNS = ("model", "role", "backbone", "cells", "until", "steps", "mae", "pinball")


@click.command("list")
@click.argument("root", metavar="FOLDER", type=ROOT)
def list_(root: Path) -> None:
    """List the models of FOLDER, and which of them answers."""
    registry = Registry(root)
    standing = registry.standing()
    if not registry.names():
        example = f"tidecast deep train TABLE --freq 1h --out {root / 'first'}"
        click.echo(f"no whole model in {root}; this makes one: {example}")
        return
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for name in registry.names():
        table.add_row(name, standing.role(name), *_described(registry.folder(name)))
    open_console().print(table)


@click.command("promote")
@click.argument("root", metavar="FOLDER", type=ROOT)
@click.argument("name", metavar="MODEL")
def promote(root: Path, name: str) -> None:
    """Let MODEL of FOLDER be the one that answers."""
    click.echo(_said(Registry(root).promote(name)))


@click.command("rollback")
@click.argument("root", metavar="FOLDER", type=ROOT)
def rollback(root: Path) -> None:
    """Let the model that answered before do so again; the one that does now is rejected."""
    click.echo(_said(Registry(root).roll_back()))


def _said(standing: Standing) -> str:
    before = f"; before it {standing.before[-1]}" if standing.before else ""
    return f"champion {standing.champion}{before}"


def _described(folder: Path) -> tuple[str, ...]:
    """Return what there is to say of a model, after name and role."""
    try:
        model, metrics = load_model(folder)
    except CheckpointError as error:
        return (f"broken: {error}",)
    figures = (f"{metrics[name]:.4g}" if name in metrics else "" for name in ("mae", "pinball"))
    config, about = model.network.config, model.about
    return (config.backbone, f"{len(model.cells):,}", about.last, f"{about.steps:,}", *figures)
