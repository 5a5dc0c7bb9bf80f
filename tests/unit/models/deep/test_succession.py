"""Models of the past say what a deep worker would have said, and nothing of what they saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch")

from deep_worlds import rhythm, small_about, small_config, small_network

from tidecast.models.deep.context import ClosedBin
from tidecast.models.deep.history import Scales
from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.model import Model
from tidecast.models.deep.succession import Succession, Successor
from tidecast.models.deep.worker import DeepWorker
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.settings import RegionsSettings
from tidecast.state.slabs import Slab

FIRST = 480_000
VALUES = rhythm().astype(np.float64)  # (bin, cell, series)
CELLS = [Cell(f"region {n}", "x") for n in range(VALUES.shape[1])]
SERIES = ("demand", "traffic")


def model(name: str, context_length: int = 10, seed: int = 3) -> LiveModel:
    """Return a model of the first four cells; it has learnt nothing."""
    config = small_config(n_cells=4, context_length=context_length, n_future=0, n_static=0)
    scales = Scales.of(VALUES[:, :4].astype(np.float32))
    trained = Model(small_network(config, seed), tuple(CELLS[:4]), scales, small_about())
    return LiveModel(name, trained, SERIES, BinGrid(HOUR), 3)


def slabs() -> Sequence[Slab]:
    """Return closed bins: cells join, bins are skipped, and one is corrected."""
    numbers = [*range(20), *range(24, 40)]
    found = [Slab(FIRST + n, VALUES[n, : 4 if n < 15 else 6]) for n in numbers]
    found.insert(30, Slab(FIRST + 31, VALUES[50], revision=1))
    return found


def run(succession: Succession, some: Sequence[Slab]) -> list[DeepForecast | None]:
    """Return what is said of each bin; corrections are taken in between."""
    said = []
    for slab in some:
        cells = CELLS[: len(slab.values)]
        if slab.revision:
            succession.correct(slab, cells)
        else:
            said.append(succession.answer(slab, cells, {}))
    return said


def bytes_of(said: DeepForecast | None) -> tuple[object, ...] | None:
    if said is None:
        return None
    return said.origin_bin, said.model, said.mean.tobytes(), said.scale.tobytes()


def test_it_says_of_every_bin_what_the_live_worker_says() -> None:
    worker, live = DeepWorker(model("first"), 2, RegionsSettings()), []
    for slab in slabs():
        worker.take(0, ClosedBin(slab.bin, CELLS[: len(slab.values)], slab.values))
        live += [said for _, said in worker.answers()]
    said = run(Succession([Successor(FIRST, model("first"))], 2), slabs())
    assert [bytes_of(each) for each in said] == [bytes_of(each) for each in live]
    assert all(each is not None and each.is_sound for each in said)
    assert len({bytes_of(each) for each in said}) == len(said) == 36


def test_nobody_speaks_of_what_it_was_made_of_and_the_last_trained_answers() -> None:
    second = Successor(FIRST + 27, model("second", context_length=5, seed=4))
    succession = Succession([second, Successor(FIRST + 10, model("first"))], 2)
    said = run(succession, slabs())
    names = {each.origin_bin - FIRST: each.model for each in said if each is not None}
    assert [n for n, name in names.items() if name == "first"] == [*range(10, 20), 24, 25, 26]
    assert [n for n, name in names.items() if name == "second"] == [*range(27, 40)]
    alone = run(Succession([second], 2), slabs())
    assert [bytes_of(each) for each in said[-13:]] == [bytes_of(each) for each in alone[-13:]]


@pytest.mark.parametrize("done", [5, 17, 31])
def test_it_goes_on_from_a_snapshot_to_the_byte(done: int) -> None:
    def fresh() -> Succession:
        return Succession([Successor(FIRST, model("first"))], 2)

    whole, half, rest = run(fresh(), slabs()), fresh(), fresh()
    before = run(half, slabs()[:done])
    known = CELLS[: max(len(slab.values) for slab in slabs()[:done])]
    rest.restore({name: array.copy() for name, array in half.snapshot().items()}, known)
    said = before + run(rest, slabs()[done:])
    assert [bytes_of(each) for each in said] == [bytes_of(each) for each in whole]
