"""What slabs are made of, partition by partition, and how it is kept in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.checkpoint import Arrays
from tidecast.state.cuts import BinSums
from tidecast.state.inputs import Input
from tidecast.state.scopes import nested, scoped

__all__ = ["Version", "kept_inputs", "kept_versions", "restored_inputs", "restored_versions"]

Place = tuple[str, int]
"""A source and the number of its partition."""


@dataclass
class Version:
    """A partition's share of a bin, as last applied."""

    upto: int
    boundary: int
    cells: NDArray[np.int64]
    sums: NDArray[np.int64]


def kept_inputs(inputs: Mapping[Place, Input]) -> tuple[list[Any], Arrays]:
    """Return what `restored_inputs` needs: plain values and arrays."""
    values: list[Any] = []
    arrays: Arrays = {}
    for number, (place, known) in enumerate(inputs.items()):
        pending = []
        for entry, (boundary, upto, sums) in enumerate(known.pending):
            pending.append([boundary, upto, sums.bin, sums.regions, sums.categories])
            parts: Arrays = {"region": sums.region, "category": sums.category, "sums": sums.sums}
            arrays |= nested({f"pending/{number}/{entry}": parts})
        ends = [known.through, known.first, known.newest, known.passed]
        values.append([*place, *ends, list(known.told.items()), pending])
    return values, arrays


def restored_inputs(
    values: Iterable[Any], arrays: Arrays, columns: Callable[[str], list[int]]
) -> dict[Place, Input]:
    """Return the inputs of a fold; ``columns`` gives those of a source's sums."""
    inputs: dict[Place, Input] = {}
    for number, (source, partition, *ends, told, pending) in enumerate(values):
        through, first, newest, passed = ends
        known = Input(columns(source), through, first, tuple(newest), passed=passed)
        known.told = dict(told)
        for entry, (boundary, upto, bin_, regions, categories) in enumerate(pending):
            parts = scoped(arrays, f"pending/{number}/{entry}")
            known.pending.append((boundary, upto, BinSums(bin_, regions, categories, **parts)))
        inputs[source, partition] = known
    return inputs


def kept_versions(versions: Mapping[int, Mapping[Place, Version]]) -> tuple[list[Any], Arrays]:
    """Return what `restored_versions` needs: plain values and arrays."""
    values: list[Any] = []
    arrays: Arrays = {}
    for bin_, shares in versions.items():
        for place, version in shares.items():
            arrays[f"cells/{len(values)}"] = version.cells
            arrays[f"sums/{len(values)}"] = version.sums
            values.append([bin_, *place, version.upto, version.boundary])
    return values, arrays


def restored_versions(values: Iterable[Any], arrays: Arrays) -> dict[int, dict[Place, Version]]:
    """Return what every bin was last made of."""
    versions: dict[int, dict[Place, Version]] = {}
    for name, (bin_, source, partition, upto, boundary) in enumerate(values):
        version = Version(upto, boundary, arrays[f"cells/{name}"], arrays[f"sums/{name}"])
        versions.setdefault(bin_, {})[source, partition] = version
    return versions
