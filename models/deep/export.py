"""Export: a network as ONNX, for runtimes without torch; with weights of 8 bits, if wanted."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from torch.export import Dim

from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.network import Network
from tidecast.models.deep.onnx_inverse import TRANSLATED
from tidecast.models.deep.space import Space

__all__ = ["Exported", "Said", "write_onnx"]

OUTPUTS = ("mean", "quantiles")
QUANTISED = ("MatMul", "Gemm")
HEAD = "'network.head'"
SCOPES = "pkg.torch.onnx.name_scopes"
BATCH, CELL = "batch", "cell"
AXES = {
    "values": {0: BATCH, 2: CELL},
    "known": {0: BATCH, 2: CELL},
    "calendar": {0: BATCH},
    "future": {0: BATCH, 2: CELL},
    "number": {0: CELL},
    "level": {0: CELL},
    "scale": {0: CELL},
    "static": {0: CELL},
    "near": {0: CELL},
    "nearness": {0: CELL},
    "place": {0: CELL},
}
"""What an exported network is given, as `Inputs` and `Cells` describe it, and what may vary."""


@dataclass(frozen=True)
class Said:
    """What an exported network says."""

    mean: Tensor  # (batch, series, cell, lead)
    quantiles: Tensor  # (batch, series, cell, lead, level)


class Exported:
    """A network of an ONNX file, run on the processor by onnxruntime."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._names = {given.name for given in self._session.get_inputs()}

    def __call__(self, inputs: Inputs) -> Said:
        """Return the forecasts of windows, on their device."""
        given = {
            name: tensor.cpu().contiguous().numpy()
            for name, tensor in zip(AXES, _tensors(inputs), strict=True)
            if name in self._names  # what a backbone does not look at is no input
        }
        found = self._session.run(list(OUTPUTS), given)
        return Said(*(torch.from_numpy(array).to(inputs.values.device) for array in found))


def write_onnx(path: Path, network: Network, sample: Inputs, *, int8: bool = False) -> None:
    """Write ``network`` to ``path``; windows and cells may be of another number than the sample's.

    With ``int8`` linear maps have whole weights of a byte, a scale for each channel, and round what
    they are given to 8 bits as it comes (dynamic quantisation); the head stays as it is. Weights
    use 7 of their bits: with 8 the sums of processors without VNNI overflow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet(), tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        whole = Path(folder) / "whole.onnx"
        model = _translated(network, sample)
        of_head = [node.name for node in model.graph.node if HEAD in _scopes(node)]
        onnx.save(_bare(model), whole)
        if int8:
            whole = _quantised(whole, of_head)
        whole.replace(path)


class _Plain(nn.Module):
    """A network with tensors in and out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        values: Tensor,
        known: Tensor,
        calendar: Tensor,
        future: Tensor,
        number: Tensor,
        level: Tensor,
        scale: Tensor,
        static: Tensor,
        near: Tensor,
        nearness: Tensor,
        place: Tensor,
    ) -> tuple[Tensor, Tensor]:
        cells = Cells(number, level, scale, static, Space(near, nearness, place))
        found = self.network(Inputs(values, known, calendar, future, cells))
        return found.mean, found.quantiles


def _tensors(inputs: Inputs) -> tuple[Tensor, ...]:
    cells, space = inputs.cells, inputs.cells.space
    return (
        *(inputs.values, inputs.known, inputs.calendar, inputs.future),
        *(cells.number, cells.level, cells.scale, cells.static),
        *(space.near, space.nearness, space.place),
    )


def _translated(network: Network, sample: Inputs) -> onnx.ModelProto:
    dims = {name: Dim(name, min=1) for name in (BATCH, CELL)}
    shapes = {
        name: {place: dims[axis] for place, axis in axes.items()} for name, axes in AXES.items()
    }
    program = torch.onnx.export(
        _Plain(network).eval(),
        _tensors(sample),
        dynamo=True,
        verbose=False,
        input_names=list(AXES),
        output_names=list(OUTPUTS),
        dynamic_shapes=shapes,
        custom_translation_table=TRANSLATED,
    )
    return program.model_proto


def _scopes(node: onnx.NodeProto) -> str:
    """Return the modules of which a node was made."""
    return "".join(prop.value for prop in node.metadata_props if prop.key == SCOPES)


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return ``model`` without what torch notes of its nodes: their origins and shapes."""
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.value_info[:]
    return model


def _quantised(path: Path, kept: Sequence[str]) -> Path:
    """Write the network of ``path`` with 8 bits, but for the nodes that are ``kept``."""
    found = path.with_name("int8.onnx")
    quantize_dynamic(
        path,
        found,
        op_types_to_quantize=list(QUANTISED),
        nodes_to_exclude=list(kept),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what exporters warn of themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
