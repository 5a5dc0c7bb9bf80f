"""Ids of events: those that come twice are known, within bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.event_ids import EventIds

ids_ = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=60)


def admit(seen: EventIds, pairs: list[tuple[int, int]]) -> list[bool]:
    ids = np.array([id_ for id_, _ in pairs], np.uint64)
    return seen.admit(ids, np.array([bin_ for _, bin_ in pairs], np.int64)).tolist()


def by_hand(pairs: list[tuple[int, int]], most: int) -> tuple[list[bool], int]:
    """Return which are fresh and how many were unremembered, one after the other."""
    known: set[int] = set()
    fresh, unremembered = [], 0
    for id_, _ in pairs:
        fresh.append(id_ == 0 or id_ not in known)
        if id_ and id_ not in known:
            if len(known) < most:
                known.add(id_)
            else:
                unremembered += 1
    return fresh, unremembered


@given(ids_, st.integers(1, 14), st.lists(st.integers(0, 60), max_size=5))
def test_ids_are_told_apart_whatever_the_batches(
    pairs: list[tuple[int, int]], most: int, stops: list[int]
) -> None:
    seen, fresh, at = EventIds(most), [], 0
    for stop in [*sorted(stops), len(pairs)]:
        fresh += admit(seen, pairs[at:stop])
        at = max(at, stop)
    assert (fresh, seen.unremembered) == by_hand(pairs, most)


def test_an_id_is_forgotten_with_its_bin_and_makes_room() -> None:
    seen = EventIds(most=2)
    assert admit(seen, [(1, 5), (2, 6), (3, 6)]) == [True, True, True]
    seen.drop(5)
    assert admit(seen, [(1, 7), (2, 7), (3, 7)]) == [True, False, True]
    assert seen.unremembered == 2


def test_an_id_counts_in_all_remembered_bins() -> None:
    seen = EventIds(most=9)
    assert admit(seen, [(1, 5)]) == [True]
    assert admit(seen, [(1, 6)]) == [False]
    seen.drop(6)
    assert admit(seen, [(1, 7)]) == [False]


def test_many_ids_are_remembered() -> None:
    seen = EventIds(most=200_000)
    ids = np.random.default_rng(1).permutation(100_000).astype(np.uint64) + np.uint64(1)
    bins = (ids % np.uint64(3)).astype(np.int64)
    for part in range(0, len(ids), 1_000):
        assert seen.admit(ids[part : part + 1_000], bins[part : part + 1_000]).all()
    assert not seen.admit(ids, bins).any()
    seen.drop(1)
    assert (seen.admit(ids, bins) == (bins == 1)).all()
