"""Two processes, started by torch's launcher, train as one does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import safetensors.torch
import trained_together

from tidecast.models.deep.folder import load_model
from tidecast.models.deep.processes import ALONE, Processes

LAUNCHER = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
LOOPBACK = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1")


def curve(said: str) -> list[str]:
    """Return what was said of steps."""
    return re.findall(r"^step .*", said, re.MULTILINE)


def launched(*words: object) -> subprocess.CompletedProcess[str]:
    """Start a script, or a module, in two processes; return what they said when they have ended."""
    command = [sys.executable, *LAUNCHER, *LOOPBACK, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_two_processes_give_the_loss_curve_and_the_weights_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_together.train_small(tmp_path / "one", ALONE)
    done = launched(trained_together.__file__, tmp_path / "two")
    one = curve(capsys.readouterr().err)
    assert len(one) == 8
    assert curve(done.stderr) == one
    weights = [
        safetensors.torch.load((tmp_path / name / "weights.safetensors").read_bytes())
        for name in ("one", "two")
    ]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][name], weight, rtol=1e-5, atol=1e-6, err_msg=name)


def test_two_processes_tune_one_model(tmp_path: Path) -> None:
    trained_together.train_small(tmp_path / "one", ALONE)
    flow = np.random.default_rng(1).poisson(20.0, (60, 4))
    np.savez(tmp_path / "flow.npz", flow=flow, start=np.array("2024-01-01"))
    words = (tmp_path / "flow.npz", "--freq", "1h", "--from", tmp_path / "one", "--steps", 2)
    command = ("-m", "tidecast.tools.main", "deep", "finetune", *words)
    done = launched(*command, "--out", tmp_path / "two", "--test", 0)
    assert done.stdout.count("wrote ") == done.stderr.count("2 steps on") == 1
    assert len(load_model(tmp_path / "two")[0].cells) == 4


def test_processes_share_all_that_there_is_to_do() -> None:
    shares = [Processes(rank, 3).mine(range(8)) for rank in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(8))
    assert [Processes(rank, 3).is_first for rank in range(3)] == [True, False, False]
