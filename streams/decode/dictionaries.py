"""The codes that a decoder has learnt for the texts of its source."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.names import UNSURE, Codes, KindCodes, NameCodes
from tidecast.streams.decode.rules import Rules
from tidecast.streams.decode.times import time_parser
from tidecast.streams.decode.words import WordCodes

__all__ = ["Dictionaries", "TimeCodes"]


class TimeCodes(Codes):
    """Texts of times that are no ISO 8601, coded by their place in ``times``."""

    def __init__(self, parse: Callable[[object], int]) -> None:
        super().__init__()
        self._parse = parse
        self._times: list[int] = []

    def decide(self, text: str) -> int:
        """Return the code of a time; what is none is for the judge to refuse."""
        try:
            self._times.append(self._parse(text))
        except ValueError:
            return UNSURE
        return len(self._times) - 1

    def times(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return microseconds UTC of the codes; 0 for UNSURE."""
        return np.array([*self._times, 0], np.int64)[codes]


class Dictionaries:
    """Codes of the texts of one source, by our name of the field."""

    def __init__(self, rules: Rules) -> None:
        self.regions = NameCodes()
        self.categories = NameCodes()
        self.times = TimeCodes(time_parser(rules.source.time))
        self.codes: dict[str, Codes] = {
            "region": self.regions,
            "category": self.categories,
            "kind": KindCodes(rules.words, rules.kinds),
            "event_time": self.times,
        }
        self.words = {name: WordCodes(codes) for name, codes in self.codes.items()}

    @property
    def largest(self) -> int:
        """How many texts the largest of the dictionaries holds."""
        return max(len(codes) for codes in self.codes.values())
