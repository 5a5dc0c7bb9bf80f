"""Measures one backbone: training beside a plain loop, the answer to a bin, and the start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.device import autocast, pick_device
from tidecast.models.deep.folder import load_model, save_model
from tidecast.models.deep.history import History, Scales
from tidecast.models.deep.model import About, Model, make_cells
from tidecast.models.deep.schedule import TrainingPlan
from tidecast.models.deep.space import Space
from tidecast.models.deep.training import Trainer, make_network
from tidecast.models.deep.windows import Windows
from tidecast.state.bins import HOUR
from tidecast.state.cells import Cell
from tidecast.tools.bench.memory import peak_mib

__all__ = ["DeepRun", "measure_deep"]

TRAINED_CELLS, TRAINED_BINS, N_NEAR = 64, 1000, 4
HORIZON, CONTEXT, BATCH = 12, 24, 32
MEASURED, WARM = 7, 2
MEASURED_SECONDS = 5.0
"""For how long steps are measured at least: quick ones vary more."""


@dataclass(frozen=True)
class DeepRun:
    """What a backbone takes; rates are medians of steps, one after another in turn."""

    backbone: str
    device: str
    threads: int
    weights: int
    windows_per_second: float
    plain_windows_per_second: float
    """Of a loop of forward, backward and AdamW over the same network and batches."""
    training_mib: float
    cells: int
    start_seconds: float
    """From the start of a process to its first answer, weights at hand."""
    answer_seconds: float
    """Of ``cells`` cells and 12 leads, from values to quantiles as arrays."""
    peak_mib: float
    """Of a process that only answers."""


def measure_deep(backbone: str, cells: int, threads: int, steps: int = MEASURED) -> DeepRun:
    """Train, answer and start a network of ``backbone``, of the default size."""
    torch.set_num_threads(threads)
    trainer = _trainer(backbone)
    ours, plain = _rates(trainer, steps)
    training_mib = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        save_model(place, _untrained(backbone, cells), {})
        command = [sys.executable, "-m", "tidecast.tools.bench.deep_run", "answer", str(place)]
        words = [*command, str(threads), str(steps), repr(perf_counter())]
        answers = json.loads(subprocess.check_output(words))
    return DeepRun(
        backbone=backbone,
        device=str(trainer.device),
        threads=threads,
        weights=sum(weight.numel() for weight in trainer.network.parameters()),
        windows_per_second=ours,
        plain_windows_per_second=plain,
        training_mib=training_mib,
        cells=cells,
        **answers,
    )


def measure_answers(place: Path, threads: int, n_answers: int, begun: float) -> dict[str, float]:
    """Return what answers of a model take in this process, started at ``begun`` of its clock."""
    torch.set_num_threads(threads)
    model, _ = load_model(place, pick_device())
    answer_once(model)
    started = perf_counter() - begun
    return {
        "start_seconds": started,
        "answer_seconds": median(answer_once(model) for _ in range(n_answers)),
        "peak_mib": peak_mib(),
    }


def answer_once(model: Model) -> float:
    """Return the seconds in which ``model`` answers one bin of counts."""
    config = model.network.config
    values = _counts(config.context_length, len(model.cells))
    start = perf_counter()
    windows = _windows(values, config, model.scales)
    model.forecast(windows, config.context_length)
    return perf_counter() - start


def _rates(trainer: Trainer, steps: int) -> tuple[float, float]:
    """Return windows per second of our steps, and of those of a plain loop, in turn."""
    one_more = _plain_loop(trainer)
    taken: list[tuple[float, float]] = []
    end = perf_counter() + MEASURED_SECONDS
    while len(taken) < WARM + steps or perf_counter() < end:
        taken.append((_seconds(trainer.step), _seconds(one_more)))
    ours, plain = (median(times) for times in zip(*taken[WARM:], strict=True))
    return BATCH / ours, BATCH / plain


def _plain_loop(trainer: Trainer) -> Callable[[], object]:
    """Return a step of a plain PyTorch loop over windows like those of ``trainer``."""
    network = make_network(trainer.network.config, 1).train().to(trainer.device)
    windows = _training_windows(network.config)
    optimizer = torch.optim.AdamW(network.parameters())
    random = np.random.default_rng(1)

    def step() -> float:
        origins = random.choice(windows.origins(), BATCH)
        optimizer.zero_grad()
        with autocast(trainer.device):
            forecast = network(windows.inputs(origins))
        loss = network.loss(forecast, windows.actual(origins), windows.cells)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def _trainer(backbone: str) -> Trainer:
    config = _config(backbone, TRAINED_CELLS)
    windows = _training_windows(config)
    origins = windows.origins()
    plan = TrainingPlan(batch_size=BATCH)
    return Trainer(make_network(config, 1), windows, origins, origins[:BATCH], plan)


def _untrained(backbone: str, cells: int) -> Model:
    config = _config(backbone, cells)
    about = About(
        series=("demand",),
        bin_width=HOUR,
        time_zone="UTC",
        first="",
        last="",
        steps=0,
        seed=1,
        versions={"torch": version("torch")},
    )
    scales = Scales.of(_counts(TRAINED_BINS // 10, cells))
    names = tuple(Cell(f"region {number}", "all") for number in range(cells))
    return Model(make_network(config, 1), names, scales, about)


def _config(backbone: str, cells: int) -> NetworkConfig:
    return NetworkConfig(
        n_cells=cells,
        context_length=CONTEXT,
        horizon=HORIZON,
        slots_per_day=24,
        backbone=backbone,
        grid=(8, 8),
    )


def _training_windows(config: NetworkConfig) -> Windows:
    values = _counts(TRAINED_BINS, TRAINED_CELLS)
    return _windows(values, config, Scales.of(values))


def _windows(values: np.ndarray, config: NetworkConfig, scales: Scales) -> Windows:
    """Return windows of cells on a map of 8 x 8 pixels, each near the next four."""
    n_bins, n_cells, _ = values.shape
    hours = np.arange(n_bins + HORIZON)
    history = History.plain(values, np.stack([hours % 24, hours // 24 % 7], axis=1))
    number = torch.arange(n_cells)
    near = (number[:, None] + torch.arange(1, N_NEAR + 1)) % n_cells
    place = torch.stack([number // 8 % 8, number % 8], dim=1)
    space = Space(near, torch.ones(n_cells, N_NEAR), place)
    cells = make_cells(np.arange(1, n_cells + 1), scales, history.static, space)
    return Windows(history, cells, config, pick_device())


def _counts(n_bins: int, n_cells: int) -> np.ndarray:
    values = np.random.default_rng(n_cells).poisson(20.0, (n_bins, n_cells, 1))
    return values.astype(np.float32)


if __name__ == "__main__":
    task, what, *numbers = sys.argv[1:]
    if task == "answer":
        threads_, n, clock = numbers
        print(json.dumps(measure_answers(Path(what), int(threads_), int(n), float(clock))))
    else:
        print(json.dumps(asdict(measure_deep(what, *map(int, numbers)))))
