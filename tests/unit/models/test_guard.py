"""What may be learnt from."""

from __future__ import annotations

import numpy as np

from tidecast.models.guard import Guard


def admitted(values: list[float]) -> list[float]:
    guard = Guard(n_series=1, memory=50)
    return [float(guard.admit(np.array([[value]]))[0, 0]) for value in values]


def test_ordinary_values_are_admitted_as_they_are() -> None:
    values = np.random.default_rng(0).poisson(20.0, 200).astype(float).tolist()
    assert admitted(values) == values


def test_rare_demand_is_admitted_as_it_is() -> None:
    values = np.zeros(2000)
    values[np.random.default_rng(0).random(2000) < 0.01] = 6.0
    assert admitted(values.tolist()) == values.tolist()


def test_one_burst_is_pulled_in() -> None:
    assert admitted([10.0, 12.0, 8.0, 10.0] * 10 + [500.0])[-1] < 50.0


def test_a_burst_down_is_pulled_in_too() -> None:
    assert admitted([10.0, 12.0, 8.0, 10.0] * 10 + [-500.0])[-1] > -50.0


def test_a_lasting_shift_is_admitted_whole_after_a_few_bins() -> None:
    found = admitted([10.0, 12.0, 8.0, 10.0] * 10 + [500.0] * 8)
    assert found[40] < 50.0
    assert found[-1] == 500.0


def test_a_burst_after_one_on_the_other_side_is_pulled_in_as_if_it_were_the_first() -> None:
    calm = [10.0, 12.0, 8.0, 10.0] * 10
    same_side, other_side = admitted([*calm, 500.0, 500.0]), admitted([*calm, -500.0, 500.0])
    assert other_side[-1] < 70.0 < same_side[-1]


def test_missing_and_infinite_values_teach_nothing() -> None:
    guard = Guard(n_series=1, memory=50)
    for value in (10.0, np.nan, np.inf, 10.0, -np.inf):
        guard.admit(np.array([[value]]))
    assert guard.level.tolist() == [[10.0]]
    assert np.isnan(admitted([1.0, np.inf])[-1])


def test_scale_is_positive_before_and_without_any_spread() -> None:
    guard = Guard(n_series=1, memory=50)
    for value in (np.nan, 0.0, 0.0):
        guard.admit(np.array([[value]]))
        assert (guard.scale > 0).all()


def test_level_and_scale_are_those_of_the_values() -> None:
    guard = Guard(n_series=1, memory=500)
    values = np.random.default_rng(0).normal(100.0, 7.0, 500)
    for value in values:
        guard.admit(np.array([[value]]))
    assert abs(guard.level[0, 0] - values.mean()) < 1e-6
    assert abs(guard.scale[0, 0] - values.std()) < 1e-6
