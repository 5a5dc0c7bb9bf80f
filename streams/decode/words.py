"""Codes for short texts in a buffer, looked up eight bytes at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.iso import windows
from tidecast.streams.decode.names import UNSURE, Codes

__all__ = ["LONGEST_TEXT", "WordCodes"]

LONGEST_TEXT = 32
"""The longest text in bytes that is looked up here; longer ones are unsure."""

WORDS = LONGEST_TEXT // 8
MOST_BITS = 18  # of the prefixes of hashes that are indexed
MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], "<u8")
FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Words = NDArray[np.uint64]


class WordCodes:
    """Remembers the codes of ``codes`` by the bytes of their texts."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._hashes = np.full(1, np.iinfo(np.uint64).max, np.uint64)  # sorted; ends in a guard
        self._texts = np.zeros((WORDS, 1), np.uint64)  # (word, text)
        self._values = np.full(1, UNSURE, np.int32)
        self._words = 0  # of the longest text
        self._index()

    def of(self, buffer: Bytes, starts: Longs, lengths: Longs) -> NDArray[np.int32]:
        """Return the code of each text; UNSURE where it must be judged."""
        words = _words(buffer, starts, lengths)
        hashes = _hashed(words)
        found, codes = self._look_up(words, hashes)
        found &= lengths <= LONGEST_TEXT
        if found.all():
            return codes
        short = lengths <= LONGEST_TEXT
        self._learn(buffer, starts, lengths, hashes, np.flatnonzero(~found & short))
        found, codes = self._look_up(words, hashes)
        return np.where(found & short, codes, np.int32(UNSURE))

    def _look_up(
        self, words: list[Words], hashes: Words
    ) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        places = self._first[(hashes >> self._shift).view(np.int64)]
        for _ in range(self._steps):
            places = places + (self._hashes[places] < hashes)
        found: NDArray[np.bool_] = self._hashes[places] == hashes
        for text, word in zip(self._texts, words, strict=False):
            found &= text[places] == word
        for text in self._texts[len(words) : self._words]:
            found &= text[places] == 0
        return found, self._values[places]

    def _learn(
        self, buffer: Bytes, starts: Longs, lengths: Longs, hashes: Words, rows: Longs
    ) -> None:
        _, first = np.unique(hashes[rows], return_index=True)
        rows = rows[np.sort(first)]
        rows = rows[~np.isin(hashes[rows], self._hashes)]  # two texts of one hash: never learnt
        texts = [
            buffer[start : start + length].tobytes()
            for start, length in zip(starts[rows].tolist(), lengths[rows].tolist(), strict=True)
        ]
        padded = b"".join(text.ljust(LONGEST_TEXT, b"\0") for text in texts)
        values = self._codes.trusted([text.decode() for text in texts])
        self._words = max(self._words, *(-(-len(text) // 8) for text in texts), 0)
        self._insert(hashes[rows], np.frombuffer(padded, "<u8").reshape(-1, WORDS).T, values)

    def _insert(self, hashes: Words, texts: Words, values: NDArray[np.int32]) -> None:
        order = np.argsort(np.concatenate((hashes, self._hashes)), kind="stable")
        self._hashes = np.concatenate((hashes, self._hashes))[order]
        self._texts = np.concatenate((texts, self._texts), axis=1)[:, order]
        self._values = np.concatenate((values, self._values))[order]
        self._index()

    def _index(self) -> None:
        """Note where the hashes of each prefix begin: a search then takes a step or two."""
        bits = min(max(12, (64 * len(self._hashes)).bit_length()), MOST_BITS)
        self._shift = np.uint64(64 - bits)
        prefixes = (self._hashes[:-1] >> self._shift).view(np.int64)
        counts = np.bincount(prefixes, minlength=1 << bits)
        self._first = np.cumsum(counts) - counts
        self._steps = max(int(counts.max()) - 1, 0)


def _words(buffer: Bytes, starts: Longs, lengths: Longs) -> list[Words]:
    """Return the texts as words of eight bytes, zero behind their ends."""
    longest = min(int(lengths.max(initial=0)), LONGEST_TEXT)
    words = []
    for first in range(0, max(longest, 1), 8):
        raw = windows(buffer, starts + first, 8).view("<u8").ravel()
        words.append(raw & MASKS[np.minimum(np.maximum(lengths - first, 0), 8)])
    return words


def _hashed(words: list[Words]) -> Words:
    hashed: Words = words[0] * FACTORS[0]
    for word, factor in zip(words[1:], FACTORS[1:], strict=False):
        hashed ^= word * factor
    hashed ^= hashed >> np.uint64(29)
    return hashed
