"""CNN over the region grid: cells see those that lie beside them on a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import Readout
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["GridCnn"]


class GridCnn(nn.Module):
    """Residual convolutions over a map of the regions (as in ST-ResNet, Zhang et al. 2017).

    Cells of one place share a pixel, the mean of their states. A cell without a place sees none.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._grid = shape.grid
        self.window = nn.Linear(shape.context * shape.channels, shape.width)
        self.identity = nn.Linear(shape.identity, shape.width)
        self.convs = nn.ModuleList(
            nn.Conv2d(shape.width, shape.width, 3, padding=1) for _ in range(shape.depth)
        )
        self.readout = Readout(shape)

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        window = tokens.transpose(1, 2).flatten(2)  # (batch, cell, context * channel)
        state = functional.gelu(self.window(window) + self.identity(identity))
        pixel, lies = self._pixels(space)
        for conv in self.convs:
            image = functional.gelu(conv(self._drawn(state, pixel, lies)))
            seen = image.flatten(2).transpose(1, 2)[:, pixel]  # (batch, cell, width)
            state = state + seen * lies
        return self.readout(state, identity)

    def _pixels(self, space: Space) -> tuple[Tensor, Tensor]:
        """Return the pixel of every cell, (cell,), and 1 where it lies on the map, (cell, 1)."""
        n_rows, n_columns = self._grid
        row, column = space.place.unbind(-1)  # (cell,)
        lies = (row >= 0) & (row < n_rows) & (column >= 0) & (column < n_columns)
        pixel = torch.where(lies, row * n_columns + column, 0)
        return pixel, lies[:, None].float()

    def _drawn(self, state: Tensor, pixel: Tensor, lies: Tensor) -> Tensor:
        """Return the map: (batch, width, row, column)."""
        n_pixels = self._grid[0] * self._grid[1]
        shape = (state.shape[0], n_pixels, state.shape[-1])
        drawn = state.new_zeros(shape).index_add(1, pixel, (state * lies).to(state.dtype))
        count = lies.new_zeros(n_pixels, 1).index_add(0, pixel, lies)
        image = drawn / count.clamp(min=1.0)  # (batch, pixel, width)
        return image.transpose(1, 2).unflatten(-1, self._grid)
