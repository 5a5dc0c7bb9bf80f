"""Examples that wait for their targets."""

from __future__ import annotations

import numpy as np
from tree_worlds import FIRST_BIN, HORIZON, TreeWorld, counts, tree_profile

from tidecast.models.periodic.examples import Examples
from tidecast.models.periodic.features import FEATURES

LEAD = FEATURES.index("lead")
SETTLED = 12
"""Bins after which a cell without seasons is old enough to be learnt from."""


def gathered(examples: Examples, world: TreeWorld, slabs: list[np.ndarray]) -> Examples:
    for slab, rows in world.rows(slabs):
        examples.fill(slab.bin, slab.values)
        examples.add(rows)
    return examples


def test_the_target_of_a_lead_is_the_value_so_many_bins_after_the_origin() -> None:
    examples, world = Examples(1, HORIZON, span=100, max_rows=10_000), TreeWorld(tree_profile())
    slabs = [np.array([[float(n)]]) for n in range(30)]
    steps = list(world.rows(slabs[:20]))
    origin = steps[-1][1]
    examples.add(origin)
    for slab, _ in world.rows(slabs[20:]):
        examples.fill(slab.bin, slab.values)
    known = examples.known(0)
    values = known.target * origin.unit[0, 0] + origin.usual[:, 0, 0]
    assert np.allclose(values, [20.0, 21.0, 22.0], rtol=1e-5)
    assert known.features[:, LEAD].tolist() == [1.0, 2.0, 3.0]


def test_rows_whose_target_is_not_known_yet_are_not_learnt_from() -> None:
    examples, world = Examples(1, HORIZON, span=100, max_rows=10_000), TreeWorld(tree_profile())
    known = gathered(examples, world, counts(SETTLED + 10, [5.0])).known(0)
    leads = known.features[:, LEAD].tolist()
    assert [leads.count(lead) for lead in (1, 2, 3)] == [9, 8, 7]


def test_missing_values_are_not_learnt_from() -> None:
    examples, world = Examples(1, HORIZON, span=100, max_rows=10_000), TreeWorld(tree_profile())
    slabs = [np.array([[5.0], [np.nan]])] * (SETTLED + 20)
    known = gathered(examples, world, slabs).known(0)
    assert len(known.target) == 19 + 18 + 17


def test_young_cells_are_not_learnt_from_for_their_units_are_not_known() -> None:
    examples, world = Examples(1, HORIZON, span=100, max_rows=10_000), TreeWorld(tree_profile())
    slabs = [np.full((1 if n < 20 else 2, 1), 5.0) for n in range(40)]
    known = gathered(examples, world, slabs).known(0)
    first = known.origin - FIRST_BIN
    assert first.min() == SETTLED
    assert [int((first == n).sum()) for n in (20, 31, 32, 33)] == [3, 3, 6, 6]


def test_no_more_rows_than_allowed_are_kept_and_every_cell_and_lead_is_among_them() -> None:
    profile = tree_profile(n_series=2)
    examples, world = Examples(2, HORIZON, span=40, max_rows=480), TreeWorld(profile)
    slabs = [np.arange(2.0, 42.0).reshape(20, 2)] * 100
    gathered(examples, world, slabs)
    kept = examples.snapshot()
    assert kept["target"].shape == (2, 240)
    assert set(kept["cell"].tolist()) == set(range(20))
    assert np.bincount(kept["lead"]).tolist() == [0, 80, 80, 80]
    assert kept["origin"].tolist() == [*range(FIRST_BIN + 60, FIRST_BIN + 100)]


def test_new_rows_count_more_than_old_ones() -> None:
    examples, world = Examples(1, HORIZON, span=80, max_rows=10_000), TreeWorld(tree_profile())
    weight = gathered(examples, world, counts(SETTLED + 32, [5.0])).known(0).weight
    assert (np.diff(weight) >= 0).all()
    assert np.isclose(weight[0], 0.5)  # 30 of 80 bins old


def test_restored_examples_go_on_to_the_byte() -> None:
    one, world = Examples(1, HORIZON, span=30, max_rows=500), TreeWorld(tree_profile())
    slabs = counts(60, [1.0, 5.0, 30.0])
    gathered(one, world, slabs[:40])
    other = Examples(1, HORIZON, span=30, max_rows=500)
    other.restore({name: array.copy() for name, array in one.snapshot().items()})
    for slab, rows in world.rows(slabs[40:]):
        for examples in (one, other):
            examples.fill(slab.bin, slab.values)
            examples.add(rows)
    expected, found = one.snapshot(), other.snapshot()
    assert {n: a.tobytes() for n, a in found.items()} == {
        n: a.tobytes() for n, a in expected.items()
    }


def test_a_snapshot_does_not_change_later() -> None:
    examples, world = Examples(1, HORIZON, span=30, max_rows=500), TreeWorld(tree_profile())
    slabs = counts(30, [1.0, 5.0])
    gathered(examples, world, slabs[:20])
    snapshot = examples.snapshot()
    before = {name: array.tobytes() for name, array in snapshot.items()}
    gathered(examples, world, slabs[20:])
    assert {name: array.tobytes() for name, array in snapshot.items()} == before


def test_every_series_has_rows_of_its_own() -> None:
    examples, world = (
        Examples(2, HORIZON, span=100, max_rows=10_000),
        TreeWorld(tree_profile(n_series=2)),
    )
    slabs = [np.array([[5.0, np.nan if n < 30 else 50.0]]) for n in range(50)]
    gathered(examples, world, slabs)
    first, second = examples.known(0), examples.known(1)
    assert first.origin.min() == FIRST_BIN + SETTLED
    assert second.origin.min() == FIRST_BIN + 30 + SETTLED
    assert (first.target == 0.0).all()
