"""Numbers of 16 significant bits, in three bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.models.short import Short, are_short, shortened


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@given(st.lists(st.floats(0.0, 2.0**99, width=32), min_size=1))
def test_short_numbers_are_near_and_three_bytes_tell_all_of_them(values: list[float]) -> None:
    whole = floats(*values)
    short = shortened(whole)
    assert are_short(short)
    np.testing.assert_allclose(short, whole, rtol=2.0**-16, atol=1e-38)
    assert np.array_equal(shortened(short), short)
    kept = Short.of(short)
    assert kept.upper.nbytes + kept.lower.nbytes == 3 * len(values)
    assert np.array_equal(kept.opened(), short)


def test_whole_numbers_and_nan_are_short_as_they_are() -> None:
    values = np.arange(0, 65_537).astype(np.float32)
    assert np.array_equal(shortened(values), values)
    assert np.isnan(shortened(floats(np.nan))).all()
    assert np.isnan(Short.of(floats(np.nan)).opened()).all()


@pytest.mark.parametrize(
    ("value", "nearest"), [(65_537.0, 65_536.0), (65_539.0, 65_540.0), (65_538.9, 65_538.0)]
)
def test_a_tie_goes_to_the_even_one(value: float, nearest: float) -> None:
    assert shortened(floats(value)).tolist() == [nearest]


def test_one_long_number_is_told() -> None:
    assert not are_short(floats(1.0, 0.1))
    assert are_short(floats(1.0, 0.5))
