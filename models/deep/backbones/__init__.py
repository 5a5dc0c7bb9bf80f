"""Backbones: what is made of windows, exchangeable by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tidecast.models.deep.backbones.graph import Graph
from tidecast.models.deep.backbones.grid_cnn import GridCnn
from tidecast.models.deep.backbones.gru import Gru
from tidecast.models.deep.backbones.itransformer import InvertedTransformer
from tidecast.models.deep.backbones.lstm import Lstm
from tidecast.models.deep.backbones.seq2seq import Seq2Seq
from tidecast.models.deep.backbones.stid import Stid
from tidecast.models.deep.backbones.tcn import Tcn
from tidecast.models.deep.backbones.transformer import Transformer
from tidecast.models.deep.backbones.transformer_xl import TransformerXl
from tidecast.models.deep.backbones.wavenet import WaveNet
from tidecast.models.deep.config import Shape
from tidecast.state.errors import SettingsError

__all__ = ["BACKBONES", "make_backbone"]

BACKBONES: dict[str, Callable[[Shape], nn.Module]] = {
    "stid": Stid,
    "itransformer": InvertedTransformer,
    "lstm": Lstm,
    "gru": Gru,
    "seq2seq": Seq2Seq,
    "tcn": Tcn,
    "wavenet": WaveNet,
    "grid_cnn": GridCnn,
    "graph": Graph,
    "transformer": Transformer,
    "transformer_xl": TransformerXl,
}
"""Every backbone by its name: tokens (batch, context, cell, channel), identities (batch, cell,
identity) and the `Space` of the cells in, states (batch, cell, width) out."""


def make_backbone(name: str, shape: Shape) -> nn.Module:
    """Return the backbone of that name.

    Raises
    ------
    SettingsError
        When there is none.
    """
    if name not in BACKBONES:
        raise SettingsError(f"backbone {name!r} is unknown; use one of {', '.join(BACKBONES)}")
    return BACKBONES[name](shape)
