"""Chaos: the pipeline under load and faults, then every count and forecast checked.

``make chaos MINUTES=10 SEED=1`` starts a broker, a ClickHouse server and the workers of a shop, and
strikes them by a seeded schedule. At the end the slabs must
equal a recount of the log, forecasts must be complete, and the store must equal the topics:
``tidecast verify --kafka`` says so. And all that the workers sent must equal, byte for byte, what
an undisturbed run over the recorded log gives. With ``make rolling`` workers are restarted instead,
one after another, and predictions must go on.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from faults import Faults
from outputs import put_aside
from pipeline import PREFIX, QUIET_SECONDS, Broken, Pipeline
from report import print_faults, print_outcome
from rolling import measure, roll
from servers import servers
from shop import RATE
from watch import moved, recoveries

BIN_SECONDS = 2  # many bins
ROLLING_BIN_SECONDS = 15  # about as long as a worker may take to be back


def run(folder: Path, minutes: float, seed: int, rate: int, gap: float) -> bool:
    """Strike for so long; print the report; return whether all held."""
    with servers(folder / "servers") as up:
        line = Pipeline(folder, up, BIN_SECONDS)
        faults = Faults(seed, line.fleet, up, f"{PREFIX}clicks", line.outputs)
        line.run(seed, rate, partial(strike, faults, line, minutes, random.Random(seed), gap))
        times = moved(up.bootstrap, line.topics.cuts, line.topics.windows, line.commits)
        print_faults(faults.done, recoveries(faults.done, times))
        return is_right(folder, line)


def is_right(folder: Path, line: Pipeline) -> bool:
    """Print what came out of a run, once all is stored; return whether it is right."""
    verified = line.command("verify", "--kafka")
    compared = line.compare(folder / "recording")
    print_outcome(verified, compared, line.codes)
    foreign, aside = put_aside(compared)
    same = all(result.is_same for result in compared) and foreign == aside
    for fault in line.fleet.our_faults:
        print(f"ended by a fault of ours: {fault}")
    in_peace = set(line.codes.values()) == {0} and not line.fleet.our_faults
    return verified == 0 and same and in_peace


def strike(faults: Faults, line: Pipeline, minutes: float, rng: random.Random, gap: float) -> None:
    """Strike again and again, ``gap`` seconds apart on average, in ``minutes``."""
    began = time.monotonic()
    while (spent := time.monotonic() - began) < minutes * 60.0 - 2 * QUIET_SECONDS:
        print(f"{spent:6.0f} s  {faults.strike()}", flush=True)
        line.check()
        time.sleep(rng.uniform(0.3, 1.7) * gap)
    faults.settle()


def run_rolling(folder: Path, times: int, seed: int, rate: int) -> bool:
    """Restart workers so many times; print the report; return whether all held."""
    with servers(folder / "servers") as up:
        line = Pipeline(folder, up, ROLLING_BIN_SECONDS)
        line.run(seed, rate, partial(roll, line, times))
        gaps = measure(line)
        print(f"{times} rolling restarts: {gaps}")
        return is_right(folder, line) and gaps.held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=RATE, help="events a second")
    parser.add_argument("--gap", type=float, default=15.0, help="mean seconds between faults")
    parser.add_argument("--keep", type=Path, help="folder to keep logs, data and recording in")
    parser.add_argument("--rolling", type=int, help="restart workers so many times instead")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tidecast-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if options.rolling:
            held = run_rolling(folder, options.rolling, options.seed, options.rate)
        else:
            held = run(folder, options.minutes, options.seed, options.rate, options.gap)
    except Broken as problem:
        print(f"BROKEN: {problem}\nlogs are in {folder}", file=sys.stderr)
        sys.exit(1)
    if not held:
        print(f"NOT HELD: logs and data are in {folder}", file=sys.stderr)
        sys.exit(1)
    if options.keep is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
