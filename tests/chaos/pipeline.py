"""The pipeline under load: servers, workers and a shop whose records are counted at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fleet import Fleet
from outputs import Compared, compare
from servers import Servers
from shop import PARTITIONS, settings_text
from watch import Commits, ends

from tidecast.state.settings import load_settings
from tidecast.streams.recording import Recorded
from tidecast.streams.topics import topic_names

__all__ = ["PREFIX", "QUIET_SECONDS", "Broken", "Pipeline"]

PREFIX = "chaos-"
FLEET = (("ingest", "a"), ("forecast", "a"), ("forecast", "b"), ("sink", "a"), ("sink", "b"))
QUIET_SECONDS = 30.0  # before whatever is scheduled, and after it
START_SECONDS = 180.0
DRAIN_SECONDS = 900.0


class Broken(Exception):
    """Something that must hold did not."""


class Pipeline:
    """The workers of a shop on servers of their own, in a folder of its own."""

    def __init__(self, folder: Path, up: Servers, bin_seconds: int) -> None:
        self.up = up
        self.path = folder / "tidecast.toml"
        self.path.write_text(
            settings_text(bin_seconds).replace("{prefix}", PREFIX)
            + f'\n[kafka]\nbootstrap = "{up.bootstrap}"\ntopic_prefix = "{PREFIX}out"\n'
            + f'group = "{PREFIX}group"\n[clickhouse]\ndatabase = "chaos"\n'
        )
        self.environment = dict(os.environ) | up.login
        self.settings = load_settings(self.path, self.environment)
        self.topics = topic_names(self.settings.kafka.topic_prefix)
        self.outputs = [self.topics.predictions, self.topics.windows, self.topics.scores]
        self.fleet = Fleet(self.path, up.login)
        self.commits = Commits(up.bootstrap, f"{PREFIX}group.sink")
        self.codes: dict[str, int] = {}

    def command(self, *arguments: str) -> int:
        """Run a tidecast command; return its exit code."""
        command = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(self.path)]
        return subprocess.run(
            [*command, *arguments], env=self.environment, stdin=subprocess.DEVNULL, check=False
        ).returncode

    def _must(self, *arguments: str) -> None:
        """Run a tidecast command that must succeed."""
        if code := self.command(*arguments):
            raise Broken(f"tidecast {' '.join(arguments)}: exit code {code}")

    def compare(self, recording: Path) -> list[Compared]:
        """Record the run, and compare all that was sent with what an undisturbed run gives."""
        self._must("record", str(recording), "--until-end")
        repeated = Recorded(self.settings, recording).records()
        return compare(self.settings, repeated, self.up.bootstrap)

    def check(self) -> None:
        """Raise when a worker ended in a way that no supervisor starts it again from."""
        if self.fleet.given_up:
            raise Broken("; ".join(self.fleet.given_up))

    def run(self, seed: int, rate: int, schedule: Callable[[], None]) -> None:
        """Do what is scheduled to workers under load; then let them finish, and end in peace."""
        self._must("topics", "create", "--partitions", str(max(PARTITIONS.values())))
        with self.fleet, self.commits:
            for role, name in FLEET:
                self.fleet.add(role, name)
            load = self._load(seed, rate)
            try:
                self._wait_for_predictions()
                time.sleep(QUIET_SECONDS)
                schedule()
                time.sleep(QUIET_SECONDS)
            finally:
                load.terminate()
                load.wait(120)
            self._drain()
            self.codes = self.fleet.stop()

    def _load(self, seed: int, rate: int) -> subprocess.Popen[bytes]:
        program = Path(__file__).with_name("load.py")
        arguments = [self.up.bootstrap, PREFIX, str(seed), str(rate)]
        return subprocess.Popen(
            [sys.executable, str(program), *arguments], stdin=subprocess.DEVNULL
        )

    def _wait_for_predictions(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not any(ends(self.up.bootstrap, [self.topics.predictions]).values()):
            self.check()
            if time.monotonic() > deadline:
                raise Broken(f"no predictions within {START_SECONDS:.0f} s of the start")
            time.sleep(1.0)

    def _drain(self) -> None:
        """Wait until everything that was produced is stored."""
        deadline = time.monotonic() + DRAIN_SECONDS
        calm, before = 0, None
        while calm < 5:
            self.check()
            if time.monotonic() > deadline:
                raise Broken(f"not drained within {DRAIN_SECONDS:.0f} s")
            time.sleep(2.0)
            now = ends(self.up.bootstrap, [*self.outputs, self.topics.cuts])
            stored = {place: end for place, end in now.items() if place.topic in self.outputs}
            behind = any(self.commits.committed.get(p, 0) < end for p, end in stored.items())
            calm = 0 if behind or now != before else calm + 1
            before = now
