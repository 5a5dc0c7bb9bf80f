"""Which values are bursts, and what level and scale learn of them."""

from __future__ import annotations

import numpy as np

from tidecast.models.guard import PATIENCE, Guard

CALM = [10.0, 12.0, 8.0, 10.0] * 10


def run(values: list[float], guard: Guard | None = None) -> list[bool]:
    """Return which of the values of one cell are suspended."""
    guard = guard or Guard(n_series=1, memory=50)
    guard.grow(1)
    found = []
    for value in values:
        slab = np.array([[value]])
        found.append(bool(guard.judge(slab)[0][0, 0]))
        guard.learn(slab)
    return found


def test_ordinary_values_are_learnt() -> None:
    assert not any(run(np.random.default_rng(0).poisson(20.0, 200).astype(float).tolist()))


def test_rare_demand_is_learnt() -> None:
    values = np.zeros(2000)
    values[np.random.default_rng(0).random(2000) < 0.01] = 6.0
    assert not any(run(values.tolist()))


def test_one_burst_is_suspended_and_nothing_else() -> None:
    found = run([*CALM, 500.0, *CALM])
    assert np.flatnonzero(found).tolist() == [len(CALM)]


def test_a_burst_down_is_suspended_too() -> None:
    assert run([*CALM, -500.0])[-1]


def test_level_and_scale_learn_a_burst_as_if_it_had_been_within_reach() -> None:
    guard = Guard(n_series=1, memory=50)
    run([*CALM, 500.0], guard)
    assert 10.0 < guard.level[0, 0] < 11.0
    assert guard.scale[0, 0] < 6.0


def test_a_cell_that_often_has_bursts_is_soon_known_for_it() -> None:
    found = run(([10.0] * 9 + [200.0]) * 20)
    assert sum(found[:100]) >= 2
    assert not any(found[100:])


def test_a_lasting_shift_is_learnt_after_a_few_bins() -> None:
    guard = Guard(n_series=1, memory=50)
    found = run([*CALM, *[500.0] * 20], guard)[len(CALM) :]
    assert found == [True] * PATIENCE + [False] * (20 - PATIENCE)
    assert guard.level[0, 0] > 100.0


def test_absurd_values_that_are_admitted_are_believed_in_part() -> None:
    guard = Guard(n_series=1, memory=50)
    run([*CALM, *[1e12] * (PATIENCE + 2)], guard)
    assert guard.within(np.array([[1e12]]))[0, 0] < 1000.0
    assert guard.scale[0, 0] < 100.0


def test_the_more_absurd_values_are_the_longer_they_must_last() -> None:
    absurd = run([*CALM, *[1e12] * 30])[len(CALM) :]
    assert absurd[:7] == [True] * 7
    assert not absurd[-1]
    assert run([*CALM, *[500.0] * 4])[-4:] == [True, True, True, False]


def test_a_shift_of_any_size_is_believed_within_some_bins() -> None:
    guard = Guard(n_series=1, memory=50)
    run([*CALM, *[10_000.0] * 20], guard)
    assert guard.within(np.array([[10_000.0]]))[0, 0] == 10_000.0


def test_a_shift_that_not_every_bin_tells_of_stays_admitted() -> None:
    assert not any(run([*CALM, *[500.0] * 8, 11.0, 11.0, 500.0])[-3:])


def test_a_shift_is_told_once_when_it_is_admitted() -> None:
    guard, told = Guard(n_series=1, memory=50), []
    run(CALM, guard)
    for _ in range(8):
        told.append(bool(guard.judge(np.array([[500.0]]))[1][0, 0]))
        guard.learn(np.array([[500.0]]))
    assert told == [number == PATIENCE for number in range(8)]


def test_a_burst_on_the_other_side_begins_anew() -> None:
    up, down = [500.0] * PATIENCE, [-500.0] * PATIENCE
    assert all(run([*CALM, *up, *down])[len(CALM) :])


def test_missing_values_neither_teach_nor_end_a_run() -> None:
    guard = Guard(n_series=1, memory=50)
    assert run([10.0, np.nan, 10.0, np.nan], guard) == [False] * 4
    assert guard.level.tolist() == [[10.0]]
    assert run([*CALM, 500.0, np.nan, 500.0, 500.0, 500.0])[-4:] == [False, True, True, False]


def test_scale_is_positive_before_and_without_any_spread() -> None:
    guard = Guard(n_series=1, memory=50)
    for value in (np.nan, 0.0, 0.0):
        run([value], guard)
        assert (guard.scale > 0).all()


def test_level_and_scale_are_those_of_the_values() -> None:
    guard = Guard(n_series=1, memory=500)
    values = np.random.default_rng(0).normal(100.0, 7.0, 500)
    run(values.tolist(), guard)
    assert abs(guard.level[0, 0] - values.mean()) < 1e-6
    assert abs(guard.scale[0, 0] - values.std()) < 1e-6


def test_the_ceiling_follows_a_shift_at_once() -> None:
    guard = Guard(n_series=1, memory=50)
    run([*CALM, *[500.0] * (PATIENCE + 1)], guard)
    assert guard.ceiling[0, 0] > 500.0
