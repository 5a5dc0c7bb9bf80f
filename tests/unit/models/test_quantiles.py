"""Quantiles of means and scales."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.event_groups import GROUPS
from tidecast.models.quantiles import quantiles_of

ANY = np.array([[False] * 3])  # a series of any numbers
N_GROUPS = len(GROUPS) + 1


def test_quantiles_are_the_mean_and_scaled_shapes_at_least_zero() -> None:
    shapes = np.full((1, 1, N_GROUPS, 3), 0.0, np.float32)
    shapes[...] = [-2.0, 0.5, 2.0]
    mean = np.array([[[10.0], [1.0]]], np.float32)
    scale = np.array([[[2.0], [3.0]]], np.float32)
    found = quantiles_of(mean, scale, shapes, ANY)[0, :, 0]
    assert found.tolist() == [[6.0, 11.0, 14.0], [0.0, 2.5, 7.0]]


def test_medians_of_whole_numbers_are_whole_and_so_is_nothing() -> None:
    shapes = np.broadcast_to(np.float32([-0.1, 0.1, 0.45]), (2, 1, N_GROUPS, 3))
    mean, scale = np.float32([[[0.1], [1.35], [4.4]]] * 2), np.ones((2, 3, 1), np.float32)
    whole = np.array([[False, True, False], [False, False, False]])
    counts, others = quantiles_of(mean, scale, shapes, whole)[:, :, 0]
    assert counts == pytest.approx(np.array([[0.0, 0.0, 0.55], [1.0, 1.0, 1.8], [4.0, 4.0, 4.85]]))
    assert others == pytest.approx(
        np.array([[0.0, 0.2, 0.55], [1.25, 1.45, 1.8], [4.3, 4.5, 4.85]])
    )
    rare = quantiles_of(mean[:, :1], 0.5 * scale[:, :1], shapes, whole)[:, 0, 0]
    assert rare == pytest.approx(np.array([[0.0, 0.0, 0.0], [0.05, 0.15, 0.325]]))


def test_every_level_that_is_whole_is_and_those_around_give_way() -> None:
    shapes = np.broadcast_to(np.float32([-0.3, -0.2, 0.0, 0.2, 0.3]), (1, 1, N_GROUPS, 5))
    mean, scale = np.float32([[[1.6], [0.25]]]), np.ones((1, 2, 1), np.float32)
    whole = np.array([[False, True, True, True, False]])
    many, few = quantiles_of(mean, scale, shapes, whole)[0, :, 0]
    assert many == pytest.approx([1.0, 1.0, 2.0, 2.0, 2.0])
    assert few == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.55])
