"""Means that add up."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.reconcile import Hierarchy, NodeVariance, follow, reconcile
from tidecast.state.cells import Cell

CELLS = [Cell(region, category) for region in "abc" for category in ("x", "y")]
HIERARCHY = Hierarchy.of(CELLS)
RANDOM = np.random.default_rng(0)


def summing() -> np.ndarray:
    """Return the summing matrix, (node, cell), by its definition."""
    rows = [[cell.region == name for cell in CELLS] for name in "abc"]
    rows += [[cell.category == name for cell in CELLS] for name in ("x", "y")]
    return np.array([*rows, [True] * len(CELLS)], float)


def test_sums_are_those_of_regions_then_categories_then_the_total() -> None:
    values = RANDOM.uniform(size=(2, 6, 3))
    assert np.allclose(HIERARCHY.sums(values), np.einsum("nc,sch->snh", summing(), values))


def test_numbers_stay_when_cells_are_added() -> None:
    more = Hierarchy.of([*CELLS, Cell("d", "x")])
    assert more.region[:6].tolist() == HIERARCHY.region.tolist()


def test_what_adds_up_already_stays() -> None:
    mean = RANDOM.uniform(1, 5, size=(2, 6, 3))
    nodes = HIERARCHY.sums(mean)
    found = reconcile(mean, np.ones_like(mean), nodes, np.ones_like(nodes), HIERARCHY)
    assert np.allclose(found, mean, rtol=1e-6)


def test_the_result_is_that_of_minimum_trace() -> None:
    mean, variance = RANDOM.uniform(50, 90, size=(1, 6, 1)), RANDOM.uniform(1, 4, size=(1, 6, 1))
    node_mean = HIERARCHY.sums(mean) + RANDOM.normal(size=(1, 6, 1))
    node_variance = RANDOM.uniform(1, 4, size=(1, 6, 1))
    found = reconcile(mean, variance, node_mean, node_variance, HIERARCHY)[0, :, 0]
    whole = np.concatenate([summing(), np.eye(6)])  # the generalised least squares of the paper
    weight = np.diag(1 / np.concatenate([node_variance[0, :, 0], variance[0, :, 0]]))
    said = np.concatenate([node_mean[0, :, 0], mean[0, :, 0]])
    expected = np.linalg.solve(whole.T @ weight @ whole, whole.T @ weight @ said)
    assert np.allclose(found, expected, rtol=1e-5)


def test_a_total_that_is_certain_is_kept_and_moves_uncertain_cells_most() -> None:
    mean, variance = np.full((1, 6, 1), 10.0), np.ones((1, 6, 1))
    variance[0, 0] = 10.0
    node_mean, node_variance = np.full((1, 6, 1), np.nan), np.ones((1, 6, 1))
    node_mean[0, -1], node_variance[0, -1] = 75.0, 1e-9
    found = reconcile(mean, variance, node_mean, node_variance, HIERARCHY)[0, :, 0]
    assert found.sum() == pytest.approx(75.0)
    assert found[0] == pytest.approx(20.0, rel=1e-3)
    assert found[1] == pytest.approx(11.0, rel=1e-3)


def test_means_are_never_negative_and_the_rest_takes_what_they_cannot() -> None:
    mean, variance = np.full((1, 6, 1), 10.0), np.ones((1, 6, 1))
    mean[0, 0] = 0.5
    node_mean, node_variance = np.full((1, 6, 1), np.nan), np.ones((1, 6, 1))
    node_mean[0, -1], node_variance[0, -1] = 40.0, 1e-9
    found = reconcile(mean, variance, node_mean, node_variance, HIERARCHY)[0, :, 0]
    assert found[0] == 0.0
    assert found.sum() == pytest.approx(40.0, rel=1e-4)


def test_a_node_without_a_forecast_or_with_an_unknown_error_changes_nothing() -> None:
    mean = RANDOM.uniform(1, 5, size=(1, 6, 2))
    unknown, huge = np.full((1, 6, 2), np.nan), np.full((1, 6, 2), 1e6)
    ones, infinite = np.ones((1, 6, 2)), np.full((1, 6, 2), np.inf)
    assert np.allclose(reconcile(mean, ones, unknown, ones, HIERARCHY), mean, rtol=1e-5)
    assert np.allclose(reconcile(mean, ones, huge, infinite, HIERARCHY), mean, rtol=1e-5)


def test_no_cells_and_one_cell_are_left_alone() -> None:
    nothing = np.zeros((1, 0, 2))
    none = Hierarchy.of([])
    assert reconcile(nothing, nothing, np.ones((1, 1, 2)), np.ones((1, 1, 2)), none).size == 0
    one, alone = Hierarchy.of(CELLS[:1]), np.full((1, 1, 2), 3.0)
    nodes = np.full((1, 3, 2), 9.0)
    assert np.allclose(reconcile(alone, alone, nodes, nodes, one), 3.0)


def test_nodes_that_are_all_certain_and_disagree_are_survived() -> None:
    mean = RANDOM.uniform(1e5, 2e5, size=(1, 6, 2))
    nodes = 1.1 * HIERARCHY.sums(mean)
    nodes[:, 0] *= 1.2
    found = reconcile(mean, 1e8 * np.ones_like(mean), nodes, np.zeros_like(nodes), HIERARCHY)
    assert np.isfinite(found).all()
    assert abs(found.sum() / nodes[:, -1].sum() - 1.0) < 0.05


def test_better_nodes_make_better_cells() -> None:
    truth = RANDOM.uniform(20, 40, size=(1, 6, 500))
    mean = truth + 3.0 * RANDOM.normal(size=truth.shape)
    nodes = HIERARCHY.sums(truth) + RANDOM.normal(size=(1, 6, 500))
    found = reconcile(mean, np.full_like(mean, 9.0), nodes, np.ones_like(nodes), HIERARCHY)
    assert ((found - truth) ** 2).mean() < 0.6 * ((mean - truth) ** 2).mean()


def test_quantiles_follow_their_means_by_ratio() -> None:
    quantiles = np.array([[[[1.0, 2.0, 4.0]], [[0.0, 0.0, 1.0]]]], np.float32)
    mean, moved = np.array([[[2.0], [0.0]]], np.float32), np.array([[[3.0], [0.0]]], np.float32)
    found = follow(quantiles, mean, moved)[0, :, 0]
    assert found.tolist() == [[1.5, 3.0, 6.0], [0.0, 0.0, 1.0]]


def test_variances_are_mean_squares_that_a_burst_moves_little() -> None:
    variance = NodeVariance(1, 2)
    assert np.isinf(variance.of(2)).all()
    for _ in range(50):
        variance.learn(np.array([[2.0, np.nan]]), lead=1)
    assert variance.of(2)[0, :, 0].tolist() == [4.0, np.inf]
    variance.learn(np.array([[1e9, np.nan]]), lead=1)
    assert variance.of(2)[0, 0, 0] < 8.0


def test_restored_variances_are_the_same() -> None:
    variance, other = NodeVariance(1, 1), NodeVariance(1, 1)
    variance.learn(np.array([[2.0]]), lead=1)
    other.restore(variance.snapshot())
    assert other.of(1).tobytes() == variance.of(1).tobytes()
