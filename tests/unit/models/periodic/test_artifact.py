"""Artifacts: fitted trees as text that cannot harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from tree_worlds import training_rows

from tidecast.models.periodic.artifact import LARGEST_ARTIFACT, Artifact, fit
from tidecast.models.periodic.features import FEATURES
from tidecast.state.errors import CheckpointError

ROWS = training_rows()
FITTED = fit(ROWS)
FEATURES_OF_ROWS = ROWS.features.astype(np.float32)


def test_trees_learn_what_is_there_also_where_a_feature_is_missing() -> None:
    error = Artifact(FITTED).predict(FEATURES_OF_ROWS) - ROWS.target
    assert np.sqrt((error**2).mean()) < 0.5 * ROWS.target.std()
    assert abs(error[::5].mean()) < 0.1


def test_the_same_rows_give_the_same_bytes() -> None:
    assert fit(training_rows()) == FITTED
    assert fit(training_rows(seed=1)) != FITTED


def test_the_rebuilt_text_says_what_lightgbm_says(monkeypatch: pytest.MonkeyPatch) -> None:
    boosters = []
    train = lgb.train

    def kept(*args: object, **kwargs: object) -> lgb.Booster:
        boosters.append(train(*args, **kwargs))  # type: ignore[arg-type]
        return boosters[-1]

    monkeypatch.setattr(lgb, "train", kept)
    artifact = Artifact(fit(ROWS))
    expected = np.asarray(boosters[-1].predict(FEATURES_OF_ROWS), np.float32)
    assert artifact.predict(FEATURES_OF_ROWS).tobytes() == expected.tobytes()


def test_an_artifact_read_is_written_again_to_the_byte() -> None:
    assert Artifact(FITTED).data == FITTED


def test_too_few_rows_give_no_trees() -> None:
    assert fit(training_rows(n_rows=50)) == b""


def test_many_rows_of_a_few_origins_prove_nothing() -> None:
    assert fit(replace(ROWS, origin=ROWS.origin // 10)) == b""
    assert fit(replace(ROWS, origin=ROWS.origin // 5)) != b""


def test_where_nothing_departs_from_the_usual_there_are_no_trees() -> None:
    assert fit(replace(ROWS, target=np.zeros_like(ROWS.target))) == b""


def test_where_nothing_can_be_learnt_few_trees_are_kept_or_none() -> None:
    noise = np.random.default_rng(3).normal(size=len(ROWS.target)).astype(np.float32)
    assert fit(replace(ROWS, target=noise)).count(b"Tree=") < 5 < FITTED.count(b"Tree=")


def test_nothing_is_said_of_no_rows() -> None:
    assert Artifact(FITTED).predict(np.zeros((0, len(FEATURES)), np.float32)).shape == (0,)


def changed(name: str, change: Callable[[list[str]], list[str]]) -> bytes:
    """Return the artifact with the first line ``name`` changed."""
    text = FITTED.decode()
    line = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    assert line is not None
    words = " ".join(change(line[1].split()))
    return (text[: line.start()] + f"{name}={words}" + text[line.end() :]).encode()


def first(word: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [word, *words[1:]]


HOSTILE = {
    "no text": b"\xff\x00" * 50,
    "empty": b"",
    "a pickle": b"\x80\x04\x95\x00.",
    "a circle": changed("left_child", first("0")),
    "a node before its parent": changed("left_child", lambda w: [*w[:5], "1", *w[6:]]),
    "a node beyond the last": changed("left_child", first("62")),
    "a leaf beyond the last": changed("left_child", first("-70")),
    "a leaf that hangs twice": changed("right_child", lambda w: [*w[:-1], w[-2]]),
    "a huge child": changed("left_child", first("99999999999999999999")),
    "a child that is no whole number": changed("left_child", first("1.5")),
    "a feature that does not exist": changed("split_feature", first(str(len(FEATURES)))),
    "a feature below none": changed("split_feature", first("-1")),
    "a split by category": changed("decision_type", first("1")),
    "a threshold that is NaN": changed("threshold", first("nan")),
    "a leaf that is NaN": changed("leaf_value", first("nan")),
    "a leaf that is huge": changed("leaf_value", first("1e9")),
    "no number": changed("threshold", first("__import__('os')")),
    "a threshold missing": changed("threshold", lambda words: words[1:]),
    "a leaf too many": changed("leaf_value", lambda words: [*words, "0"]),
    "no leaves": changed("leaf_value", lambda words: []),
    "other features": FITTED.replace(b"max_feature_idx=", b"max_feature_idx=1"),
    "no trees": FITTED.split(b"\nTree=")[0],
    "too many trees": FITTED.split(b"\nTree=")[0] + b"\nTree=0\nleaf_value=0\n" * 2000,
    "too long": FITTED + b" " * LARGEST_ARTIFACT,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_trees_is_refused(case: str) -> None:
    with pytest.raises(CheckpointError, match="refused"):
        Artifact(HOSTILE[case])


def test_lightgbm_sees_nothing_but_checked_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    booster = lgb.Booster

    def spy(model_str: str) -> lgb.Booster:
        seen.append(model_str)
        return booster(model_str=model_str)

    monkeypatch.setattr(lgb, "Booster", spy)
    orders = b"\nparameters:\n[machine_list_filename: /etc/passwd]\nlinear_tree=1\nnum_class=9\n"
    Artifact(FITTED.replace(b"\nend of trees", orders + b"\nend of trees") + orders)
    assert seen == [FITTED.decode()]
