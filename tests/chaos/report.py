"""The closing table of a chaos run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from faults import Fault
from rich.console import Console
from rich.table import Table

__all__ = ["print_report"]


def print_report(
    faults: Sequence[Fault],
    recovered: Sequence[tuple[Fault, float]],
    verified: int,
    codes: Mapping[str, int],
) -> None:
    """Print the faults by kind with the recovery times, and whether the recount agrees."""
    console = Console()
    console.print(_by_kind(faults, recovered))
    console.print(f"verify: {'equal' if verified == 0 else f'DIFFERS (exit code {verified})'}")
    console.print(f"exit codes at the end: {dict(codes)}")


def _by_kind(faults: Sequence[Fault], recovered: Sequence[tuple[Fault, float]]) -> Table:
    table = Table("fault", "times", "recovery median", "alone: max", "max", box=None)
    counts = Counter(fault.kind for fault in faults)
    for kind, count in sorted(counts.items()):
        waits = [(fault, wait) for fault, wait in recovered if fault.kind == kind]
        alone = [wait for fault, wait in waits if _is_alone(fault, wait, faults)]
        table.add_row(
            kind,
            str(count),
            _seconds(median(wait for _, wait in waits)) if waits else "",
            _seconds(max(alone)) if alone else "",
            _seconds(max(wait for _, wait in waits)) if waits else "",
        )
    table.add_row("all", str(len(faults)))
    return table


def _is_alone(fault: Fault, wait: float, faults: Sequence[Fault]) -> bool:
    """Tell whether no other fault fell into the recovery from this one."""
    until = fault.began + wait
    return not any(
        other is not fault and other.began < until and other.over > fault.began for other in faults
    )


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
