"""``tidecast deep simulate`` and ``anomalies``: futures as a table, and bins that are odd."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deep_commands import invoke

from tidecast.state.errors import SettingsError

N_BINS, N_CELLS, HORIZON = 240, 3, 4
SMALL = ["--context", "6", "--horizon", HORIZON, "--width", "8", "--depth", "1"]

pytest.importorskip("torch")


def counts() -> np.ndarray:
    hours = np.arange(N_BINS)[:, None]
    usual = (20.0 + 20.0 * np.arange(N_CELLS)) * (1.5 + np.sin(2 * np.pi * hours / 24))
    return np.random.default_rng(1).poisson(usual).astype(np.int16)


def keep(path: Path, values: np.ndarray) -> Path:
    np.savez(path, flow=values, start=np.array("2024-01-01 00:00"))
    return path


def train(folder: Path, file: Path, latent: int) -> Path:
    invoke(
        *("train", file, "--freq", "1h", "--out", folder, "--steps", 60, "--batch-size", 16),
        *("--latent", latent, *SMALL),
    )
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keep(tmp_path_factory.mktemp("data") / "flow.npz", counts())


@pytest.fixture(scope="module")
def model(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("models") / "generator", file, latent=2)


def simulate(model: Path, file: Path, out: Path, *more: object) -> pl.DataFrame:
    words = (model, file, "--freq", "1h", "--out", out, "--samples", 7, *more)
    assert "7 futures of 3 cells" in invoke("simulate", *words)
    return pl.read_parquet(out)


def test_futures_come_after_the_data_in_a_long_table(
    model: Path, file: Path, tmp_path: Path
) -> None:
    found = simulate(model, file, tmp_path / "futures.parquet")
    assert found.columns == ["sample", "time", "region", "category", "flow"]
    assert len(found) == 7 * N_CELLS * HORIZON == len(found.unique(["sample", "time", "region"]))
    times = found["time"].unique().sort().dt.to_string("%m-%d %H").to_list()
    assert times == ["01-11 00", "01-11 01", "01-11 02", "01-11 03"]
    assert (found["flow"] >= 0).all()
    by_size = found.group_by("region").agg(pl.col("flow").mean()).sort("region")["flow"]
    assert by_size.is_sorted()  # each in the row of its cell
    assert found.equals(simulate(model, file, tmp_path / "again.parquet"))


def test_futures_at_a_time_know_nothing_of_what_came(
    model: Path, file: Path, tmp_path: Path
) -> None:
    other = counts()
    other[200:] = 999
    at = ("--at", "2024-01-09T08:00")
    pairs = [
        simulate(model, path, tmp_path / f"{number}.parquet", *at)
        for number, path in enumerate((file, keep(tmp_path / "other.npz", other)))
    ]
    assert pairs[0].equals(pairs[1])
    assert pairs[0]["time"].min().isoformat() == "2024-01-09T08:00:00+00:00"


@pytest.mark.parametrize("at", ["2030-01-01", "yesterday"])
def test_a_time_that_is_not_there_is_refused(
    model: Path, file: Path, tmp_path: Path, at: str
) -> None:
    with pytest.raises(SettingsError, match=f"--at {at}"):
        simulate(model, file, tmp_path / "futures.parquet", "--at", at)


def test_a_network_without_latent_values_is_refused(file: Path, tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", file, latent=0)
    with pytest.raises(SettingsError, match="train one with --latent"):
        simulate(plain, file, tmp_path / "futures.parquet")


def test_a_bin_of_ten_times_as_much_is_the_oddest(model: Path, file: Path, tmp_path: Path) -> None:
    values = counts()
    values[220, 1] *= 10
    odd = keep(tmp_path / "odd.npz", values)
    said = invoke("anomalies", model, odd, "--freq", "1h", "--top", 5, "--json")
    found = json.loads(said)["anomalies"]
    assert len(found) == 5
    assert (found[0]["time"], found[0]["region"]) == ("2024-01-10T04:00:00Z", "1")
    assert found[0]["actual"] == values[220, 1] > 3 * found[0]["expected"]
    assert found[0]["nats"] > 3 * abs(found[-1]["nats"])
    assert "2024-01-10T04:00:00Z" in invoke("anomalies", model, odd, "--freq", "1h")
