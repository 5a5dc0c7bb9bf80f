"""Small things done to arrays of cells, and how states are kept."""

from __future__ import annotations

import numpy as np

from tidecast.models.arrays import Part, Stateful


class Leaf(Stateful):
    STATE = ("sums",)

    def __init__(self) -> None:
        self._sums = np.zeros(2)

    def add(self, value: float) -> None:
        self._sums += value


class Tree(Leaf):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Leaf(), Leaf()

    def _members(self) -> dict[str, Part]:
        return {"left": self.left, "right": self.right}


def learnt() -> Tree:
    tree = Tree()
    for part, value in ((tree, 1.0), (tree.left, 2.0), (tree.right, 3.0)):
        part.add(value)
    return tree


def told(tree: Tree) -> dict[str, list[float]]:
    return {name: array.tolist() for name, array in tree.snapshot().items()}


def test_a_state_is_that_of_the_arrays_it_names_and_of_its_members_under_their_names() -> None:
    assert told(learnt()) == {"sums": [1.0] * 2, "left/sums": [2.0] * 2, "right/sums": [3.0] * 2}


def test_neither_a_snapshot_nor_what_was_restored_of_it_changes_with_the_other() -> None:
    tree, other = learnt(), Tree()
    kept = tree.snapshot()
    other.restore(kept)
    tree.add(5.0)
    tree.left.add(5.0)
    other.right.add(5.0)
    assert {name: array.tolist() for name, array in kept.items()} == told(learnt())
    assert told(other) == told(learnt()) | {"right/sums": [8.0] * 2}
