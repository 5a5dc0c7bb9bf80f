"""Processes that train one network together, each with a share of every batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor

__all__ = ["ALONE", "Processes"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """One of ``size`` processes, that of number ``rank``; all of them ask the same in turn.

    With more than one, torch's default process group must be there.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    def mine(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the share of ``items`` that is this process's work."""
        return items[self.rank :: self.size]

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of ``values`` over all processes, the same to the bit in each."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def any(self, flag: bool, device: torch.device) -> bool:
        """Tell whether ``flag`` is set in one of the processes."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=device)) > 0)


ALONE = Processes()
"""A process that trains by itself."""
