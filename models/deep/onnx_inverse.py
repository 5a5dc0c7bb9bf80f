"""The inverse of matrices in ONNX, which has no operator for it."""

import torch
from onnxscript import DOUBLE, script
from onnxscript import opset18 as op

__all__ = ["TRANSLATED"]


@script()
def _inverse(matrix: DOUBLE[...]) -> DOUBLE[...]:
    """Gauss and Jordan's way, without pivots: of positive definite matrices."""
    size = op.Gather(op.Shape(matrix), -1)
    places = op.Range(0, size, 1)
    each = op.Equal(op.Unsqueeze(places, [1]), op.Unsqueeze(places, [0]))
    whole = op.Expand(op.CastLike(each, matrix), op.Shape(matrix))
    both = op.Concat(matrix, whole, axis=-1)  # (..., size, 2 * size)
    for number in range(size):
        at = op.Unsqueeze(number, [0])
        row = op.Gather(both, at, axis=-2)
        row = row / op.Gather(row, at, axis=-1)
        own = op.Unsqueeze(op.CastLike(op.Equal(places, number), matrix), [1])
        both = both - (op.Gather(both, at, axis=-1) - own) * row
    return op.Gather(both, op.Add(places, size), axis=-1)


def _inv_ex(matrix, check_errors=False):  # type: ignore[no-untyped-def]
    """As `torch.linalg.inv_ex`: the inverse, and that nothing went wrong."""
    return _inverse(matrix), op.Constant(value_int=0)


TRANSLATED = {torch.ops.aten.linalg_inv_ex.default: _inv_ex}
"""What an exporter is to put in place of operators of torch."""
