"""One model of a folder is the champion; swaps are whole, and can be taken back."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

pytest.importorskip("torch")

from deep_worlds import N_CELLS, rhythm, small_about, small_config, small_network

from tidecast.models.deep.folder import save_model
from tidecast.models.deep.history import Scales
from tidecast.models.deep.model import Model
from tidecast.models.deep.registry import Registry
from tidecast.models.deep.standing import LineUp, Standing
from tidecast.state.cells import Cell
from tidecast.state.errors import CheckpointError

ABOUT = small_about()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    cells = tuple(Cell(str(number), "books") for number in range(N_CELLS))
    model = Model(small_network(small_config()), cells, Scales.of(rhythm()), ABOUT)
    for name in ("a", "b", "c"):
        save_model(tmp_path / name, model, {"mae": 1.0})
    return Registry(tmp_path)


def test_without_a_promotion_all_are_challengers(registry: Registry) -> None:
    assert registry.standing() == Standing()
    assert registry.challengers() == ("a", "b", "c")


def test_the_one_before_comes_back_and_the_champion_is_rejected(registry: Registry) -> None:
    for name in ("a", "b", "c"):
        registry.promote(name)
    assert registry.standing() == Standing(champion="c", before=("a", "b"))
    registry.roll_back()
    assert registry.standing() == Standing(champion="b", before=("a",), rejected=("c",))
    registry.promote("c")
    assert registry.standing() == Standing(champion="c", before=("a", "b"))


def test_a_champion_promoted_again_stays_as_it_is(registry: Registry) -> None:
    registry.promote("a")
    assert registry.promote("a") == Standing(champion="a")


def test_without_one_before_nothing_comes_back(registry: Registry) -> None:
    registry.promote("a")
    with pytest.raises(CheckpointError, match="no champion was before"):
        registry.roll_back()
    assert registry.standing() == Standing(champion="a")


def test_a_rollback_of_another_champion_changes_nothing(registry: Registry) -> None:
    registry.promote("a")
    registry.promote("b")
    assert registry.roll_back(champion="a").champion == "b"
    assert registry.roll_back(champion="b").champion == "a"


def test_a_promotion_after_another_champion_changes_nothing(registry: Registry) -> None:
    registry.promote("a")
    registry.promote("b")
    assert registry.promote("c", champion="a").champion == "b"
    assert registry.promote("c", champion="b").champion == "c"


def test_the_last_challengers_and_the_champion_before_are_lined_up(registry: Registry) -> None:
    assert registry.line_up() is None
    registry.promote("a")
    assert registry.line_up() == LineUp("a", ("b", "c"), None)
    shutil.copytree(registry.root / "c", registry.root / "d")
    assert registry.line_up() == LineUp("a", ("c", "d"), None)
    registry.promote("c")
    registry.promote("d")
    assert registry.line_up() == LineUp("d", ("b",), "c")
    registry.reject("b")
    registry.roll_back()
    registry.roll_back()
    assert registry.line_up() is None


def test_a_rejected_challenger_is_no_challenger_any_more(registry: Registry) -> None:
    registry.promote("a")
    registry.reject("b")
    registry.reject("a")  # the champion cannot be
    assert registry.standing() == Standing(champion="a", rejected=("b",))
    assert registry.challengers() == ("c",)


def test_a_model_that_is_not_whole_is_neither_promoted_nor_brought_back(
    registry: Registry,
) -> None:
    registry.promote("a")
    registry.promote("b")
    (registry.root / "c" / "complete.json").unlink()
    with pytest.raises(CheckpointError, match="no whole model 'c': there are a, b"):
        registry.promote("c")
    (registry.root / "a" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is damaged"):
        registry.roll_back()
    assert registry.standing().champion == "b"


def test_a_standing_that_could_not_be_written_leaves_the_one_before(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote("a")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        registry.promote("b")
    assert registry.standing() == Standing(champion="a")


@pytest.mark.parametrize("text", ["", "{", '{"champion": 3}', '{"format": 2}'])
def test_a_damaged_standing_is_refused_by_name(registry: Registry, text: str) -> None:
    (registry.root / "registry.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"registry.json cannot be read"):
        registry.standing()


def test_readers_never_see_half_a_swap(registry: Registry) -> None:
    registry.promote("a")
    ended = threading.Event()
    seen: set[str | None] = set()

    def read() -> None:
        while not ended.is_set():
            seen.add(registry.standing().champion)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(20):
            registry.promote("b")
            registry.promote("a")
    finally:
        ended.set()
        reader.join()
    assert seen <= {"a", "b"}


def test_two_who_change_the_standing_at_once_lose_nothing(registry: Registry) -> None:
    registry.promote("a")
    threads = [threading.Thread(target=registry.reject, args=(name,)) for name in ("b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(registry.standing().rejected) == {"b", "c"}
