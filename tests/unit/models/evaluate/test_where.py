"""What ``--score-where`` may say."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.where import EVERYTHING, ScoreWhere
from tidecast.state.errors import SettingsError

ACTUAL = np.array([-1.0, 0.0, 2.0, 2.5, np.nan, np.inf])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("actual > 0", [0, 0, 1, 1, 0, 0]),
        ("actual>=2", [0, 0, 1, 1, 0, 0]),
        (" actual  <  2e0 ", [1, 1, 0, 0, 0, 0]),
        ("actual <= -.5", [1, 0, 0, 0, 0, 0]),
        ("actual == 2.5", [0, 0, 0, 1, 0, 0]),
        ("actual != 0", [1, 0, 1, 1, 0, 0]),
    ],
)
def test_an_actual_is_compared_with_a_number(text: str, kept: list[int]) -> None:
    assert ScoreWhere.parse(text).keeps(ACTUAL).tolist() == kept


@pytest.mark.parametrize(
    "text",
    ["", "actual", "actual > ", "value > 0", "0 < actual", "actual > 0 or True", "actual > x",
     "actual >> 0", "actual > 0; import os", "__import__('os')", "actual > nan", "actual > 1\n2"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="write actual, one of"):
        ScoreWhere.parse(text)


def test_everything_keeps_what_is_known() -> None:
    assert EVERYTHING.keeps(ACTUAL).tolist() == [1, 1, 1, 1, 0, 0]
