"""Deep networks, each step a command of ``tidecast deep``."""

from __future__ import annotations

from importlib.util import find_spec

import click

from tidecast.tools.lazy import Entry, LazyGroup

__all__ = ["deep", "require_extra"]

SUMMARIES = {
    "train": "Train a network on the past of a table.",
    "pretrain": "Train a network on a table, to be fine-tuned on others.",
    "finetune": "Go on training a network, on the same cells or others.",
    "evaluate": "Tell what the forecasts of a trained network are worth.",
    "simulate": "Draw futures of all cells that go together.",
    "anomalies": "Tell which bins are odd beside what a network draws.",
    "pems08": "Repeat the published task of PEMS08.",
    "export": "Write a trained network as ONNX, of 8 bits if wanted.",
    "list": "List the models of a folder, and which of them answers.",
    "promote": "Let a model be the one that answers.",
    "rollback": "Let the model that answered before do so again.",
    "judge": "Judge models by the bins of a live shop.",
    "retrain": "Go on training on the last bins of a live shop.",
    "worker": "Answer the closed bins of a live shop.",
}
ELSEWHERE = {
    "list": ("registry", "list_"),
    "promote": ("registry", "promote"),
    "rollback": ("registry", "rollback"),
}
"""Commands that are not the function of their name in the module of their name."""

NEEDS = {
    "deep": ("torch", "safetensors"),
    "onnx": ("torch", "safetensors", "onnx", "onnxruntime", "onnxscript"),
}
"""Packages of the extras."""


def require_extra(extra: str, command: str) -> None:
    """Look for the packages of an ``extra``, which a command of tidecast needs.

    Raises
    ------
    click.ClickException
        When one is not installed.
    """
    if any(find_spec(package) is None for package in NEEDS[extra]):
        needed = f"{', '.join(NEEDS[extra][:-1])} and {NEEDS[extra][-1]}"
        raise click.ClickException(
            f"tidecast {command} needs {needed}, which are not installed: "
            f'pip install "tidecast[{extra}]"'
        )


def _entry(name: str, summary: str) -> Entry:
    module, function = ELSEWHERE.get(name, (name, name))
    return Entry(f"{__name__}.{module}", function, summary)


class _Deep(LazyGroup):
    """Looks for the extra before it imports a command: torch takes seconds to load, too."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in SUMMARIES:
            require_extra("onnx" if cmd_name == "export" else "deep", f"deep {cmd_name}")
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Deep, entries={name: _entry(name, line) for name, line in SUMMARIES.items()})
def deep() -> None:
    """Train deep networks on all cells, and judge them."""
