"""Gradients of a batch: in parts that fit the memory, over all processes that train together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tidecast.models.deep.device import seeded
from tidecast.models.deep.processes import Processes
from tidecast.models.deep.schedule import part_seed
from tidecast.state.errors import SettingsError

__all__ = ["Gradients", "is_out_of_memory"]

Origins = NDArray[np.int64]
LossOf = Callable[[Origins], tuple[Tensor, Tensor]]
"""The sum of losses of windows, and of how many values they are."""


class Gradients:
    """Finds the gradient of the mean loss of a batch, and leaves it in the weights' ``grad``.

    A batch is divided into ``parts``, each with random numbers of its own, and the processes share
    the parts: so many parts give the same gradient whatever the number of processes. A process
    that is out of memory doubles the parts, in all of them. Gradients are summed once a step, when
    every process has told that its parts fitted.
    """

    def __init__(self, network: nn.Module, processes: Processes, parts: int, seed: int) -> None:
        self.parts = parts
        self._weights = list(network.parameters())
        self._processes = processes
        self._seed = seed

    def find(self, loss_of: LossOf, origins: Origins, step: int) -> float:
        """Return the mean loss of a batch.

        Raises
        ------
        SettingsError
            When not even one window fits into memory.
        """
        while True:
            found = self._of_parts(loss_of, origins, step)
            short = self._processes.any(found is None, self._weights[0].device)
            if found is not None and not short:
                return self._mean(found)
            self._halve(len(origins))

    def _of_parts(self, loss_of: LossOf, origins: Origins, step: int) -> Tensor | None:
        """Add up gradients of this process's parts; return sums, None when memory is too little."""
        for weight in self._weights:
            weight.grad = None
        try:
            return self._summed(loss_of, origins, step)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _summed(self, loss_of: LossOf, origins: Origins, step: int) -> Tensor:
        """Return the sum of losses, and of how many values: (2,)."""
        parts = list(enumerate(np.array_split(origins, self.parts)))
        sums = torch.zeros(2, dtype=torch.float64, device=self._weights[0].device)
        for number, part in self._processes.mine(parts):
            if not len(part):
                continue
            with seeded(part_seed(step, number, self._seed), sums.device):
                loss, count = loss_of(part)
            loss.backward()
            sums += torch.stack([loss.detach().double(), count.double()])
        return sums

    def _mean(self, sums: Tensor) -> float:
        """Divide the gradients of all processes by the values that they are of."""
        if self._processes.size > 1:
            self._add_others()
        loss, count = self._processes.sum(sums).tolist()
        found = [weight.grad for weight in self._weights if weight.grad is not None]
        torch._foreach_div_(found, max(count, 1.0))
        return float(loss / max(count, 1.0))

    def _add_others(self) -> None:
        """Add the gradients of all processes, in one message."""
        every = [torch.zeros_like(w) if w.grad is None else w.grad for w in self._weights]
        joined = self._processes.sum(torch.cat([grad.flatten() for grad in every]))
        sizes = [weight.numel() for weight in self._weights]
        for weight, grad in zip(self._weights, joined.split(sizes), strict=True):
            weight.grad = grad.view_as(weight)

    def _halve(self, n_origins: int) -> None:
        if self.parts >= n_origins:
            raise SettingsError(
                "a window of all cells does not fit into memory: give a smaller width, fewer "
                "cells or a shorter context"
            )
        self.parts *= 2
        for weight in self._weights:
            weight.grad = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` says that memory was too little, on a GPU or on the processor."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "DefaultCPUAllocator" in str(error)
