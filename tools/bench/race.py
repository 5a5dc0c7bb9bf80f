"""A race: contenders in turn on one broker, each in its own process, all of them checked."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from uuid import uuid4

import click

from tidecast.state.errors import ServiceError, TidecastError
from tidecast.streams.topics import topic_names
from tidecast.tools.bench.contenders import OURS, Contender
from tidecast.tools.bench.contenders.job import Job, Report
from tidecast.tools.bench.outputs import Output, cut_rows, read_output, window_rows
from tidecast.tools.bench.records import BenchRecords, Sums
from tidecast.tools.bench.shop import sum_settings
from tidecast.tools.bench.topics import create_topics, delete_topics, fill

__all__ = ["Standing", "compare", "difference", "filled_topics", "run_once"]

PARTITIONS = 4
SLOW_SHARE = 10
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Source:
    """A filled topic and the sums that are true of it."""

    topic: str
    records: int
    truth: Sums


@dataclass
class Standing:
    """What one contender reached, run by run; rates are records per second."""

    name: str
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    verified: bool = True
    problem: str = ""

    @property
    def rate(self) -> float | None:
        """The median rate, or None where no run came to its end."""
        return median(self.rates) if self.rates else None

    @property
    def cpu(self) -> float | None:
        """The median CPU time of a record, in microseconds."""
        return median(self.costs) if self.costs else None

    def add(self, report: Report, ended: float, records: int) -> None:
        """Take in one run of ``records`` records that ended at ``ended``."""
        self.rates.append(records / (ended - report.began))
        self.costs.append(report.cpu_seconds / records * 1e6)
        self.peak_mib = max(self.peak_mib, report.peak_mib)

    def fail(self, problem: str) -> None:
        """Note that a run broke down or found wrong sums."""
        self.verified = False
        self.problem = problem
        click.echo(f"contender {self.name}: {problem}", err=True)


def compare(
    bootstrap: str, contenders: Sequence[Contender], records: int, runs: int
) -> list[Standing]:
    """Run the contenders in turn, ``runs`` times over, and return where each stands."""
    standings = {contender.name: Standing(contender.name) for contender in contenders}
    with filled_topics(bootstrap, contenders, records) as sources:
        for run in range(1, runs + 1):
            for contender in contenders:
                source = sources[contender.slow, contender.keyed]
                standing = standings[contender.name]
                run_once(bootstrap, contender, source, standing)
                rate = f"{standing.rates[-1]:,.0f} records/s" if standing.rates else "no result"
                click.echo(f"run {run} of {runs}: {contender.name}: {rate}", err=True)
    return list(standings.values())


@contextmanager
def filled_topics(
    bootstrap: str, contenders: Sequence[Contender], records: int
) -> Iterator[dict[tuple[bool, bool], Source]]:
    """Fill one topic per (slow, keyed) that the contenders need, and remove them in the end."""
    drawn = BenchRecords.draw(records)
    prefix = f"bench-{uuid4().hex[:8]}"
    sources: dict[tuple[bool, bool], Source] = {}
    try:
        for slow, keyed in sorted({(c.slow, c.keyed) for c in contenders}):
            part = drawn.part(0, records // SLOW_SHARE if slow else records)
            name = f"{prefix}-{len(part)}{'-keyed' if keyed else ''}"
            create_topics(bootstrap, [name], PARTITIONS)
            sources[slow, keyed] = Source(name, len(part), part.sums())
            click.echo(f"filling {name} with {len(part):,} records", err=True)
            fill(bootstrap, name, part.deal(PARTITIONS, keyed))
        yield sources
    finally:
        delete_topics(bootstrap, prefix)


def run_once(bootstrap: str, contender: Contender, source: Source, standing: Standing) -> None:
    """Let a contender do the job once, and check what it wrote."""
    output = f"{source.topic}-{contender.name}-{uuid4().hex[:8]}"
    create_topics(bootstrap, [output, topic_names(output).cuts], 1)
    try:
        with tempfile.TemporaryDirectory(prefix="tidecast-bench-") as folder:
            job = Job(bootstrap, source.topic, PARTITIONS, source.records, output, folder)
            report = run_process(contender, job)
        ended = report.ended
        if not contender.counts_only:
            written = read_result(contender, job)
            ended = written.last_append
            if written.sums != source.truth:
                standing.fail(difference(written.sums, source.truth))
        standing.add(report, ended, job.total)
    except TidecastError as error:
        standing.fail(str(error))
    finally:
        delete_topics(bootstrap, output)


def read_result(contender: Contender, job: Job) -> Output:
    """Read what a contender wrote: windows, or our cuts."""
    if contender.name != OURS:
        return read_output(job.bootstrap, job.output, window_rows)
    cuts = topic_names(job.output).cuts
    return read_output(
        job.bootstrap, cuts, lambda values: cut_rows(values, sum_settings(job.topic, job.kafka()))
    )


def run_process(contender: Contender, job: Job) -> Report:
    """Run a contender in a process of its own and return its report."""
    with tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(
                [sys.executable, "-m", contender.module, job.text()],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ServiceError(f"no end after {TIMEOUT_SECONDS} s") from None
        if done.returncode == 0 and done.stdout.strip():
            return Report(**json.loads(done.stdout.splitlines()[-1]))
        errors.seek(0)
        last = (errors.read().strip().splitlines() or ["no word on standard error"])[-1]
    raise ServiceError(f"the process ended with {done.returncode}: {last}")


def difference(found: Sums, truth: Sums) -> str:
    """Say how far ``found`` is from the truth."""
    wrong = sum(truth.get(key) != value for key, value in found.items())
    lacking = len(truth.keys() - found.keys())
    counted = sum(count for count, _ in found.values())
    true = sum(count for count, _ in truth.values())
    return (
        f"wrong sums: {wrong:,} windows differ, {lacking:,} are lacking, "
        f"{counted:,} of {true:,} records counted"
    )
