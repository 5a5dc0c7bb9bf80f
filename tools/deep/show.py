"""How good a network is, as a table."""

from __future__ import annotations

from rich.table import Table

from tidecast.models.deep.accuracy import FIGURES, Accuracy

__all__ = ["accuracy_table", "one_line"]


def accuracy_table(found: Accuracy) -> Table:
    """Return the figures of every lead, and their mean."""
    table = Table(box=None, pad_edge=False)
    table.add_column("lead", no_wrap=True)
    for name in FIGURES:
        table.add_column(name.replace("_", " "), justify="right")
    for lead in range(len(found.n)):
        table.add_row(str(lead + 1), *(_figure(n, getattr(found, n)[lead]) for n in FIGURES))
    mean = found.overall()
    table.add_row("mean", *(_figure(name, mean[name]) for name in FIGURES))
    return table


def one_line(found: Accuracy) -> str:
    """Return the mean figures over leads in one line."""
    mean = found.overall()
    return f"MAE {mean['mae']:.3f}  RMSE {mean['rmse']:.3f}  MAPE {mean['mape']:.2%}"


def _figure(name: str, value: float) -> str:
    return f"{value:.2%}" if name == "mape" else f"{value:.4g}"
