"""The sample of cells that peers forecast."""

from __future__ import annotations

from tidecast.models.peers.sample import sample_cells


def test_the_sample_is_the_same_for_the_same_seed_and_no_other() -> None:
    first, again, other = (sample_cells(1_000, 20, seed).tolist() for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_cells_are_taken_once_each_in_their_order() -> None:
    sample = sample_cells(103, 100, seed=0).tolist()
    assert sample == sorted(set(sample))
    assert len(sample) == 100
    assert set(sample) <= set(range(103))


def test_all_cells_are_taken_where_there_are_no_more() -> None:
    assert sample_cells(20, 20, seed=3).tolist() == list(range(20))
