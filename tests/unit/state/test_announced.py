"""Covariates that topics tell, as far as announced in the forecaster's log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slabs import settings_with

from tidecast.state import announced
from tidecast.state.announced import AnnouncedCovariates
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.covariate_file import read_covariates
from tidecast.state.cuts import Announced, Announcement

MINUTE = 60_000_000
CELLS = [Cell("north", "toys"), Cell("south", "books")]
SETTINGS = settings_with(
    covariates=[
        {"name": "promotion", "topic": "told", "by": ["region"], "absent": 0},
        {"name": "frost", "topic": "told", "kind": "past"},
    ]
)


class World:
    """What was announced, and what is known of it."""

    def __init__(self, reach: int = 10) -> None:
        self.table = read_covariates(SETTINGS)
        self.announced = AnnouncedCovariates(SETTINGS, self.table, reach)
        self.upto = 0

    def tell(self, *rows: dict[str, Any], next_bin: int | None = 100) -> None:
        """Announce rows, one record each, before ``next_bin`` closes."""
        told = [row(self.upto + n, **fields) for n, fields in enumerate(rows)]
        self.upto += len(rows)
        self.announced.take(Announcement("told", 0, self.upto, tuple(told)), next_bin)

    def promotion(self, bins: range, origin: int) -> list[list[float]]:
        """Return what is known of promotions at the end of a bin: a list a bin."""
        of = self.table.of_kind("known")
        return of.at(bins, of.columns(CELLS), (origin + 1) * MINUTE)[0].tolist()


def row(offset: int, first: int, value: float, **fields: Any) -> Announced:
    fields = {"name": "promotion", "region": "north", "category": None, "known_at": None} | fields
    return Announced(offset, first=first, last=fields.pop("last", first), value=value, **fields)


def test_what_is_announced_is_known_from_the_next_bin_on() -> None:
    world = World()
    world.tell({"first": 101, "last": 102, "value": 2.0}, next_bin=100)
    assert world.promotion(range(100, 104), origin=99) == [[0, 0], [2, 0], [2, 0], [0, 0]]
    assert world.promotion(range(101, 102), origin=98) == [[0, 0]]


def test_what_says_when_it_is_known_is_not_known_before() -> None:
    world = World()
    world.tell({"first": 105, "value": 2.0, "known_at": 103 * MINUTE})
    known = [world.promotion(range(105, 106), origin)[0][0] for origin in (100, 101, 102)]
    assert known == [0, 0, 2]


def test_what_is_read_later_counts_and_takes_back() -> None:
    world = World()
    world.tell({"first": 105, "value": 2.0}, {"first": 105, "value": 3.0})
    assert world.promotion(range(105, 106), 101)[0][0] == 3
    world.tell({"first": 105, "value": 4.0, "known_at": 7 * MINUTE}, next_bin=101)
    assert world.promotion(range(105, 106), 101)[0][0] == 4
    world.tell({"first": 105, "value": np.nan}, next_bin=101)
    assert np.isnan(world.promotion(range(105, 106), 101)[0][0])
    assert len(world.table.named("promotion").bins) == 1


def test_what_is_announced_twice_counts_once() -> None:
    world = World()
    one, two = row(0, 105, 2.0), row(1, 105, 3.0)
    world.announced.take(Announcement("told", 0, 2, (one, two)), 100)
    world.announced.take(Announcement("told", 0, 1, (one,)), 100)
    assert world.promotion(range(105, 106), 101)[0][0] == 3
    assert world.announced.positions == {("told", 0): 2}
    world.announced.take(Announcement("told", 1, 1, (row(0, 105, 5.0),)), 100)
    assert world.promotion(range(105, 106), 101)[0][0] == 5


def test_bins_long_closed_and_their_keys_are_forgotten() -> None:
    world = World(reach=10)
    world.tell({"first": 5, "last": 95, "value": 1.0, "region": "west"}, next_bin=None)
    assert len(world.table.named("promotion").bins) == 91
    world.tell({"first": 100, "value": 1.0}, next_bin=100)
    assert sorted(world.table.named("promotion").bins) == [*range(90, 96), 100]
    world.tell({"first": 200, "value": 1.0}, next_bin=200)
    assert world.table.named("promotion").keys == (("north", None),)


def test_more_rows_than_there_is_room_for_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announced, "MOST_ROWS", 5)
    world = World()
    world.tell({"first": 100, "last": 109, "value": 1.0})
    assert world.table.named("promotion").bins.tolist() == [100, 101, 102, 103, 104]


def test_what_a_past_covariate_was_is_told_when_it_is_known() -> None:
    world = World()
    world.tell({"name": "frost", "first": 99, "value": -4.0, "region": None})
    past = world.table.of_kind("past")
    newest = past.newest(range(90, 101), past.columns(CELLS), 100 * MINUTE)
    assert newest.tolist() == [[-4.0, -4.0]]


def test_names_that_no_covariate_has_say_nothing() -> None:
    world = World()
    world.tell({"name": "rain", "first": 100, "value": 1.0})
    assert world.announced.positions == {("told", 0): 1}


def test_a_restored_one_goes_on_to_the_byte() -> None:
    world, other = World(), World()
    world.tell({"first": 105, "value": 2.0}, {"first": 103, "value": 1.0, "region": "south"})
    other.announced.restore(*unpack(pack(*world.announced.snapshot())))
    other.upto = world.upto
    for each in (world, other):
        each.tell({"first": 106, "value": 2.0, "region": "east"}, next_bin=104)
    assert pack(*world.announced.snapshot()) == pack(*other.announced.snapshot())
    assert other.promotion(range(105, 106), 104) == [[2, 0]]
