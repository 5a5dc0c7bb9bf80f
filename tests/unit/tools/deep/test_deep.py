"""``tidecast deep`` from a table or an array to figures."""

from __future__ import annotations

import errno
import json
import re
import signal
from pathlib import Path

import click
import numpy as np
import polars as pl
import pytest
from deep_commands import invoke

from tidecast.state.errors import CheckpointError, LogError, SettingsError

N_BINS = 240
SMALL = ["--context", "6", "--horizon", "3", "--width", "8", "--depth", "1", "--batch-size", "8"]

torch = pytest.importorskip("torch")

from tidecast.models.deep.folder import load_model  # noqa: E402
from tidecast.models.deep.training import Trainer, TrainingState  # noqa: E402
from tidecast.tools.deep.data import Asked, read_data  # noqa: E402
from tidecast.tools.deep.source import described  # noqa: E402


def counts() -> np.ndarray:
    hours = np.arange(N_BINS)[:, None]
    usual = (10.0 + 20.0 * np.arange(3)) * (1.5 + np.sin(2 * np.pi * hours / 24))
    return np.random.default_rng(1).poisson(usual).astype(np.int16)


@pytest.fixture
def array(tmp_path: Path) -> Path:
    path = tmp_path / "flow.npz"
    np.savez(path, flow=counts(), start=np.array("2024-01-01 00:00"))
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "flow.parquet"
    hours = pl.datetime_range(
        pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(hours=N_BINS - 1), "1h"
    )
    frames = [
        pl.select(time=hours).with_columns(region=pl.lit(str(cell)), value=pl.Series(values))
        for cell, values in enumerate(counts().T)
    ]
    pl.concat(frames).write_parquet(path)
    return path


def train(file: Path, out: Path, *more: object) -> str:
    return invoke("train", file, "--freq", "1h", "--out", out, "--steps", 12, *SMALL, *more)


def test_a_table_and_an_array_of_the_same_values_are_read_alike(array: Path, table: Path) -> None:
    read = [read_data(path, Asked(freq="1h", missing=5.0)) for path in (array, table)]
    assert np.array_equal(read[0].values, read[1].values, equal_nan=True)
    assert np.isnan(read[0].values).any()
    assert read[0].first_bin == read[1].first_bin
    assert read[0].cells == read[1].cells


@pytest.fixture
def promoted(table: Path, tmp_path: Path) -> Path:
    """Return the table with a promotion of every tenth row, and the size of each region."""
    path = tmp_path / "promoted.parquet"
    promotion = (pl.int_range(pl.len()) % 10 == 0).cast(pl.Float64).alias("promotion")
    size = pl.col("region").cast(pl.Float64).alias("size")
    pl.read_parquet(table).with_columns(promotion, size).write_parquet(path)
    return path


def test_covariates_of_a_table_are_learnt_from_and_named_by_the_model(
    promoted: Path, tmp_path: Path
) -> None:
    told = ("--future", "promotion", "--static", "size")
    train(promoted, tmp_path / "model", *told)
    about = load_model(tmp_path / "model")[0].about
    assert [(unit.name, unit.mean, unit.largest) for unit in about.static] == [("size", 1.0, 1.0)]
    [promotion] = about.future
    assert (promotion.name, promotion.mean) == ("promotion", pytest.approx(0.1, abs=0.01))
    plain = train(promoted, tmp_path / "plain", "--value", "value")
    assert load_model(tmp_path / "plain")[0].about.future == ()
    judged = [
        invoke("evaluate", tmp_path / name, promoted, "--freq", "1h", "--value", "value", *more)
        for name, more in (("model", told), ("plain", ()))
    ]
    assert judged[0] != judged[1] and plain
    with pytest.raises(SettingsError, match="say --future promotion --static size"):
        invoke("evaluate", tmp_path / "model", promoted, "--freq", "1h", "--value", "value")


def test_a_model_that_is_tuned_sees_covariates_in_the_units_that_it_knows(
    promoted: Path, tmp_path: Path
) -> None:
    train(promoted, tmp_path / "model", "--future", "promotion")
    scaled = pl.read_parquet(promoted).with_columns(pl.col("promotion") * 3.0)
    scaled.write_parquet(tmp_path / "scaled.parquet")
    words = ("--from", tmp_path / "model", "--freq", "1h", "--value", "value", "--steps", 2)
    tuning = ("finetune", tmp_path / "scaled.parquet", *words, "--out", tmp_path / "tuned")
    invoke(*tuning, "--future", "promotion")
    before, after = (load_model(tmp_path / name)[0].about.future for name in ("model", "tuned"))
    assert before == after
    with pytest.raises(SettingsError, match="say --future promotion"):
        invoke(*tuning)


