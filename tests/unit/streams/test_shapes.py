"""Shapes, and the numbers and texts that are read out of their holes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidecast.streams.decode.digits import LONGEST_NUMBER, read_numbers
from tidecast.streams.decode.names import UNSURE, NameCodes
from tidecast.streams.decode.shapes import learn_shape
from tidecast.streams.decode.words import LONGEST_TEXT, WordCodes


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"{}",
        b'{"a":1',
        b'{"a":1,}',
        b'{"a":1}}',
        b'{"a":1}"b":2}',
        b'{"a":1} ',
        b' {"a":1}',
        b'{"a":[1]}',
        b'{"a":{"b":1}}',
        b'{"a":1,"a":2}',
        b'{"a":null}',
        b'{"a":"\\n"}',
        b'{"a\\n":1}',
        b'{"a":"\n"}',
        b'{"a":01}',
        b'{"a":NaN}',
        b'{"' + b"a" * 2_000 + b'":1}',
    ],
)
def test_a_record_that_is_not_flat_or_no_json_has_no_shape(record: bytes) -> None:
    assert learn_shape(record) is None


SCALARS = st.one_of(st.text("abé :,{}[]", max_size=5), st.integers(), st.booleans(), st.none())


@given(st.dictionaries(st.text("abcé", max_size=3), SCALARS, min_size=1), st.sampled_from(" \t"))
@example({"": 1, "a": ""}, " ")
def test_literals_and_values_together_are_the_record(fields: dict[str, Any], space: str) -> None:
    text = json.dumps(fields, ensure_ascii=False, separators=(f"{space},", f":{space}"))
    shape = learn_shape(text.encode())
    values = [v for v in fields.values() if v is not None and not isinstance(v, bool)]
    if not values:
        assert shape is None
        return
    assert shape is not None
    plain = [v if isinstance(v, str) else json.dumps(v) for v in values]
    parts = [h.literal + v.encode() for h, v in zip(shape.holes, plain, strict=True)]
    assert b"".join([*parts, shape.tail]) == text.encode()


def numbers(texts: list[str]) -> tuple[list[float], list[bool]]:
    """Read the texts, each between two other characters."""
    buffer = "x" * LONGEST_NUMBER + "".join(f"{text}," for text in texts) + ","
    lengths = np.array([len(text) for text in texts], np.int64)
    ends = LONGEST_NUMBER + np.cumsum(lengths + 1) - 1
    values, sure = read_numbers(np.frombuffer(buffer.encode(), np.uint8), ends - lengths, ends)
    return values.tolist(), sure.tolist()


PLAIN = st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,5})?", fullmatch=True)
ODD = st.text("0123456789.-+eE", max_size=21)


@given(st.lists(st.one_of(PLAIN, ODD), min_size=1, max_size=9))
def test_numbers_are_read_as_json_reads_them_or_not_at_all(texts: list[str]) -> None:
    for text, value, sure in zip(texts, *numbers(texts), strict=True):
        if sure:
            assert value == float(json.loads(text))


@given(st.lists(PLAIN, min_size=1))
def test_plain_numbers_are_surely_read(texts: list[str]) -> None:
    assert all(numbers(texts)[1])


def test_digits_beyond_what_a_float_holds_are_left_to_the_judge() -> None:
    assert numbers(["9007199254740992", "9007199254740993", "0.1234567890123456789"])[1] == [
        True,
        False,
        False,
    ]


def test_texts_have_the_codes_of_their_dictionary() -> None:
    texts = [
        "north",
        "south",
        "é" * 16,
        "x" * LONGEST_TEXT,
        "x" * 33,
        "",
        "north",
        "1.5",
        "12345678",
    ]
    known = NameCodes()
    reader = WordCodes(known)
    buffer = np.frombuffer(("".join(texts) + " " * LONGEST_TEXT).encode(), np.uint8)
    lengths = np.array([len(text.encode()) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    for _ in range(2):
        codes = reader.of(buffer, starts, lengths)
        names = [known.names[code] if code != UNSURE else None for code in codes]
        assert names == [*texts[:4], None, None, "north", None, "12345678"]


def test_thousands_of_texts_are_told_apart() -> None:
    texts = [f"category-{number}" for number in range(5_000)]
    known = NameCodes()
    reader = WordCodes(known)
    buffer = np.frombuffer(("".join(texts) + " " * LONGEST_TEXT).encode(), np.uint8)
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths) - lengths
    reader.of(buffer, starts[::2], lengths[::2])
    codes = reader.of(buffer, starts, lengths)
    assert [known.names[code] for code in codes] == texts
