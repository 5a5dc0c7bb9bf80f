"""Windows of a history: views of one array, of which only batches are copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.history import History
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.state.errors import SettingsError

__all__ = ["Windows", "split_origins"]

Origins = NDArray[np.int64]


class Windows:
    """The windows of ``history`` that a network is given, by their origins.

    An origin is the number of bins that are known: bins before it are inputs, it and those after
    it are to be forecast. Everything lies on ``device`` once.
    """

    def __init__(
        self,
        history: History,
        cells: Cells,
        config: NetworkConfig,
        device: torch.device | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self._least, self._horizon = config.least_context, config.horizon
        self._context = context = config.context_length
        before = context - self._least
        values = torch.as_tensor(history.values, device=device)  # (bin, cell, series)
        self.n_bins = len(values)
        self.cells = cells.to(device)
        known = torch.isfinite(values)
        self._actual = _views(values, self._horizon)  # (window, cell, series, lead)
        self._seen = _views(torch.where(known, values, 0.0), context, before)
        self._seen_known = _views(known, context, before)  # (window, cell, series, context)
        length = context + self._horizon
        self._calendar = _views(torch.as_tensor(history.calendar, device=device), length, before)
        self._future = _views(torch.as_tensor(history.future, device=device), length, before)
        self._ahead = history.ahead

    def origins(self, first: int = 0, end: int | None = None) -> Origins:
        """Return the origins from ``first`` to ``end`` whose context and targets are all there."""
        last = self.n_bins - self._horizon
        return np.arange(max(first, self._least), min(last, last if end is None else end - 1) + 1)

    def inputs(self, origins: Sequence[int] | Origins) -> Inputs:
        """Return what is known at each of ``origins``.

        Raises
        ------
        SettingsError
            When the context of one of them is not all there.
        """
        start = torch.as_tensor(origins, device=self._seen.device) - self._least  # (batch,)
        if len(start) and not 0 <= int(start.min()) <= int(start.max()) < len(self._seen):
            raise SettingsError(
                f"origins {min(origins)} to {max(origins)} have no context of {self._least} "
                f"bins: {self.n_bins:,} bins are there"
            )
        return Inputs(
            self._seen[start].permute(0, 3, 1, 2),  # (batch, context, cell, series)
            self._seen_known[start].permute(0, 3, 1, 2),
            self._calendar[start].permute(0, 2, 1),  # (batch, context + lead, 2)
            self._known_ahead(start),  # (batch, context + lead, cell, covariate)
            self.cells,
        )

    def _known_ahead(self, start: Tensor) -> Tensor:
        """Return the covariates of windows, as known at their origins."""
        found = self._future[start].permute(0, 3, 1, 2)  # (batch, context + lead, cell, covariate)
        if self._ahead is not None:
            ahead = [self._ahead(first + self._least) for first in start.tolist()]
            found[:, self._context :] = torch.as_tensor(np.array(ahead), device=found.device)
        return found

    def actual(self, origins: Sequence[int] | Origins) -> Tensor:
        """Return what came after ``origins``, NaN = missing: (batch, series, cell, lead)."""
        start = torch.as_tensor(origins, device=self._seen.device)
        return self._actual[start].permute(0, 2, 1, 3)


def _views(array: Tensor, length: int, before: int = 0) -> Tensor:
    """Return all stretches of the first axis as views: (window, ..., length).

    The first begins so many bins ``before`` the array, which are zeros.
    """
    if before:
        array = torch.cat([array.new_zeros(before, *array.shape[1:]), array])
    if len(array) < length:
        return array[:0].unsqueeze(-1).expand(*array[:0].shape, length)
    return array.unfold(0, length, 1)


def split_origins(
    origins: Origins, validated: float, tested: float, gap: int
) -> tuple[Origins, Origins, Origins]:
    """Return the origins to train, validate and test with, in the order of time.

    The last share is ``tested``, the one before it ``validated``. Between two parts ``gap`` origins
    are left out of the earlier one, so that it has seen no target of the later.
    """
    n_tested, n_validated = round(tested * len(origins)), round(validated * len(origins))
    last = len(origins) - n_tested
    middle = last - n_validated
    trained = origins[: max(0, middle - gap * (n_validated + n_tested > 0))]
    return trained, origins[middle : max(middle, last - gap * (n_tested > 0))], origins[last:]
