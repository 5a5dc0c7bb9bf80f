"""Layers that backbones share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.config import HEADS, Shape

__all__ = [
    "Attention",
    "CausalConv",
    "Embed",
    "Readout",
    "Residual",
    "dilations",
    "halved",
    "join_cells",
]


class Residual(nn.Module):
    """Two linear maps beside the identity, (..., width) in and out."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state: Tensor) -> Tensor:
        """Return ``state`` and what is made of it."""
        made = self.dropout(functional.gelu(self.inner(state)))
        return state + self.outer(made)  # (..., width)


class Embed(nn.Module):
    """Tokens and identities as states: (batch, context, cell, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.token = nn.Linear(shape.channels, shape.width)
        self.identity = nn.Linear(shape.identity, shape.width)

    def forward(self, tokens: Tensor, identity: Tensor) -> Tensor:
        """Return the state of every token."""
        return self.token(tokens) + self.identity(identity)[:, None]


class Readout(nn.Module):
    """The last state of a cell, with its identity once more: (batch, cell, width)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.identity = nn.Linear(shape.identity, shape.width)
        self.block = Residual(shape.width, shape.dropout)

    def forward(self, state: Tensor, identity: Tensor) -> Tensor:
        """Return what the head is given."""
        return self.block(state + self.identity(identity))  # (batch, cell, width)


class CausalConv(nn.Module):
    """A convolution over time that sees nothing later: (row, width, time) in and out.

    It looks at every ``dilation``-th step back. Who needs the last state alone, after layers whose
    dilations double, needs of each layer only every second step of the one before.
    """

    def __init__(self, width: int, n_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self._kernel, self._padding = kernel, (kernel - 1) * dilation
        self.conv = nn.Conv1d(width, n_out, kernel, dilation=dilation)

    def forward(self, state: Tensor) -> Tensor:
        """Return the convolved ``state``."""
        return self.conv(functional.pad(state, (self._padding, 0)))  # (row, n_out, time)

    def near(self, state: Tensor) -> Tensor:
        """Return the convolved ``state`` of which only every step was given that it looks at."""
        return self._near(functional.pad(state, (self._kernel - 1, 0)))  # (row, n_out, time)

    def halved(self, state: Tensor) -> Tensor:
        """Return `near`, of every second step, the last one among them."""
        first = 1 - state.shape[-1] % 2
        seen = functional.pad(state, (self._kernel - 1 - first, 0))
        return self._near(seen, stride=2)  # (row, n_out, half the time)

    def _near(self, seen: Tensor, stride: int = 1) -> Tensor:
        return functional.conv1d(seen, self.conv.weight, self.conv.bias, stride)


class Attention(nn.Module):
    """Attention in several heads, each block with a feed-forward layer: norms come first.

    ``bias`` is added to the scores: (head, to, from), minus infinity where none may look.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(
        self, state: Tensor, memory: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Return ``state`` (row, to, width) after looking at ``memory`` (row, from, width)."""
        query = self.before(state)
        seen = query if memory is None else self.before(memory)
        key, value = self.key_value(seen).chunk(2, dim=-1)  # (row, from, width)
        found = functional.scaled_dot_product_attention(
            _split(self.query(query)), _split(key), _split(value), attn_mask=bias
        )
        state = state + self.out(found.transpose(1, 2).flatten(2))  # (row, to, width)
        return state + self.feed_forward(state)


def _split(state: Tensor) -> Tensor:
    return state.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # (row, head, time, width / head)


def halved(state: Tensor) -> Tensor:
    """Return every second step of (row, width, time), the last one among them."""
    return state[:, :, 1 - state.shape[-1] % 2 :: 2]


def join_cells(state: Tensor) -> Tensor:
    """Return (batch, context, cell, width) as a sequence a row: (batch * cell, context, width)."""
    return state.transpose(1, 2).flatten(0, 1)


def dilations(context: int, kernel: int, least: int) -> tuple[int, ...]:
    """Return doubling dilations, at least so many, that let the last step see the whole context.

    Examples
    --------
    >>> dilations(context=12, kernel=2, least=2)
    (1, 2, 4, 8)
    """
    found = [1]
    while len(found) < least or 1 + (kernel - 1) * sum(found) < context:
        found.append(2 * found[-1])
    return tuple(found)
