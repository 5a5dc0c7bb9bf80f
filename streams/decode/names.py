"""Codes for the names that records use, and which of them a column of texts may be trusted with."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.schemas.events import check_name

__all__ = ["UNSURE", "WHOLE", "Codes", "KindCodes", "NameCodes", "looks_coerced"]

UNSURE = -1
"""The code of a text that only the judge can decide about."""

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"0|-?[1-9]\d{0,14}", re.ASCII)


def looks_coerced(text: str) -> bool:
    """Tell whether a column of texts may hold ``text`` for a value that was no text.

    A whole number of up to 15 digits is its own text, so it does not matter which it was.

    Examples
    --------
    >>> [text for text in ("true", "5", "5.0", "007", "[1]", "ok") if looks_coerced(text)]
    ['true', '5.0', '[1]']
    """
    if text in ("true", "false", "null") or text[:1] in ("{", "["):
        return True
    return NUMBER.fullmatch(text) is not None and WHOLE.fullmatch(text) is None


class Codes:
    """A numbering of texts, as ``decide`` says; UNSURE for those that must be judged."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def decide(self, text: str) -> int:
        """Return the code of a text that has not been seen."""
        raise NotImplementedError

    def trusted(self, texts: Iterable[str]) -> NDArray[np.int32]:
        """Return the codes of texts out of a column."""
        known = self._codes
        return np.array(
            [known[text] if text in known else self._learn(text) for text in texts], np.int32
        )

    def _learn(self, text: str) -> int:
        self._codes[text] = code = UNSURE if looks_coerced(text) else self.decide(text)
        return code


class KindCodes(Codes):
    """The words of a source for its kinds, coded by the kind's place in the contract."""

    def __init__(self, words: dict[str, str], kinds: tuple[str, ...]) -> None:
        super().__init__()
        self._places = {word: kinds.index(kind) for word, kind in words.items()}

    def decide(self, text: str) -> int:
        """Return the kind's code; an unknown word is for the judge to refuse."""
        return self._places.get(text, UNSURE)


class NameCodes(Codes):
    """Names of regions or of categories, coded as they appear."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return max(super().__len__(), len(self.names))

    def number(self, name: str) -> int:
        """Return the code of a name that the contract accepts, wherever it came from."""
        code = self._numbers.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        return code

    def decide(self, text: str) -> int:
        """Return the name's code; a name against the contract is for the judge to refuse."""
        try:
            return self.number(check_name(text))
        except ValueError:
            return UNSURE
