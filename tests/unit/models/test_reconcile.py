"""Cells that agree with what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy
from tidecast.models.reconcile import FARTHEST, reconcile
from tidecast.state.cells import ALL, Cell

CELLS = [Cell(region, category) for region in "abcd" for category in ("x", "y", "z")]
HIERARCHY = Hierarchy()
HIERARCHY.see(CELLS)
N_NODES = len(HIERARCHY.nodes)
TOTAL = HIERARCHY.nodes.index(Cell(ALL, ALL))
Values = NDArray[np.float64]


def only_total(own: float, worth: float) -> tuple[Values, Values]:
    """Return means and worths of nodes of which only the total says anything."""
    said, closed = np.full((N_NODES, 1), np.nan), np.zeros((N_NODES, 1))
    said[TOTAL], closed[TOTAL] = own, worth
    return said, closed


def test_cells_that_add_up_already_stay() -> None:
    mean = np.random.default_rng(0).uniform(1, 5, (12, 2, 3))
    nodes = HIERARCHY.sums(mean)
    found = reconcile(mean, np.ones_like(mean), nodes, np.full_like(nodes, 0.7), HIERARCHY)
    assert np.allclose(found, mean)


def test_the_result_is_that_of_minimum_trace() -> None:
    random = np.random.default_rng(1)
    mean, variance = random.uniform(50, 90, (12, 1)), random.uniform(1, 4, (12, 1))
    own = HIERARCHY.sums(mean) + random.normal(size=(N_NODES, 1))
    worth = random.uniform(0.2, 0.8, (N_NODES, 1))
    summing = HIERARCHY.spread(np.eye(N_NODES)).T  # (node, cell)
    noise = HIERARCHY.sums(variance) * (1 / worth - 1)
    # the generalised least squares of the paper
    whole = np.concatenate([summing, np.eye(12)])
    weight = np.diag(1 / np.concatenate([noise, variance])[:, 0])
    said = np.concatenate([own, mean])
    expected = np.linalg.solve(whole.T @ weight @ whole, whole.T @ weight @ said)
    found = reconcile(mean, variance, own, worth, HIERARCHY)
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected - mean).max()


def test_of_the_gap_of_a_node_alone_its_worth_is_closed_and_uncertain_cells_move_most() -> None:
    mean, variance = np.full((12, 1), 10.0), np.ones((12, 1))
    variance[0] = 9.0
    own, worth = only_total(140.0, 0.5)
    found = reconcile(mean, variance, own, worth, HIERARCHY)
    assert found.sum() == pytest.approx(130.0)
    assert (found[0] - 10.0) / (found[1] - 10.0) == pytest.approx(9.0)


def test_a_node_that_says_nothing_or_is_worth_nothing_changes_nothing() -> None:
    mean, ones = np.random.default_rng(2).uniform(1, 5, (12, 1)), np.ones((12, 1))
    for own, worth in (only_total(np.nan, 0.5), only_total(1e6, 0.0)):
        assert np.array_equal(reconcile(mean, ones, own, worth, HIERARCHY), mean)


def test_no_cell_gets_negative_and_the_others_take_what_it_cannot() -> None:
    mean, variance = np.full((12, 1), 10.0), np.ones((12, 1))
    mean[0], variance[0] = 0.5, 5.0
    own, worth = only_total(80.0, 0.9)
    found = reconcile(mean, variance, own, worth, HIERARCHY)
    assert found[0] == pytest.approx(0.5 / FARTHEST)
    # what the first cell kept is part of the gap of which nine tenths are closed
    assert found.sum() == pytest.approx(110.1 - 0.9 * 30.1)


def test_a_zero_stays_zero_whatever_is_said_of_the_sum() -> None:
    mean = np.zeros((12, 1))
    mean[3] = 1.0
    own, worth = only_total(1e9, 0.9)
    found = reconcile(mean, np.ones((12, 1)), own, worth, HIERARCHY)
    assert found[3] == FARTHEST
    assert found.sum() == FARTHEST


def test_nodes_that_are_all_followed_and_disagree_are_survived() -> None:
    mean = np.random.default_rng(3).uniform(1e5, 2e5, (12, 2))
    own = 1.1 * HIERARCHY.sums(mean)
    own[1] *= 1.2
    found = reconcile(mean, 1e8 * np.ones_like(mean), own, np.ones_like(own), HIERARCHY)
    assert np.isfinite(found).all()
    assert abs(found.sum() / own[TOTAL].sum() - 1.0) < 0.1


def test_no_cells_are_left_alone() -> None:
    nothing = np.zeros((0, 2))
    assert reconcile(nothing, nothing, nothing, nothing, Hierarchy()).size == 0


def test_better_nodes_make_better_cells() -> None:
    random = np.random.default_rng(4)
    truth = random.uniform(20, 40, (12, 500))
    mean = truth + 3.0 * random.normal(size=truth.shape)
    own = HIERARCHY.sums(truth) + random.normal(size=(N_NODES, 500))
    worth = np.full_like(own, 0.9)
    found = reconcile(mean, np.full_like(mean, 9.0), own, worth, HIERARCHY)
    assert ((found - truth) ** 2).mean() < 0.7 * ((mean - truth) ** 2).mean()
