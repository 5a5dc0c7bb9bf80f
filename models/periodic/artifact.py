"""Artifacts: fitted trees as LightGBM's model text, rebuilt from checked numbers.

LightGBM is C++ and trusts the text of a model: a child or a feature that does not exist is read
from memory, a circle of nodes never ends. So no text that was read is handed to it. Its numbers are
taken out, checked, and written into a text of our own; what else the text holds is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.features import CLIP, FEATURES
from tidecast.state.errors import CheckpointError

__all__ = ["LARGEST_ARTIFACT", "Artifact", "fit"]

LARGEST_ARTIFACT = 1_000_000
"""Bytes; what is fitted here has a fifth of it."""

FEWEST_ROWS = 1000
N_TREES = 15
HELD_OUT = 0.2
"""Share of the newest origins on which it is judged how many trees pay."""

FEWEST_HELD_OUT = 20
"""Origins: all rows of a bin share its mood, so that fewer prove nothing however many rows."""

PARAMETERS: dict[str, object] = {
    "objective": "regression",
    "learning_rate": 0.3,
    "num_leaves": 63,
    "min_data_in_leaf": 300,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}

LARGEST_NUMBER = 1e300
LARGEST_WHOLE = 2**31 - 1
LARGEST_TREES = 1000
LARGEST_LEAVES = 1024
NUMERIC_SPLITS = (0, 2, 8, 10)
"""LightGBM's kinds of a split by a number: where what is missing goes, and whether NaN is that."""

OF_NODES = (
    *("split_feature", "threshold", "decision_type", "left_child", "right_child"),
    *("internal_value", "internal_count"),
)
OF_LEAVES = ("leaf_value", "leaf_count")
WHOLE = frozenset(OF_NODES) - {"threshold", "internal_value"} | {"leaf_count"}

Tree = Mapping[str, NDArray[np.float64]]


def fit(rows: TrainingRows) -> bytes:
    """Return the artifact of trees fitted to ``rows``; empty where they are too few or none pays.

    How many trees pay is found out on the newest origins, by trees that know no bin of those; then
    so many are fitted to all rows. The same rows give the same bytes, on the same machine and
    version of LightGBM.
    """
    n_trees = _best_number(rows)
    if not n_trees:
        return b""
    return _written(_checked(_boosted(rows, slice(None), n_trees).model_to_string()))


def _best_number(rows: TrainingRows) -> int:
    """Return how many trees forecast what they do not know best."""
    if len(rows.target) < FEWEST_ROWS:
        return 0
    first, last = int(rows.origin[0]), int(rows.origin[-1])
    cut = last - int(HELD_OUT * (last - first))
    known = rows.origin + rows.lead <= cut
    held_out = rows.origin >= cut
    n_held_out = len(np.unique(rows.origin[held_out]))
    if known.sum() < FEWEST_ROWS // 2 or n_held_out < FEWEST_HELD_OUT:
        return 0
    booster = _boosted(rows, known, N_TREES)
    features = rows.features[held_out].astype(np.float32)
    said, target, weight = np.zeros(len(features)), rows.target[held_out], rows.weight[held_out]
    losses = [np.sum(weight * target**2)]
    for number in range(N_TREES):
        said += np.asarray(
            booster.predict(features, start_iteration=number, num_iteration=1, num_threads=1)
        )
        losses.append(np.sum(weight * (target - said) ** 2))
    return int(np.argmin(losses))


def _boosted(rows: TrainingRows, chosen: NDArray[np.bool_] | slice, n_trees: int) -> lgb.Booster:
    data = lgb.Dataset(
        rows.features[chosen].astype(np.float32),
        rows.target[chosen],
        weight=rows.weight[chosen],
        params=PARAMETERS,
    )
    return lgb.train(PARAMETERS, data, num_boost_round=n_trees)