def test_covariates_are_known_ahead_of_the_last_value(promoted: Path) -> None:
    ahead = (
        pl.read_parquet(promoted)
        .head(1)
        .with_columns(time=pl.datetime(2024, 1, 11, 1), value=None, promotion=5.0)
    )
    longer = promoted.with_name("longer.parquet")
    pl.concat([pl.read_parquet(promoted), ahead.cast({"value": pl.Int16})]).write_parquet(longer)
    data = read_data(longer, Asked(freq="1h", future=("promotion",), static=("size",)))
    future = data.future(range(len(data.values) + 3))
    assert future.shape == (len(data.values) + 3, 3, 1)
    assert future[N_BINS + 1, 0, 0] == 5.0
    assert np.isnan(future[N_BINS]).all()
    assert data.static.tolist() == [[0.0], [1.0], [2.0]]


def test_covariates_of_some_bins_are_those_of_all(promoted: Path) -> None:
    data = read_data(promoted, Asked(freq="1h", future=("promotion",)))
    n_bins = len(data.values) + 3
    some = [data.future(range(n, min(n + 100, n_bins))) for n in range(0, n_bins, 100)]
    assert np.array_equal(np.concatenate(some), data.future(range(n_bins)), equal_nan=True)


def test_an_array_has_no_covariates(array: Path) -> None:
    with pytest.raises(LogError, match="covariates are for tables"):
        read_data(array, Asked(freq="1h", future=("promotion",)))


