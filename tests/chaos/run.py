"""Chaos: the pipeline under load and faults, then every count and forecast checked.

``python tests/chaos/run.py --minutes 10 --seed 1`` (``make chaos``) starts a broker, a ClickHouse
server and the workers of a shop, and strikes them by a seeded schedule. At the end the slabs must
equal a recount of the log, forecasts must be complete, and the store must equal the topics:
``tidecast verify --kafka`` says so.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults import Faults
from fleet import Fleet
from report import print_report
from servers import Servers, servers
from shop import PARTITIONS, RATE, settings_text
from watch import Commits, ends, moved, recoveries

from tidecast.state.settings import load_settings
from tidecast.streams.topics import topic_names

PREFIX = "chaos-"
FLEET = (("ingest", "a"), ("forecast", "a"), ("forecast", "b"), ("sink", "a"), ("sink", "b"))
QUIET_SECONDS = 30.0  # before the first fault, and after the last
DRAIN_SECONDS = 900.0


class Broken(Exception):
    """Something that must hold did not."""


class Run:
    """One run, in a folder of its own."""

    def __init__(self, folder: Path, up: Servers, seed: int, rate: int) -> None:
        self.folder = folder
        self.up = up
        self.seed = seed
        self.rate = rate
        self.path = folder / "tidecast.toml"
        self.path.write_text(
            settings_text().replace("{prefix}", PREFIX)
            + f'\n[kafka]\nbootstrap = "{up.bootstrap}"\ntopic_prefix = "{PREFIX}out"\n'
            + f'group = "{PREFIX}group"\n[clickhouse]\ndatabase = "chaos"\n'
        )
        self.environment = dict(os.environ) | up.login
        self.settings = load_settings(self.path, self.environment)
        self.topics = topic_names(self.settings.kafka.topic_prefix)

    def command(self, *arguments: str) -> int:
        """Run a tidecast command; return its exit code."""
        command = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(self.path)]
        return subprocess.run(
            [*command, *arguments], env=self.environment, stdin=subprocess.DEVNULL, check=False
        ).returncode

    def must(self, *arguments: str) -> None:
        """Run a tidecast command that must succeed."""
        if code := self.command(*arguments):
            raise Broken(f"tidecast {' '.join(arguments)}: exit code {code}")

    def prepare(self) -> None:
        """Make the topics."""
        self.must("topics", "create", "--partitions", str(max(PARTITIONS.values())))

    def load(self) -> subprocess.Popen[bytes]:
        """Start the load."""
        program = Path(__file__).with_name("load.py")
        arguments = [self.up.bootstrap, PREFIX, str(self.seed), str(self.rate)]
        return subprocess.Popen(
            [sys.executable, str(program), *arguments], stdin=subprocess.DEVNULL
        )

    def drain(self, fleet: Fleet, commits: Commits) -> None:
        """Wait until everything that was produced is stored."""
        outputs = [self.topics.predictions, self.topics.windows, self.topics.scores]
        deadline = time.monotonic() + DRAIN_SECONDS
        calm, before = 0, None
        while calm < 5:
            if fleet.given_up:
                raise Broken("; ".join(fleet.given_up))
            if time.monotonic() > deadline:
                raise Broken(f"not drained within {DRAIN_SECONDS:.0f} s")
            time.sleep(2.0)
            now = ends(self.up.bootstrap, [*outputs, self.topics.cuts])
            stored = {place: end for place, end in now.items() if place.topic in outputs}
            behind = any(commits.committed.get(p, 0) < end for p, end in stored.items())
            calm = 0 if behind or now != before else calm + 1
            before = now


def run(folder: Path, minutes: float, seed: int, rate: int, gap: float) -> bool:
    """Run chaos for so long; print the report; return whether all held."""
    with servers(folder / "servers") as up:
        one = Run(folder, up, seed, rate)
        one.prepare()
        outputs = [one.topics.predictions, one.topics.windows, one.topics.scores]
        with (
            Fleet(one.path, up.login) as fleet,
            Commits(up.bootstrap, f"{PREFIX}group.sink") as commits,
        ):
            for role, name in FLEET:
                fleet.add(role, name)
            load = one.load()
            try:
                faults = Faults(seed, fleet, up, outputs)
                strike(faults, fleet, minutes, random.Random(seed), gap)
            finally:
                load.terminate()
                load.wait(120)
            one.drain(fleet, commits)
            codes = fleet.stop()
            times = moved(up.bootstrap, one.topics.cuts, one.topics.windows, commits)
        verified = one.command("verify", "--kafka")
        print_report(faults.done, recoveries(faults.done, times), verified, codes)
        return verified == 0 and set(codes.values()) == {0}


def strike(faults: Faults, fleet: Fleet, minutes: float, rng: random.Random, gap: float) -> None:
    """Strike again and again, ``gap`` seconds apart on average, in ``minutes``."""
    began = time.monotonic()
    time.sleep(QUIET_SECONDS)
    while (spent := time.monotonic() - began) < minutes * 60.0 - QUIET_SECONDS:
        kind = faults.strike()
        print(f"{spent:6.0f} s  {kind}", flush=True)
        if fleet.given_up:
            raise Broken("; ".join(fleet.given_up))
        time.sleep(rng.uniform(0.3, 1.7) * gap)
    faults.settle()
    time.sleep(QUIET_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=RATE, help="events a second")
    parser.add_argument("--gap", type=float, default=15.0, help="mean seconds between faults")
    parser.add_argument("--keep", type=Path, help="folder to keep logs, data and recording in")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="tidecast-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
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
