"""``tidecast bench transfer``: all ways are judged on the same days, and learn from known bins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from tidecast.state.errors import SettingsError
from tidecast.tools.bench import transfer as bench
from tidecast.tools.bench import transfer_run as run
from tidecast.tools.bench.transfer_run import (
    Taught,
    Window,
    of_last_day,
    of_network,
    of_ridge,
)
from tidecast.tools.deep.data import Asked, Data, read_data
from tidecast.tools.main import cli

DAY = 24


def place(path: Path, n_cells: int, n_days: int, noise: bool = True) -> Path:
    hours = np.arange(n_days * DAY)[:, None]
    usual = (20.0 + 10.0 * np.arange(n_cells)) * (1.5 + np.sin(2 * np.pi * hours / DAY))
    values = np.random.default_rng(1).poisson(usual) if noise else usual
    np.savez(path, x=values, start=np.array("2024-01-01 00:00"))
    return path


def window_of(data: Data, origin: int = 20 * DAY, days: int = 2) -> Window:
    first, end = origin - days * DAY, origin + 5 * DAY
    part = Data(
        data.values[first:end],
        data.series,
        data.cells,
        data.grid,
        data.first_bin + first,
        data.positions,
    )
    return Window(part, days * DAY, context=24, horizon=12)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return read_data(place(tmp_path / "small.npz", 3, 40), Asked(freq="1h"))


@pytest.fixture
def calm(tmp_path: Path) -> Data:
    return read_data(place(tmp_path / "calm.npz", 3, 40, noise=False), Asked(freq="1h"))


def test_who_says_the_day_before_is_right_where_days_are_alike(calm: Data, data: Data) -> None:
    assert of_last_day(window_of(calm)).mae == pytest.approx(0.0, abs=1e-4)
    window = window_of(data)
    actual = window.data.values[:, :, 0]
    errors = [
        np.abs(actual[origin + lead] - actual[origin + lead - DAY])
        for origin in window.judged
        for lead in range(12)
    ]
    assert of_last_day(window).mae == pytest.approx(np.mean(errors), rel=1e-5)


def test_ridge_learns_a_rhythm_and_beats_the_day_before(calm: Data, data: Data) -> None:
    assert of_ridge(window_of(calm), 1e-6).mae < 0.5
    week = window_of(data, days=7)
    assert of_ridge(week, 0.1).mae < of_last_day(week).mae


def test_no_target_of_a_judged_bin_is_learnt(data: Data) -> None:
    window = window_of(data)
    assert window.learnt.max() + window.horizon == window.n_learnt == window.judged.min()
    assert len(window.known.values) == window.n_learnt
    assert len(window.learnt) == 13  # of two days: a day of context, then twelve leads
    assert window.judged.max() + window.horizon == len(window.data.values)
    assert np.array_equal(window.actual(window.judged)[5, :, 2], window.data.values[55, :, 0])


def test_both_ways_learn_from_the_known_bins_alone(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PRETRAINING", {"steps": 3, "batch_size": 4})
    large = read_data(place(tmp_path / "large.npz", 4, 20), Asked(freq="1h"))
    model = bench._pretrained(large, 1, None)
    assert model.cells == ()
    learnt = []
    fit = run.accuracy_of
    monkeypatch.setattr(
        run, "accuracy_of", lambda network, *rest: learnt.append(network) or fit(network, *rest)
    )
    for way in (run.FRESH, "all"):
        window = window_of(data)
        of_network(window, model, way, Taught(2, 1e-3), seed=1)
        window.data.values[window.n_learnt :] = 500.0
        of_network(window, model, way, Taught(2, 1e-3), seed=1)
    weights = [[w.detach().clone() for w in network.parameters()] for network in learnt]
    same = [
        all(bool((a == b).all()) for a, b in zip(*pair, strict=True))
        for pair in (weights[:2], weights[2:], weights[::2])
    ]
    assert same == [True, True, False]


def test_all_ways_stand_in_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PRETRAINING", {"steps": 3, "batch_size": 4})
    monkeypatch.setattr(bench, "TRIED", (Taught(2, 1e-3), Taught(3, 1e-3)))
    large, small = (place(tmp_path / f"{n}.npz", n, days) for n, days in ((4, 20), (3, 40)))
    figures, kept = tmp_path / "figures.json", tmp_path / "kept"
    words = ["bench", "transfer", large, small, "--after", "2024-01-20", "--windows", 2]
    words += ["--seeds", 2, "--json", figures, "--keep", kept, "--part", "head", "--part", "all"]
    done = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    assert done.exception is None, done.exception
    assert all(way in done.stdout for way in ("fresh", "head", "all", "ridge", "seasonal naive"))
    found = json.loads(figures.read_text())["found"]
    assert len(found) == 2 * 2 * (2 + 3 * 2)  # spans, windows; two ways once, three with two seeds
    assert {each["origin"] for each in found} == {"2024-01-27", "2024-02-05"}
    assert sorted(path.name for path in kept.iterdir()) == ["masked-1", "masked-2"]


def test_too_few_days_are_refused(data: Data) -> None:
    with pytest.raises(SettingsError, match="12 days must lie before"):
        bench._origins(data, "2024-01-11", 4)