class Artifact:
    """Trees that forecast, and the bytes that they were read from.

    Raises
    ------
    CheckpointError
        When the bytes are no trees over the features known here.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > LARGEST_ARTIFACT:
            raise CheckpointError(
                f"trees of {len(data):,} bytes are refused: at most {LARGEST_ARTIFACT:,} are read"
            )
        self.data = data
        text = _written(_checked(data.decode("ascii", errors="replace")))
        self._booster = lgb.Booster(model_str=text.decode("ascii"))

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return departures in units, (row,), of features (row, feature)."""
        if not len(features):
            return np.zeros(0, np.float32)
        said = self._booster.predict(features, num_threads=1)
        return np.clip(np.asarray(said, np.float32), -CLIP, CLIP)

    def explain(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what each feature adds to a departure before it is clipped, and what all share.

        They are (row, feature + 1), in units: SHAP values of the trees, whose sum is the departure.

        References
        ----------
        Lundberg, Erion and Lee (2018), Consistent individualized feature attribution for tree
        ensembles.
        """
        return np.asarray(self._booster.predict(features, pred_contrib=True, num_threads=1))


def _checked(text: str) -> list[Tree]:
    """Return the trees of a model text.

    Raises
    ------
    CheckpointError
        When a number is missing or not sane, or nodes are not a tree.
    """
    header, *blocks = text.split("\nTree=")
    if _fields(header).get("max_feature_idx") != str(len(FEATURES) - 1):
        raise CheckpointError(f"trees of other features are refused: {len(FEATURES)} are known")
    if not 1 <= len(blocks) <= LARGEST_TREES:
        raise CheckpointError(f"{len(blocks)} trees are refused: 1 to {LARGEST_TREES} are read")
    return [_tree(number, _fields(block)) for number, block in enumerate(blocks)]


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _tree(number: int, fields: Mapping[str, str]) -> Tree:
    n_leaves = len(fields.get("leaf_value", "").split())
    tree = {
        **{name: _numbers(number, fields, name, n_leaves - 1) for name in OF_NODES},
        **{name: _numbers(number, fields, name, n_leaves) for name in OF_LEAVES},
    }
    if not (1 <= n_leaves <= LARGEST_LEAVES and _is_tree(tree) and _is_known(tree)):
        raise CheckpointError(f"tree {number} is refused: its nodes are no tree over the features")
    return tree


def _numbers(number: int, fields: Mapping[str, str], name: str, count: int) -> NDArray[np.float64]:
    """Return ``count`` finite numbers, whole where they must be."""
    words = fields.get(name, "").split()
    if name == "leaf_count" and not words:  # LightGBM writes none where nothing is split
        words = ["0"] * count
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise CheckpointError(f"tree {number} is refused: {name} is not numbers") from error
    if name == "threshold":  # infinite where only what is missing goes the other way
        numbers = np.clip(numbers, -LARGEST_NUMBER, LARGEST_NUMBER)
    if len(numbers) != count or not _are_sane(numbers, name in WHOLE):
        raise CheckpointError(f"tree {number} is refused: {name} is not {count} sane numbers")
    return numbers


def _are_sane(numbers: NDArray[np.float64], whole: bool) -> bool:
    limit = LARGEST_WHOLE if whole else LARGEST_NUMBER
    sane = np.abs(numbers) <= limit
    return bool(sane.all() and (not whole or (numbers == np.floor(numbers)).all()))


def _is_tree(tree: Tree) -> bool:
    """Tell whether every node but the first, and every leaf, hangs once below an earlier node."""
    left, right = tree["left_child"], tree["right_child"]
    nodes = np.arange(len(left))
    later = (left < 0) | (left > nodes), (right < 0) | (right > nodes)
    hung = np.sort(np.concatenate([left, right]))
    expected = np.concatenate([np.arange(-len(left) - 1, 0), nodes[1:]]) if len(left) else hung
    return bool(np.all(later)) and np.array_equal(hung, expected)


def _is_known(tree: Tree) -> bool:
    features = tree["split_feature"]
    known = (features >= 0) & (features < len(FEATURES))
    return bool(
        known.all()
        and np.isin(tree["decision_type"], NUMERIC_SPLITS).all()
        and (np.abs(tree["leaf_value"]) <= CLIP).all()
    )


def _written(trees: list[Tree]) -> bytes:
    """Return a model text of checked trees."""
    names = " ".join(f"f{number}" for number in range(len(FEATURES)))
    header = [
        *("tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0"),
        f"max_feature_idx={len(FEATURES) - 1}",
        *("objective=regression", f"feature_names={names}"),
        "feature_infos=" + " ".join(["none"] * len(FEATURES)),
    ]
    lines = [*header, "", *(line for n, tree in enumerate(trees) for line in _lines(n, tree))]
    return "\n".join([*lines, "end of trees", ""]).encode("ascii")


def _lines(number: int, tree: Tree) -> Iterator[str]:
    yield f"Tree={number}"
    yield f"num_leaves={len(tree['leaf_value'])}"
    yield "num_cat=0"
    for name, numbers in tree.items():
        words = (str(int(n)) if name in WHOLE else repr(float(n)) for n in numbers)
        yield f"{name}={' '.join(words)}"
    yield from ("is_linear=0", "shrinkage=1", "", "")
