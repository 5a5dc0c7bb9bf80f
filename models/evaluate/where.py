"""Which entries are scored: a comparison of the actual with a number."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.errors import SettingsError

__all__ = ["EVERYTHING", "ScoreWhere"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORM = re.compile(rf"\s*actual\s*(>=|<=|==|!=|>|<)\s*({_NUMBER})\s*", re.ASCII)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class ScoreWhere:
    """Scores only where the actual compares so with ``bound``; learning is not concerned.

    Examples
    --------
    >>> where = ScoreWhere.parse("actual > 0")
    >>> where.keeps(np.array([0.0, 2.0, np.nan])).tolist()
    [False, True, False]
    """

    comparison: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> ScoreWhere:
        """Return what ``text`` says: ``actual``, one of > >= < <= == !=, and a number.

        Raises
        ------
        SettingsError
            When it says anything else; nothing is ever executed.
        """
        if (match := _FORM.fullmatch(text)) is None:
            raise SettingsError(
                f"score-where {text!r}: write actual, one of > >= < <= == !=, and a number, "
                'such as "actual > 0"'
            )
        return cls(match[1], float(match[2]))

    def keeps(self, actual: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where ``actual`` is scored: never where it is not finite."""
        kept = _COMPARISONS[self.comparison](actual, self.bound) & np.isfinite(actual)
        return np.asarray(kept, np.bool_)


EVERYTHING = ScoreWhere("!=", float("inf"))
"""Scores every actual that is known."""
