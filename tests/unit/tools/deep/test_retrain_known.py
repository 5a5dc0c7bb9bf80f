"""``tidecast deep retrain`` of a champion with covariates: it learns from what it is asked with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from deep_folders import CELLS, FIRST, GRID, SERIES, VALUES, saved, settings_of  # noqa: E402
from retraining import retrain_in  # noqa: E402

from tidecast.models.deep.context import ClosedBin, Context  # noqa: E402
from tidecast.models.deep.folder import load_model, save_model  # noqa: E402
from tidecast.models.deep.known import Unit  # noqa: E402
from tidecast.models.deep.live import LiveModel  # noqa: E402
from tidecast.models.deep.model import Answer, Model  # noqa: E402
from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.models.deep.windows import Windows  # noqa: E402
from tidecast.state.covariates import Kind  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402
from tidecast.state.known import Known  # noqa: E402
from tidecast.state.settings import Settings  # noqa: E402
from tidecast.streams.deep_history import LastBins, Told  # noqa: E402
from tidecast.tools.deep import finetune, retrain  # noqa: E402
from tidecast.tools.deep.job import Job  # noqa: E402
from tidecast.tools.deep.run import run_job  # noqa: E402

WEATHER, SIZE = (
    Unit(name="weather", mean=1.0, largest=4.0),
    Unit(name="size", mean=2.0, largest=2.0),
)
N_BINS, HORIZON = 60, 3
ALONE = np.arange(len(CELLS))


def forecast(bin_: int, seed: int = 1) -> Known:
    """Return a forecast of the weather at the end of a bin: each differs from the one before."""
    rows = np.random.default_rng((bin_, seed)).normal(size=(1 + HORIZON, 2))
    return Known("weather", "known", rows, ALONE % 2)


def closed(number: int, *known: Known) -> ClosedBin:
    return ClosedBin(FIRST + number, CELLS, VALUES[number], known)


def bins(seed: int = 1, since: int = 0) -> list[ClosedBin]:
    """Return bins that tell of weather and sizes ``since`` one of them; some are skipped."""
    size = Known("size", "static", np.arange(6.0)[None, :], ALONE)
    told = [number for number in range(N_BINS) if number not in (20, 21, 40)]
    return [
        closed(number, *((forecast(number, seed), size) if number >= since else ()))
        for number in told
    ]


class Shop:
    """A champion with covariates, and what the windows topic tells of the shop."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings_of(root / "models")
        self.registry = Registry(root / "models")
        model, _ = load_model(saved(root / "none", "first", n_future=1, n_static=1))
        about = model.about.model_copy(update={"future": (WEATHER,), "static": (SIZE,)})
        self.champion = replace(model, about=about)
        save_model(root / "models" / "first", self.champion, {})
        self.registry.promote("first")
        self.told = bins()
        self.jobs: list[Job] = []
        monkeypatch.setattr(retrain, "read_last_bins", self._read)
        monkeypatch.setattr(retrain, "run_job", self._run)
        monkeypatch.setattr(retrain.os, "nice", lambda _: 0)
        monkeypatch.setattr(finetune, "MOST_STEPS", 4)

    async def _read(self, _: Settings) -> LastBins:
        told = Told(2016, len(SERIES), GRID)
        for each in self.told:
            told.take(0, each)
        return told.last_bins()

    def _run(self, job: Job, *more: Any, **named: Any) -> Model:
        self.jobs.append(job)
        return run_job(job, *more, **named)

    def retrain(self) -> Model:
        """Return what is trained; its folder is taken away."""
        retrain_in(self.registry.root.parent, *SERIES)
        (name,) = self.registry.challengers()
        model, _ = load_model(self.registry.folder(name))
        shutil.rmtree(self.registry.folder(name))
        return model


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def test_it_goes_on_with_the_champions_covariates_in_its_units(shop: Shop) -> None:
    model = shop.retrain()
    assert (model.about.future, model.about.static) == ((WEATHER,), (SIZE,))
    assert (model.network.config.n_future, model.network.config.n_static) == (1, 1)


def test_what_was_known_moves_the_weights(shop: Shop) -> None:
    first = shop.retrain()
    shop.told = bins(seed=2)
    second = shop.retrain()
    weights = [next(model.network.backbone.parameters()) for model in (first, second)]
    assert not torch.equal(*weights)


def test_a_window_is_learnt_from_as_the_live_model_is_asked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.retrain()
    (job,) = shop.jobs
    for number, (future, static) in asked(shop, monkeypatch).items():
        if number < 10:
            continue  # there is no window yet
        inputs = job.windows.inputs([number + 1])
        np.testing.assert_array_equal(inputs.future[0].numpy(), future)
        np.testing.assert_array_equal(inputs.cells.static.numpy(), static)


Floats = NDArray[np.float32]


def asked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[Floats, Floats]]:
    """Return what the champion is given of covariates live, by the number of the last bin."""
    found: list[tuple[Floats, Floats]] = []

    def forecast(self: Model, windows: Windows, origin: int) -> Answer:
        inputs = windows.inputs([origin])
        found.append((inputs.future[0].numpy(), inputs.cells.static.numpy()))
        return said(self, windows, origin)

    said = Model.forecast
    monkeypatch.setattr(Model, "forecast", forecast)
    covariates: dict[str, Kind] = {"weather": "known", "size": "static"}
    live = LiveModel("first", shop.champion, SERIES, GRID, HORIZON, covariates)
    context = Context(live.context_length, len(SERIES))
    for each in shop.told:
        context.take(each)
        live.answer(context, {})
    return dict(zip((each.bin - FIRST for each in shop.told), found, strict=True))


def test_bins_of_before_covariates_were_told_of_are_left_out(shop: Shop) -> None:
    shop.told = bins(since=30)
    model = shop.retrain()
    assert model.about.first == "1971-11-26T11:10:00Z"  # 30 bins after the first
    assert model.about.last == "1971-11-26T11:40:00Z"


def test_a_covariate_that_was_never_told_of_is_named_with_the_way_out(shop: Shop) -> None:
    shop.told = [closed(number, forecast(number)) for number in range(N_BINS)]
    with pytest.raises(SettingsError, match=r"size \(static\), of which the windows topic tells"):
        shop.retrain()
