"""A live pipeline for tests: topics of its own, worker processes, and what they wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tidecast.state.settings import Settings, load_settings
from tidecast.streams.topics import TopicNames, topic_names
from tidecast.tools.main import run

PATIENCE_SECONDS = 240.0  # the machine may be loaded
POLL_SECONDS = 0.5


def wait_until(
    done: Callable[[], bool], what: str, alive: Callable[[], None] | None = None
) -> None:
    """Poll until ``done``; fail after a generous while, or as soon as ``alive`` raises."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if alive is not None:
            alive()
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


@dataclass
class Worker:
    """A worker process, and the file it logs to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Fail if the process has ended."""
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-4_000:]
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{tail}")

    def kill(self) -> None:
        """End the process without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """End the process as a supervisor would; return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@dataclass
class Live:
    """One pipeline: a settings file whose topics and database are its own."""

    settings_path: Path
    bootstrap: str
    workers: dict[str, Worker] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load_settings(self.settings_path, os.environ)

    @property
    def topics(self) -> TopicNames:
        return topic_names(self.settings.kafka.topic_prefix)

    @property
    def source_topic(self) -> str:
        """The topic of the first source."""
        return self.settings.sources[0].topic

    def command(self, *arguments: str) -> None:
        """Run a tidecast command in this process."""
        assert run(["--settings", str(self.settings_path), *arguments]) == 0

    def send(self, topic: str, values: Iterable[bytes], partition: int = 0) -> None:
        """Send records to a partition, in order, and wait until the broker has them."""
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        try:
            for value in values:
                producer.send(topic, value, partition=partition)
            producer.flush(60)
        finally:
            producer.close()

    def start(self, role: str, slot: str = "0") -> Worker:
        """Start a worker process; the same slot again is the same member of its group."""
        name = f"{role}-{slot}"
        log = self.settings_path.with_name(f"{name}-{time.monotonic_ns()}.log")
        options = ["--settings", str(self.settings_path), "worker", role, "--slot", slot]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tidecast.tools.main", "-v", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.workers[name] = Worker(name, process, log)
        return self.workers[name]

    def check(self) -> None:
        """Fail if a worker that should run has ended."""
        for worker in self.workers.values():
            worker.check()

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Wait until ``done`` while all workers live."""
        wait_until(done, what, self.check)

    def wait_for(self, topic: str, count: int) -> None:
        """Wait until the topic has had ``count`` records."""
        self.wait(lambda: self.ends(topic) >= count, f"{count} records of {topic}")

    def ends(self, topic: str) -> int:
        """Return how many offsets the topic has, over all partitions."""
        with self._reader(topic) as (consumer, places):
            return sum(consumer.end_offsets(places).values())

    def records(self, topic: str) -> list[Any]:
        """Return all records of a topic, partition by partition."""
        with self._reader(topic) as (consumer, places):
            ends = consumer.end_offsets(places)
            consumer.seek_to_beginning(*places)
            found: dict[int, list[Any]] = {place.partition: [] for place in places}
            while any(consumer.position(place) < ends[place] for place in places):
                for place, records in consumer.poll(500, max_records=20_000).items():
                    found[place.partition] += records
            return [record for _, records in sorted(found.items()) for record in records]

    def values(self, topic: str) -> list[bytes]:
        return [record.value for record in self.records(topic)]

    @contextmanager
    def _reader(self, topic: str) -> Iterator[tuple[Any, list[TopicPartition]]]:
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        try:
            numbers = sorted(consumer.partitions_for_topic(topic) or ())
            places = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(places)
            yield consumer, places
        finally:
            consumer.close()


@contextmanager
def live(
    folder: Path, bootstrap: str, prefix: str, text: str, environment: Mapping[str, str]
) -> Iterator[Live]:
    """Return a pipeline whose ``text`` of settings names topics by {prefix}; stop its workers."""
    path = folder / "tidecast.toml"
    database = prefix.replace("-", "_")
    path.write_text(
        text.replace("{prefix}", prefix)
        + f'\n[kafka]\nbootstrap = "{bootstrap}"\ntopic_prefix = "{prefix}out"\n'
        + f'group = "{prefix}group"\n[clickhouse]\ndatabase = "{database}"\n'
    )
    before = dict(os.environ)
    os.environ.update(environment)
    pipeline = Live(path, bootstrap)
    try:
        yield pipeline
    finally:
        for worker in pipeline.workers.values():
            if worker.process.poll() is None:
                worker.process.terminate()
        for worker in pipeline.workers.values():
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(20)
            if worker.process.poll() is None:
                worker.kill()
        os.environ.clear()
        os.environ.update(before)