def test_a_cell_of_a_table_begins_with_its_first_value(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("time,region,value\n2024-01-01T00:00,a,1\n2024-01-01T02:00,b,2\n")
    data = read_data(path, Asked(freq="1h", absent="zero"))
    assert data.values[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(data.values[:2, 1, 0]).all()


def test_a_model_is_trained_written_and_judged(array: Path, tmp_path: Path) -> None:
    out, figures = tmp_path / "model", tmp_path / "figures.json"
    assert "3 cells" in train(array, out)
    said = invoke("evaluate", out, array, "--freq", "1h", "--json", figures)
    model, metrics = load_model(out)
    assert model.about.first == "2024-01-01T00:00:00Z"
    assert model.about.steps == 12
    assert {"tidecast", "torch"} <= set(model.about.versions)
    assert model.about.versions.get("git") == described()
    assert metrics["mae"] > 0
    found = json.loads(figures.read_text())
    assert found["n"] == 46 * 3 * 3  # of 232 windows a fifth; cells, leads
    assert f"MAE {found['mae']:.3f}" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "shift, likelihood", [(0.0, "negative_binomial"), (0.5, "normal"), (-500.0, "normal")]
)
def test_counts_are_learnt_as_counts_and_other_numbers_by_a_normal(
    tmp_path: Path, shift: float, likelihood: str
) -> None:
    path = tmp_path / "flow.npz"
    np.savez(path, flow=counts() + shift, start=np.array("2024-01-01"))
    train(path, tmp_path / "model")
    model, _ = load_model(tmp_path / "model")
    assert model.network.config.likelihood == likelihood


@pytest.mark.parametrize("share", [0, 0.2])
def test_a_loss_is_told_and_that_of_validation_where_there_is_any(
    array: Path, tmp_path: Path, share: float
) -> None:
    said = train(array, tmp_path / "model", "--steps", 250, "--validate", share)
    line = next(line for line in said.splitlines() if line.startswith("step 250: loss "))
    assert ("validation" in line) == (share > 0)
    assert "nan" not in line


@pytest.mark.parametrize("device, width", [("cpu", 64), ("cuda", 128)])
def test_a_network_for_a_gpu_is_wider(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, width: int
) -> None:
    monkeypatch.setattr("tidecast.tools.deep.train.pick_device", lambda: torch.device(device))
    invoke("train", array, "--freq", "1h", "--steps", 1, "--out", tmp_path / "model")
    assert load_model(tmp_path / "model")[0].network.config.width == width


def test_training_never_sees_what_is_tested(array: Path, tmp_path: Path) -> None:
    train(array, tmp_path / "one")
    values = counts()
    values[-46:] = 999
    np.savez(array, flow=values, start=np.array("2024-01-01 00:00"))
    train(array, tmp_path / "two")
    one, two = (load_model(tmp_path / name)[0] for name in ("one", "two"))
    pairs = zip(one.network.parameters(), two.network.parameters(), strict=True)
    assert all(bool((a == b).all()) for a, b in pairs)


def test_a_stopped_training_goes_on_to_the_same_model(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(array, tmp_path / "whole")
    step = Trainer.step

    def told_to_end(trainer: Trainer) -> float:
        if trainer.step_number == 5:
            signal.raise_signal(signal.SIGINT)
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", told_to_end)
    with pytest.raises(click.Abort):
        train(array, tmp_path / "parts", "--resume", tmp_path / "kept")
    assert not (tmp_path / "parts").exists()
    monkeypatch.setattr(Trainer, "step", step)
    train(array, tmp_path / "parts", "--resume", tmp_path / "kept")
    whole, parts = ((tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts


def test_a_full_disk_ends_no_training(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patches:
        patches.setattr("tidecast.models.deep.writing.os.fsync", full)
        with pytest.raises(CheckpointError, match="No space left"):
            train(array, tmp_path / "model", "--resume", tmp_path / "kept")
    assert list(tmp_path.iterdir()) == [array]
    said = train(array, tmp_path / "model", "--resume", tmp_path / "kept")
    assert "not kept" not in said


def test_a_state_that_cannot_be_kept_leaves_the_one_before(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(array, tmp_path / "one", "--resume", tmp_path / "kept")
    before = (tmp_path / "kept").read_bytes()

    def full(path: Path, _: TrainingState) -> None:
        raise CheckpointError(f"{path} cannot be written: No space left on device")

    monkeypatch.setattr("tidecast.tools.deep.run.save_training", full)
    said = train(array, tmp_path / "two", "--resume", tmp_path / "kept")
    assert "the state of step 12 is not kept: " in said
    assert (tmp_path / "kept").read_bytes() == before
    assert load_model(tmp_path / "two")[0].about.steps == 12


def test_a_state_of_other_options_is_refused(array: Path, tmp_path: Path) -> None:
    train(array, tmp_path / "one", "--resume", tmp_path / "kept")
    with pytest.raises(CheckpointError, match="other data or options"):
        train(array, tmp_path / "two", "--resume", tmp_path / "kept", "--seed", 2)


def test_a_folder_that_is_there_is_refused_before_training(array: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(CheckpointError, match="is there already"):
        train(array, tmp_path / "model")


def test_a_place_that_can_hold_no_model_is_named_before_training(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").write_text("mine")
    monkeypatch.setattr(Trainer, "run", None)
    with pytest.raises(CheckpointError, match="notes cannot be written: "):
        train(array, tmp_path / "notes" / "model")


def test_training_leaves_nothing_beside_its_model(array: Path, tmp_path: Path) -> None:
    train(array, tmp_path / "models" / "one")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["one"]


def test_the_published_task_ends_with_its_three_figures(tmp_path: Path) -> None:
    path = tmp_path / "flow.npz"
    np.savez(path, flow=counts())
    last = invoke("pems08", path, "--steps", 2, "--resume", tmp_path / "kept").splitlines()[-1]
    assert re.fullmatch(r"MAE [\d.]+  RMSE [\d.]+  MAPE [\d.]+%", last)
    assert sorted(file.name for file in tmp_path.glob("kept.*")) == ["kept.1", "kept.2"]


def test_the_networks_of_the_published_task_are_kept_and_none_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "flow.npz", tmp_path / "kept"
    np.savez(path, flow=counts())
    words = ("pems08", path, "--steps", 1, "--seed", 3, "--out", out)
    last = invoke(*words, "--members", 1).splitlines()[-1]
    model, metrics = load_model(out / "seed-3")
    assert (model.about.seed, model.network.config.backbone) == (3, "itransformer")
    assert metrics["mae"] > 0
    data = ("--freq", "5min", "--start", "2016-07-01T00:00", "--missing", 0)
    assert invoke("evaluate", out / "seed-3", path, *data).splitlines()[-1] == last
    monkeypatch.setattr(Trainer, "step", lambda _: pytest.fail("trained"))
    with pytest.raises(CheckpointError, match="seed-3 is there already"):
        invoke(*words, "--members", 2)


def test_an_impossible_option_is_named(array: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="depth = 0: Input should be greater than"):
        train(array, tmp_path / "model", "--depth", 0)


@pytest.mark.parametrize("zone", ["Europe/Madird", "", "/etc", "Europe"])
def test_a_time_zone_that_is_none_is_told(array: Path, tmp_path: Path, zone: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time zone: name one of IANA's"):
        train(array, tmp_path / "model", "--timezone", zone)


def test_data_of_other_bins_are_refused(array: Path, tmp_path: Path) -> None:
    train(array, tmp_path / "model")
    with pytest.raises(SettingsError, match=r"bins of 1 hour: .* bins of"):
        invoke("evaluate", tmp_path / "model", array, "--freq", "30min")


@pytest.mark.parametrize("judged", ["evaluate", "anomalies"])
def test_without_a_window_to_judge_by_nothing_is_said_to_be_perfect(
    array: Path, tmp_path: Path, judged: str
) -> None:
    train(array, tmp_path / "model", "--latent", 2)
    with pytest.raises(SettingsError, match=r"no window to .*: give more bins, or a larger share"):
        invoke(judged, tmp_path / "model", array, "--freq", "1h", "--test", 0)


@pytest.mark.parametrize("unknown", [slice(0, 146), slice(146, 192)])
def test_values_to_learn_from_and_to_be_judged_by_are_known(
    array: Path, tmp_path: Path, unknown: slice
) -> None:
    values = counts()
    values[unknown] = -1
    np.savez(array, flow=values, start=np.array("2024-01-01 00:00"))
    with pytest.raises(SettingsError, match="no value is known in the bins to learn from, or in"):
        train(array, tmp_path / "model", "--missing", -1)


def test_where_no_value_is_known_no_model_is_said_to_be_perfect(
    array: Path, tmp_path: Path
) -> None:
    train(array, tmp_path / "model")
    values = counts()
    values[192:] = -1
    np.savez(array, flow=values, start=np.array("2024-01-01 00:00"))
    words = ("evaluate", tmp_path / "model", array, "--freq", "1h", "--missing", -1)
    with pytest.raises(SettingsError, match="no value is known in the bins to judge by"):
        invoke(*words)
    invoke(*words, "--test", 0.5)


@pytest.mark.parametrize("judged", ["evaluate", "anomalies", "simulate"])
def test_series_of_other_names_are_refused_with_the_way_out(
    array: Path, tmp_path: Path, judged: str
) -> None:
    train(array, tmp_path / "model", "--latent", 2)
    np.savez(array, speed=counts(), flow=counts(), start=np.array("2024-01-01 00:00"))
    more = ("--out", tmp_path / "futures.parquet") if judged == "simulate" else ()
    words = (judged, tmp_path / "model", array, "--freq", "1h", *more)
    with pytest.raises(
        SettingsError, match="forecasts flow, the data hold speed: say --value flow"
    ):
        invoke(*words, "--value", "speed")
    invoke(*words, "--value", "flow")


def test_a_place_that_takes_no_state_or_no_figures_is_refused_before_training(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "step", lambda _: pytest.fail("trained"))
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="file cannot be written"):
        train(array, tmp_path / "model", "--resume", tmp_path / "file" / "kept")
    with pytest.raises(CheckpointError, match="kept cannot be written"):
        train(array, tmp_path / "model", "--resume", "/proc/kept")


def test_an_array_that_does_not_tell_its_start_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.npz"
    np.savez(path, flow=counts())
    with pytest.raises(LogError, match="say --start"):
        read_data(path, Asked(freq="1h"))
    np.savez(path, flow=counts(), speed=counts())
    with pytest.raises(LogError, match="say --value, one of flow, speed"):
        read_data(path, Asked(freq="1h", start="2024-01-01"))


@pytest.mark.parametrize("name", ["start", "flat", "gone"])
def test_an_array_that_is_none_of_bins_and_cells_is_refused(tmp_path: Path, name: str) -> None:
    path, start = tmp_path / "flow.npz", np.array("2024-01-01")
    np.savez(path, flow=counts(), flat=counts()[:, 0], start=start)
    with pytest.raises(LogError, match=r"say --value, one of flow$"):
        read_data(path, Asked(freq="1h", value=(name,)))
    np.savez(path, flat=counts()[:, 0], start=start)
    with pytest.raises(LogError, match=r"no array of .* is one of numbers"):
        read_data(path, Asked(freq="1h"))


def test_an_array_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no array .*gone\.npz: check the path"):
        read_data(tmp_path / "gone.npz", Asked(freq="1h", start="2024-01-01"))


def test_an_array_that_holds_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.npz"
    np.savez(path, flow=np.array([[{}, {}]], dtype=object))
    with pytest.raises(LogError, match="cannot be read"):
        read_data(path, Asked(freq="1h", start="2024-01-01"))
