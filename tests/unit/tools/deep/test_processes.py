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

from tidecast.models.deep.processes import ALONE, Processes

LAUNCHER = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
LOOPBACK = ("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1")


def curve(said: str) -> list[str]:
    """Return what was said of steps."""
    return re.findall(r"^step .*", said, re.MULTILINE)


def test_two_processes_give_the_loss_curve_and_the_weights_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_together.train_small(tmp_path / "one", ALONE)
    words = (*LAUNCHER, *LOOPBACK, trained_together.__file__, str(tmp_path / "two"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    one = curve(capsys.readouterr().err)
    assert len(one) == 8
    assert curve(done.stderr) == one
    weights = [
        safetensors.torch.load((tmp_path / name / "weights.safetensors").read_bytes())
        for name in ("one", "two")
    ]
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][name], weight, rtol=1e-5, atol=1e-6, err_msg=name)


def test_processes_share_all_that_there_is_to_do() -> None:
    shares = [Processes(rank, 3).mine(range(8)) for rank in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(8))
    assert [Processes(rank, 3).is_first for rank in range(3)] == [True, False, False]
