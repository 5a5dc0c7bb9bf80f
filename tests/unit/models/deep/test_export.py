"""An exported network says the same as the one it was made of; of 8 bits, nearly the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from deep_worlds import small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.backbones import BACKBONES  # noqa: E402
from tidecast.models.deep.export import Exported, Said, write_onnx  # noqa: E402
from tidecast.models.deep.network import Network  # noqa: E402

ORIGINS = np.arange(50, 55)


def said_by(network: Network) -> Said:
    with torch.no_grad():
        found = network(small_windows(network.config).inputs(ORIGINS))
    return Said(found.mean, found.quantiles)


def exported(network: Network, path: Path, *, int8: bool = False) -> Said:
    windows = small_windows(network.config)
    write_onnx(path, network, windows.inputs(ORIGINS[:2]), int8=int8)
    return Exported(path)(windows.inputs(ORIGINS))  # more windows than the sample


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_an_exported_network_says_the_same(backbone: str, tmp_path: Path) -> None:
    network = small_network(small_config(backbone=backbone))
    before, after = said_by(network), exported(network, tmp_path / "model.onnx")
    torch.testing.assert_close(after.mean, before.mean, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(after.quantiles, before.quantiles, rtol=1e-4, atol=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_an_exported_network_takes_the_week_off_as_cells_share_it(tmp_path: Path) -> None:
    config = small_config(context_length=341, normalise="season")
    network, windows = small_network(config), small_windows(config)
    path = tmp_path / "model.onnx"
    write_onnx(path, network, windows.inputs([341, 372]))
    inputs = windows.inputs([341, 372, 380])
    with torch.no_grad():
        found = network(inputs)
    after = Exported(path)(inputs)
    torch.testing.assert_close(after.mean, found.mean, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(after.quantiles, found.quantiles, rtol=1e-4, atol=1e-3)


def test_weights_of_8_bits_say_nearly_the_same_in_less_space(tmp_path: Path) -> None:
    network = small_network(small_config(width=128, n_cells=6, depth=4))
    before = said_by(network)
    exported(network, tmp_path / "whole.onnx")
    after = exported(network, tmp_path / "int8.onnx", int8=True)
    spread = before.quantiles.std()
    assert (after.quantiles - before.quantiles).abs().mean() < 0.02 * spread
    assert not torch.equal(after.quantiles, before.quantiles)
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.onnx", "int8.onnx")]
    assert sizes[1] < 0.5 * sizes[0]


def test_the_head_keeps_its_32_bits(tmp_path: Path) -> None:
    config = small_config(depth=2)
    exported(small_network(config), tmp_path / "int8.onnx", int8=True)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    kinds = [node.op_type for node in graph.node]
    n_out = config.n_series * config.horizon * (len(config.quantile_levels) + 2)
    of_float = [
        tuple(tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    ]
    assert kinds.count("MatMul") + kinds.count("Gemm") == 1
    assert kinds.count("MatMulInteger") == 4 + 2 * config.depth
    assert (config.width, n_out) in of_float
