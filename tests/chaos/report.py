"""The closing tables of a chaos run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from faults import Fault
from outputs import Compared, put_aside
from rich.console import Console
from rich.table import Table

__all__ = ["print_faults", "print_outcome"]


def print_outcome(verified: int, compared: Sequence[Compared], codes: Mapping[str, int]) -> None:
    """Print whether the recount agrees, and how each topic compares with an undisturbed run."""
    table = Table("topic", "told", "sent again", "missing", "extra", "different", box=None)
    for result in compared:
        numbers = (result.told, result.resent, result.missing, result.extra, result.different)
        table.add_row(result.topic, *(f"{number:,}" for number in numbers))
    console = Console()
    console.print("beside an undisturbed run over the recorded log:", table)
    for example in [each for result in compared for each in result.examples]:
        console.print(example, markup=False)
    foreign, aside = put_aside(compared)
    console.print(f"records that no worker wrote: {len(foreign)}, of them put aside: {len(aside)}")
    console.print(f"verify: {'equal' if verified == 0 else f'DIFFERS (exit code {verified})'}")
    console.print(f"exit codes at the end: {dict(codes)}")


def print_faults(faults: Sequence[Fault], recovered: Sequence[tuple[Fault, float]]) -> None:
    """Print how many faults of each kind there were, and how long recovery took."""
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
    Console().print(table)


def _is_alone(fault: Fault, wait: float, faults: Sequence[Fault]) -> bool:
    """Tell whether no other fault fell into the recovery from this one."""
    until = fault.began + wait
    return not any(
        other is not fault and other.began < until and other.over > fault.began for other in faults
    )


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
